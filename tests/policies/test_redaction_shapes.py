"""Every shipped redaction rule recognises its published shape, in every dress in which it appears in transcripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from memento_policies import Policy
from memento_policies.loading import load_document
from memento_policies.patterns import PatternSet
from memento_policies.redaction import Redactor, _CompiledRule as CompiledRule, candidate_pattern
from memento_policies.schema import RedactionFile

Fake = Callable[[str, int], str]

FILE = load_document(RedactionFile, None).model
RULES = {rule.name: rule for rule in FILE.rules}
NEEDS_OWN_LINE = {"pgpass_line"}
NEEDS_REAL_LINES = {"ansible_vault", "pgpass_line", "putty_private_key"}
NEEDS_REAL_QUOTES = {
    line.split(maxsplit=1)[0]
    for line in Path(__file__).with_name("token_shapes.txt").read_text("utf-8").splitlines()
    if '"' in line and not line.startswith("#")
}


def escaped_twice(text: str) -> str:
    inner = json.dumps({"stdout": f"x\n{text}\ny"}, ensure_ascii=False)
    return json.dumps({"out": inner}, ensure_ascii=False)


DRESSES: dict[str, Callable[[str], str]] = {
    "bare": lambda text: text,
    "prose": lambda text: f"I used {text} yesterday, and it worked.",
    "after a quote": lambda text: f"x=\\u0022{text}\\u0022",
    "own line": lambda text: f"first line\n{text}\nlast line é ü 漢字",
    "escaped JSON": escaped_twice,
    "coloured": lambda text: f"\x1b[1;32m{text}\x1b[0m",
}


def secret_of(name: str, text: str) -> str:
    found = next(iter(CompiledRule(RULES[name]).find(text.encode())), None)
    assert found, f"{name} does not match its example"
    return text.encode()[slice(*found)].decode()


def kept(name: str, text: str, policy: Policy) -> bool:
    """Tell whether a secret that its rule finds is still there after redaction."""
    found = next(iter(CompiledRule(RULES[name]).find(text.encode())), None)
    return found is not None and text.encode()[slice(*found)].decode() in policy.redact(text).text


def test_every_rule_has_an_example_and_every_example_a_rule(templates: dict[str, str]) -> None:
    assert set(templates) == set(RULES)
    assert len(RULES) >= 300
    assert len({rule.kind for rule in RULES.values()}) >= 150


@pytest.mark.parametrize("name", RULES)
def test_rule_matches_its_example(name: str, fake: Fake) -> None:
    alone = Redactor(FILE.model_copy(update={"rules": (RULES[name],)}))
    for seed in range(5):
        text = fake(name, seed)
        redacted = alone.redact(text)
        assert redacted.counts == {RULES[name].kind: 1}, text
        assert secret_of(name, text) not in redacted.text


def can_wear(name: str, dress: str) -> bool:
    """Tell whether a secret of this shape can stand in this dress: some shapes are a line, or made of quotes."""
    if dress == "escaped JSON" and name in NEEDS_REAL_LINES | NEEDS_REAL_QUOTES:
        return False
    return dress in {"bare", "own line"} or name not in NEEDS_OWN_LINE


@pytest.mark.parametrize(
    ("name", "dress"), [(name, dress) for name in RULES for dress in DRESSES if can_wear(name, dress)]
)
def test_no_secret_survives_the_whole_policy(name: str, dress: str, fake: Fake, policy: Policy) -> None:
    text = fake(name, 1)
    redacted = policy.redact(DRESSES[dress](text))
    assert redacted.counts
    for line in secret_of(name, text).splitlines():
        assert line not in redacted.text
    assert policy.redact(redacted.text).counts == {}


@pytest.mark.parametrize("name", RULES)
def test_what_the_scan_looks_for_occurs_wherever_the_rule_matches(name: str, fake: Fake) -> None:
    candidates = PatternSet([candidate_pattern(RULES[name])])
    for seed in range(5):
        assert candidates.matches(f"é\n{fake(name, seed)}\né".encode()) == [0]


def test_shapes_are_recalled_with_any_random_content(fake: Fake, policy: Policy) -> None:
    """The project's bar is a recall of 98 %; entropy limits and placeholder words may cost a rare random token."""
    tried = [(name, fake(name, seed)) for name in RULES for seed in range(10, 20)]
    missed = [(name, text) for name, text in tried if not policy.redact(text).counts or kept(name, text, policy)]
    assert len(missed) <= len(tried) * 0.005, missed
