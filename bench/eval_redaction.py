"""Redaction by kind of secret: how many made-up secrets are found, and what is taken for one in ordinary text.

Usage: python bench/eval_redaction.py [--locomo PATH] [--each N]

Secrets are made from the shapes of tests/policies/token_shapes.txt, one template per rule, and put into a sentence, a
JSON line, a log line and a line of its own. Ordinary text is the labelled turns of coding
sessions, this repository's own files, and LoCoMo.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.datasets import benchmark, load
from bench.examples import labelled
from tests.policies.conftest import fill

from memento_policies import Policy, load_policy
from memento_policies.loading import load_document
from memento_policies.schema import RedactionFile

ROOT: Final = Path(__file__).resolve().parent.parent
CARRIERS: Final = (
    "I set it to {} yesterday, it works.",
    '{{"level": "info", "msg": "using {}", "n": 3}}',
    "2026-03-01 12:00:01 INFO started with {} on worker 3",
    "before\n{}\nafter",
)


def recall(policy: Policy, each: int) -> None:
    """Print, by kind, how many of the made-up secrets are found."""
    kinds = {rule.name: rule.kind for rule in load_document(RedactionFile, None).model.rules}
    lines = (ROOT / "tests" / "policies" / "token_shapes.txt").read_text("utf-8").splitlines()
    planted, found = Counter[str](), Counter[str]()
    for name, template in (line.split(maxsplit=1) for line in lines):
        for number in range(each):
            secret = fill(template.replace(r"\n", "\n"), random.Random(f"{name} {number}"))
            redaction = policy.redact(CARRIERS[number % len(CARRIERS)].format(secret))
            planted[kinds[name]] += 1
            found[kinds[name]] += bool(redaction.counts)
    missed = {kind: planted[kind] - found[kind] for kind in planted if found[kind] < planted[kind]}
    print(f"{planted.total():,} secrets of {len(planted)} kinds and {len(lines)} shapes: {found.total():,} found")
    print(f"  recall {found.total() / planted.total():.2%}; kinds found whole {len(planted) - len(missed)}")
    for kind, count in sorted(missed.items(), key=lambda item: -item[1]):
        print(f"  {kind:<24} {count} of {planted[kind]} missed")


def false_alarms(policy: Policy, locomo: Path | None) -> None:
    """Print what is taken for a secret in texts that hold none."""
    for name, texts in _ordinary(locomo):
        counts, characters = Counter[str](), 0
        for text in texts:
            characters += len(text)
            counts.update(policy.redact(text).counts)
        listed = ", ".join(f"{kind} {count}" for kind, count in counts.most_common())
        print(
            f"  {name:<24} {counts.total():>4} in {characters / 1e6:.2f} M characters"
            + (f" ({listed})" if listed else "")
        )


def _ordinary(locomo: Path | None) -> Iterator[tuple[str, list[str]]]:
    yield "labelled turns", [turn.message.text for split in ("dev", "test") for turn in labelled(split)]
    code = [path for folder in ("memory", "ingest", "policies") for path in (ROOT / folder).rglob("*.py")]
    yield "this program's source", [path.read_text("utf-8") for path in code]
    yield "its documents", [path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md")]
    if locomo:
        yield "LoCoMo", [turn.text for conversation in load(locomo) for turn in conversation.turns]


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--locomo", type=benchmark)
    parser.add_argument("--each", type=int, default=20)
    options = parser.parse_args()
    policy = load_policy()
    recall(policy, options.each)
    print("False alarms")
    false_alarms(policy, options.locomo)


if __name__ == "__main__":
    main()
