"""The policy on the labelled turns of coding sessions: floors under the figures of docs/policies.md."""

from __future__ import annotations

import numpy as np
import pytest
from bench.examples import LABELLED, labelled, valued
from bench.judgement import calibration_error
from bench.logistic import auc

from memento_policies import Policy


@pytest.mark.parametrize(("split", "kept", "skipped"), [("dev", 0.98, 0.97), ("test", 0.98, 0.97)])
def test_what_matters_is_kept_and_noise_is_not(split: str, kept: float, skipped: float, policy: Policy) -> None:
    turns = list(labelled(split))
    assert len(turns) >= 200
    wanted = [policy.decide(turn.message).keep for turn in turns if turn.keep]
    unwanted = [policy.decide(turn.message).keep for turn in turns if not turn.keep]
    assert sum(wanted) >= kept * len(wanted)
    assert sum(unwanted) <= (1 - skipped) * len(unwanted)


@pytest.mark.parametrize("kind", ["decision", "fix", "preference", "correction", "fact", "todo"])
def test_no_turn_of_a_kind_that_matters_is_lost(kind: str, policy: Policy) -> None:
    turns = [turn for split in ("dev", "test") for turn in labelled(split) if turn.kind == kind]
    assert [turn.message.text for turn in turns if not policy.decide(turn.message).keep] == []


@pytest.mark.parametrize("tag", ["decision", "preference", "fix", "question"])
def test_a_tag_is_rarely_wrong(tag: str, policy: Policy) -> None:
    tagged = [turn.kind == tag for turn in labelled("test") if tag in policy.decide(turn.message).tags]
    assert sum(tagged) >= 0.7 * len(tagged) > 0


def test_what_is_worth_keeping_is_kept_and_what_is_worthless_is_not(policy: Policy) -> None:
    rows = list(valued())
    assert len(rows) >= 300
    kept = [policy.decide(row.message).keep for row in rows]
    assert all(keep for row, keep in zip(rows, kept, strict=True) if row.value == 3)
    wanted = [keep for row, keep in zip(rows, kept, strict=True) if row.value >= 2 and row.message.role != "tool"]
    assert sum(wanted) >= 0.97 * len(wanted)
    for role, skipped in (("user", 0.8), ("assistant", 0.85)):
        of_role = [not k for row, k in zip(rows, kept, strict=True) if row.value == 0 and row.message.role == role]
        assert sum(of_role) >= skipped * len(of_role)


def test_importance_says_more_than_length_and_can_be_taken_at_its_word(policy: Policy) -> None:
    rows = [row for row in valued() if row.message.role != "tool"]
    matters = np.array([row.value >= 2 for row in rows])
    scores = np.array([policy.weigh(row.message).importance for row in rows])
    lengths = np.array([float(len(row.message.text)) for row in rows])
    assert auc(matters, scores) >= max(0.93, auc(matters, lengths) + 0.05)
    assert calibration_error(scores, matters) <= 0.08


def test_the_guidelines_name_every_kind_and_the_number_of_turns() -> None:
    guide = (LABELLED / "README.md").read_text("utf-8")
    turns = [turn for split in ("dev", "test") for turn in labelled(split)]
    assert guide.split("\n\n")[1].startswith(f"{len(turns)} turns")
    assert all(f"`{turn.kind}`" in guide for turn in turns)
