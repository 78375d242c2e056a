"""Retention's rules: half-lives, promotion, forgetting, and what statements say of what."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.examples import LABELLED
from hypothesis import given, settings, strategies as st

from memento_policies import PolicyError
from memento_policies.known import Known
from memento_policies.retention import Retention, Traits, load_retention

RETENTION = load_retention()
WORDS = "we i the rolled back switch to from reverted not no longer don't ' \" , instead of correction: it's".split()


def traits(**others: object) -> Traits:
    plain = {"role": "user", "kind": "turn", "collection": "episodic", "tags": (), "importance": 0.8, "age_days": 0.0}
    return Traits(**{**plain, **others})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("others", "left"),
    [
        ({"age_days": 365}, 0.4),
        ({"role": "tool", "age_days": 60}, 0.2),
        ({"tags": ("preference",), "age_days": 1825}, 0.4),
        ({"collection": "knowledge", "age_days": 10_000}, 0.8),
        ({"tags": ("remember",), "age_days": 10_000}, 0.8),
        ({"age_days": -5}, 0.8),
    ],
)
def test_importance_halves_with_every_half_life(others: dict[str, object], left: float) -> None:
    assert RETENTION.faded(traits(**others)) == pytest.approx(left)


def test_only_a_persons_own_words_become_knowledge() -> None:
    decision = {"tags": ("decision",), "importance": 0.95, "lasting": True}
    assert RETENTION.promoted_by(traits(**decision)) is not None
    assert RETENTION.promoted_by(traits(**{**decision, "role": "assistant"})) is None
    assert RETENTION.promoted_by(traits(**{**decision, "importance": 0.5})) is None
    assert RETENTION.promoted_by(traits(**{**decision, "lasting": False})) is None
    assert RETENTION.promoted_by(traits(tags=("instruction",))) is not None


@pytest.mark.parametrize(
    ("lasts", "text"),
    [
        (True, "ok, fine, let's do vite"),
        (True, "Alright. Let's go with Postgres for the ledger, because ops already runs it."),
        (True, "completely remove the start command"),
        (True, "i would only want e2e tests for the session class"),
        (True, "Invalid themes must never crash it."),
        (True, "use pnpm"),
        (True, "Please remember that the freeze starts on Friday."),
        (True, "Bitte nimm pnpm, never npm"),
        (False, "ok let's keep going"),
        (False, "okay now let's do 6,7,8,10"),
        (False, "yes, do it all"),
        (False, "alright, let's tackle main.ts, read it first"),
        (False, "also remember the @docs/plan.md file btw"),
        (False, "should we use pnpm instead of npm?"),
        (False, "I want you to add a section about themes"),
        (False, "```\nalways use tabs\n```"),
        (False, ""),
    ],
)
def test_only_content_lasts(lasts: bool, text: str) -> None:
    assert RETENTION.lasting.holds(text) == lasts


def test_the_shipped_rules_forget_nothing(tmp_path: Path) -> None:
    old = traits(role="tool", age_days=10_000, importance=0.01)
    assert RETENTION.forgotten_by(old) is None
    (tmp_path / "retention.yaml").write_text("forget: [{name: x, roles: [tool], below: 0.1, older_than_days: 30}]\n")
    assert load_retention(tmp_path).forgotten_by(old) is not None
    assert load_retention(tmp_path).forgotten_by(traits(role="tool", age_days=20)) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("forget: [{name: x, roles: [tool]}]\n", "the key 'older_than_days' is required"),
        ("half_lives: [{name: the_rest, days: 0}]\n", "greater than 0"),
        ("statements: [{name: is, pattern: 'x (?P<is>y)'}]\n", "needs the group"),
    ],
)
def test_mistakes_are_named(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "retention.yaml").write_text(text)
    with pytest.raises(PolicyError, match=r"retention\.yaml:1: ") as error:
        load_retention(tmp_path)
    assert problem in str(error.value)


def replaced(retention: Retention, *said: str) -> list[str]:
    """Return of what the last text says otherwise than those before it."""
    known = Known()
    for number, text in enumerate(said):
        found = [old.of for one in retention.statements.of(text) for old in known.hear(one, str(number))]
    return found


@pytest.mark.parametrize(
    ("said", "of"),
    [
        (["We deploy with Ansible.", "We switched from Ansible to Terraform last week."], ["deploy"]),
        (["I live in Utrecht.", "I just moved from Utrecht to Rotterdam."], ["home"]),
        (["Our CI runs on Jenkins.", "We finally replaced Jenkins with GitHub Actions."], ["ci"]),
        (
            ["We use Ansible for the deploys.", "We moved from Ansible to Salt.", "We use Nix for the deploys."],
            ["deploys"],
        ),
        (
            ["The default branch is master.", "The trunk is master.", "We moved from master to main."],
            ["default branch", "trunk"],
        ),
        (["The project lead is Ana.", "Ben took over as project lead from Ana."], ["project lead"]),
        (["We went with Redis for the queue.", "We have decided to use NATS for the queue."], ["queue"]),
        (["We use Ansible Tower for the reports.", "We switched from Ansible to Terraform."], []),
        (["The deadline is Monday.", "We moved the meeting from Monday to Friday."], []),
        (["I live in Utrecht.", "Should we have moved from Utrecht to Rotterdam?"], []),
        (["We use Redis for the queue.", "We replaced Redis with Redis for the queue."], []),
        (["The project lead is Ana.", "Ben took over the call from Ana."], []),
        (["We deploy with Ansible.", "We deploy with confidence in the tests."], []),
        (["The port is 5432. The port is 5433."], []),
        (["The modal is hidden.", "The modal is being served.", "The modal is properly closed."], []),
    ],
)
def test_what_is_no_longer_so(said: list[str], of: list[str]) -> None:
    assert replaced(RETENTION, *said) == of


@pytest.mark.parametrize(("name", "least"), [("supersession", 0.9), ("corrections", 0.95), ("corrections_test", 0.8)])
def test_supersession_on_the_labelled_pairs(name: str, least: float) -> None:
    right = wrong = missed = 0
    for line in (LABELLED / f"{name}.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        label, older, newer = line.split(" | ")
        found = bool(replaced(RETENTION, older, newer))
        right += found and label == "yes"
        wrong += found and label == "no"
        missed += not found and label == "yes"
    assert wrong == 0
    assert right >= least * (right + missed) > 20


@settings(max_examples=300, deadline=1_000)
@given(st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join) | st.text(max_size=3_000))
def test_any_text_is_read_in_time(text: str) -> None:
    known = Known()
    for one in RETENTION.statements.of(text):
        known.hear(one, "a")
    for one in RETENTION.statements.of(text):
        assert not known.hear(one, "a")  # nobody contradicts himself by saying it again
