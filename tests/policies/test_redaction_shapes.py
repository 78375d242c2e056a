"""Every shipped redaction rule recognises its published shape, in every dress in which it appears in transcripts."""

from __future__ import annotations

import json
import random

import pytest
from token_shapes import EXAMPLES, fill

from memento_policies import load_policy
from memento_policies.loading import load_document
from memento_policies.patterns import PatternSet, compile_pattern
from memento_policies.redaction import Redactor, _candidate_pattern, rule_pattern
from memento_policies.schema import RedactionFile

FILE = load_document(RedactionFile, None).model
RULES = {rule.name: rule for rule in FILE.rules}
POLICY = load_policy()

DRESSES = {
    "bare": lambda text: text,
    "prose": lambda text: f"I used {text} yesterday, and it worked.",
    "own line": lambda text: f"first line\n{text}\nlast line é ü 漢字",
    "escaped JSON": lambda text: json.dumps({"out": json.dumps({"stdout": f"x\n{text}\ny"})}),
}


def secret_of(name: str, text: str) -> bytes:
    pattern = compile_pattern(rule_pattern(RULES[name]))
    match = pattern.search(text.encode())
    assert match, f"{name} does not match its example"
    return match.group(pattern.groupindex.get(b"secret", min(pattern.groups, 1)))


def test_every_rule_has_an_example_and_every_example_a_rule() -> None:
    assert set(EXAMPLES) == set(RULES)
    assert len(RULES) >= 300
    assert len({rule.kind for rule in RULES.values()}) >= 150


@pytest.mark.parametrize("name", RULES)
def test_rule_matches_its_example(name: str) -> None:
    for seed in range(5):
        text = fill(EXAMPLES[name], random.Random(f"{name}{seed}"))
        only = FILE.model_copy(update={"rules": (RULES[name],)})
        redacted = Redactor(only).redact(text)
        assert redacted.counts == {RULES[name].kind: 1}, text
        assert secret_of(name, text).decode() not in redacted.text


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("name", RULES)
def test_no_secret_survives_the_whole_policy(name: str, dress: str) -> None:
    if dress == "prose" and name in NEEDS_OWN_LINE:
        pytest.skip("the shape itself is a line")
    if dress == "escaped JSON" and (name in NEEDS_REAL_LINES or '"' in EXAMPLES[name]):
        pytest.skip("the shape itself is made of lines or quotes")
    text = fill(EXAMPLES[name], random.Random(name))
    secret = secret_of(name, text).decode()
    redacted = POLICY.redact(DRESSES[dress](text))
    assert redacted.counts
    for line in secret.splitlines():
        assert line not in redacted.text
    assert POLICY.redact(redacted.text).counts == {}


NEEDS_OWN_LINE = {"pgpass_line"}
NEEDS_REAL_LINES = {"ansible_vault", "pgpass_line", "putty_private_key"}


@pytest.mark.parametrize("name", RULES)
def test_what_the_scan_looks_for_occurs_wherever_the_rule_matches(name: str) -> None:
    candidates = PatternSet([_candidate_pattern(RULES[name])])
    for seed in range(5):
        text = fill(EXAMPLES[name], random.Random(seed))
        assert candidates.matches(f"é\n{text}\né".encode()) == [0]
