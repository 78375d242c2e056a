"""The guide's examples are run: what docs/policies.md shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from memento_policies import Message, Policy, Role, load_policy

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "policies.md").read_text()


def test_the_override_example_loads_and_works(tmp_path: Path) -> None:
    significance, redaction = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "significance.yaml").write_text(significance)
    (tmp_path / "redaction.yaml").write_text(redaction)
    policy = load_policy(tmp_path)
    decision = policy.decide(Message("user", "see OPS-17, acme_" + "k3v9" * 4 + "q8w2" * 4, 0, "test", "s", "k"))
    assert ("ticket", 2.0) in decision.reasons
    assert decision.redactions == {"acme": 1}


DECISION = re.compile(r'^(keep|skip)  (\w+) +([^"]+?) +"(.+)"$', re.MULTILINE)


@pytest.mark.parametrize(("verdict", "reason", "reasons", "text"), DECISION.findall(GUIDE))
def test_the_decisions_shown_are_made(verdict: str, reason: str, reasons: str, text: str, policy: Policy) -> None:
    role: Role = "assistant" if reason == "boilerplate" else "user"
    decision = policy.decide(Message(role, text, 0, "test", "s", "k"))
    assert (decision.keep, decision.reason) == (verdict == "keep", reason)
    assert ", ".join(f"{name} {points:+.1f}" for name, points in decision.reasons if points) == reasons
