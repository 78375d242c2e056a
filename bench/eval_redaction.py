"""Redaction, both halves: how many made-up secrets are found, bare and in context, and what is taken for one.

Usage: python bench/eval_redaction.py [--locomo PATH] [--each N] [--seed N]

Secrets are made at run time from the shapes of tests/policies/token_shapes.txt, one template for each rule, and put
into the contexts of tests/policies/secret_contexts.txt; passwords, that nothing but their context gives away, into the
contexts for passwords. Lines without a secret are those of tests/policies/benign_shapes.txt, the labelled turns of
coding sessions, this repository's own files, and LoCoMo.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.datasets import benchmark, load
from bench.examples import labelled
from tests.policies.conftest import PASSWORDS, contexts, fill, shapes, templates_of

from memento_policies import Policy, load_policy
from memento_policies.loading import load_document
from memento_policies.redaction import _CompiledRule as CompiledRule
from memento_policies.schema import RedactionFile, RedactionRule

ROOT: Final = Path(__file__).resolve().parent.parent


def bare(policy: Policy, each: int, seed: int) -> None:
    """Print, by kind, how many of the made-up secrets are found by themselves."""
    kinds = {name: rule.kind for name, rule in _rules().items()}
    planted, found = Counter[str](), Counter[str]()
    for name, template in shapes().items():
        for number in range(each):
            secret = fill(template, random.Random(f"{seed} {name} {number}"))
            planted[kinds[name]] += 1
            found[kinds[name]] += bool(policy.redact(secret).counts)
    _say(f"secrets of {len(kinds)} shapes, bare", planted, found)


def in_context(policy: Policy, each: int, seed: int) -> None:
    """Print, by context, how many secrets and passwords are gone when their surroundings are redacted."""
    rules = _rules()
    rng = random.Random(seed)
    tokens = {name: template for name, template in shapes().items() if rules[name].token is not None}
    planted, found = Counter[str](), Counter[str]()
    for kind, context in contexts():
        for number in range(each * (6 if kind == "password" else 20)):
            if kind == "password":
                secret = text = fill(PASSWORDS[number % len(PASSWORDS)], rng)
            elif kind == "token":
                name = rng.choice(list(tokens))
                text = fill(tokens[name], rng)
                secret = _secret(rules[name], text)
            else:
                secret = text = fill("{pem}", rng)
            redacted = policy.redact(context.replace("§", text)).text
            planted[context] += 1
            found[context] += not any(line in redacted for line in secret.splitlines())
    _say(f"secrets in {len(contexts())} contexts", planted, found)


def false_alarms(policy: Policy, each: int, seed: int, locomo: Path | None) -> None:
    """Print what is taken for a secret in lines and texts that hold none."""
    rng = random.Random(seed)
    lines = [fill(template, rng) for template in templates_of("benign_shapes.txt") for _ in range(each)]
    wrong = [line for line in lines if policy.redact(line).counts]
    print(f"{len(lines):,} lines without a secret: {len(wrong)} false alarms, {len(wrong) / len(lines):.2%}")
    for line in wrong[:10]:
        print(f"  {line[:100]}")
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


def _rules() -> dict[str, RedactionRule]:
    return {rule.name: rule for rule in load_document(RedactionFile, None).model.rules}


def _secret(rule: RedactionRule, text: str) -> str:
    found: Iterable[tuple[int, int]] = CompiledRule(rule).find(text.encode())
    return next((text.encode()[start:end].decode() for start, end in found), text)


def _say(what: str, planted: Counter[str], found: Counter[str]) -> None:
    print(f"{planted.total():,} {what}: {found.total():,} found, {found.total() / planted.total():.2%}")
    missed = {name: planted[name] - found[name] for name in planted if found[name] < planted[name]}
    for name, count in sorted(missed.items(), key=lambda item: -item[1])[:20]:
        print(f"  {name[:70]:<70} {count} of {planted[name]} missed")


def _ordinary(locomo: Path | None) -> Iterator[tuple[str, list[str]]]:
    yield "labelled turns", [turn.message.text for split in ("dev", "test") for turn in labelled(split)]
    code = [path for folder in ("app", "ingest", "memory", "policies") for path in (ROOT / folder).rglob("*.py")]
    yield "this program's source", [path.read_text("utf-8") for path in code]
    yield "its documents", [path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md")]
    if locomo:
        yield "LoCoMo", [turn.text for conversation in load(locomo) for turn in conversation.turns]


def main() -> None:
    """Print both halves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--locomo", type=benchmark)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    policy = load_policy()
    bare(policy, options.each, options.seed)
    in_context(policy, options.each, options.seed)
    false_alarms(policy, options.each, options.seed, options.locomo)


if __name__ == "__main__":
    main()
