"""The policy on the labelled turns of coding sessions: floors under the figures of docs/policies.md."""

from __future__ import annotations

import pytest
from bench.examples import LABELLED, labelled

from memento_policies import Policy


@pytest.mark.parametrize(("split", "kept", "skipped"), [("dev", 0.99, 0.97), ("test", 0.98, 0.92)])
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
    assert sum(tagged) >= 0.85 * len(tagged) > 0


def test_the_guidelines_name_every_kind_and_the_number_of_turns() -> None:
    guide = (LABELLED / "README.md").read_text("utf-8")
    turns = [turn for split in ("dev", "test") for turn in labelled(split)]
    assert guide.split("\n\n")[1].startswith(f"{len(turns)} turns")
    assert all(f"`{turn.kind}`" in guide for turn in turns)
