"""How well near-duplicates and outdated statements are found: planted duplicates, and labelled pairs.

Usage: python bench/eval_curation.py [--seed N]

Duplicates are planted among the labelled turns of coding sessions and generated prose, by the edits that real repeats
show. What looks alike but is not (another number, a negation) is planted too.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.examples import LABELLED, labelled
from bench.policy import text as prose

from memento.curation.similarity import Signatures, chains
from memento_policies.known import Known
from memento_policies.retention import load_retention

Edit = Callable[[random.Random, list[str]], list[str]]

SAME: Final[dict[str, Edit]] = {
    "as it was": lambda _, words: words,
    "other case and marks": lambda _, words: [word.upper() if at == 0 else word + "," for at, word in enumerate(words)],
    "a word before it": lambda _, words: ["ok", *words],
    "its last word changed": lambda _, words: [*words[:-1], "instead"],
    "a word in it changed": lambda rng, words: _with(words, rng.randrange(len(words)), "thing"),
}
OTHER: Final[dict[str, Edit]] = {
    "a number more": lambda rng, words: _inserted(words, rng.randrange(len(words)), str(rng.randrange(1000))),
    "a negation more": lambda rng, words: _inserted(words, rng.randrange(len(words)), "not"),
    "every third word changed": lambda _, words: [f"x{word}" if at % 3 == 0 else word for at, word in enumerate(words)],
}
PAIRS: Final = ("supersession", "corrections", "corrections_test")
"""Files of labelled pairs."""
LEAST_WORDS: Final = 16
"""Of a shorter text one changed word is more than a fifth of its word triples."""


def duplicates(rng: random.Random, above: float) -> None:
    """Print precision and recall of planted duplicates."""
    originals = list(_originals(rng))
    texts = list(originals)
    planted: dict[int, tuple[int, str]] = {}
    for name, edit in (*SAME.items(), *OTHER.items()):
        for number in rng.sample(range(len(originals)), 100):
            planted[len(texts)] = number, name
            texts.append(" ".join(edit(rng, originals[number].split())))
    started = time.perf_counter()
    signatures = Signatures()
    for text in texts:
        signatures.add("v", text)
    pairs = signatures.pairs(above, texts.__getitem__)
    group_of = {one: at for at, group in enumerate(chains(pairs)) for one in group}
    seconds = time.perf_counter() - started
    found = dict.fromkeys((*SAME, *OTHER), 0)
    for copy, (original, name) in planted.items():
        found[name] += copy in group_of and group_of[copy] == group_of.get(original)
    print(f"Near-duplicates, {len(texts):,} texts in {seconds:.2f} s, similarity of at least {above}")
    for name, count in found.items():
        print(f"  {name:<26} {count:>4} of 100 found" + ("" if name in SAME else " (none should be)"))
    right, wrong = sum(found[name] for name in SAME), sum(found[name] for name in OTHER)
    print(f"  precision {right / (right + wrong):.1%}, recall {right / (100 * len(SAME)):.1%}")


def statements(name: str) -> None:
    """Print precision and recall of supersession on a file of labelled pairs."""
    retention, right, wrong, missed, pairs = load_retention(), 0, 0, 0, 0
    for line in (LABELLED / f"{name}.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        label, older, newer = line.split(" | ")
        known = Known()
        for said in retention.statements.of(older):
            known.hear(said, "older")
        found = any(known.hear(said, "newer") for said in retention.statements.of(newer))
        right += found and label == "yes"
        wrong += found and label == "no"
        missed += not found and label == "yes"
        pairs += 1
    print(f"Supersession, {name}: {right + missed} pairs to find among {pairs}")
    print(f"  precision {right / max(1, right + wrong):.1%}, recall {right / (right + missed):.1%}")


def _originals(rng: random.Random) -> Iterator[str]:
    for split in ("dev", "test"):
        yield from (turn.message.text for turn in labelled(split) if len(turn.message.text.split()) >= LEAST_WORDS)
    yield from (prose(rng, rng.randint(150, 500)) for _ in range(2000))


def _with(words: list[str], at: int, word: str) -> list[str]:
    return [*words[:at], word, *words[at + 1 :]]


def _inserted(words: list[str], at: int, word: str) -> list[str]:
    return [*words[:at], word, *words[at:]]


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    duplicates(random.Random(options.seed), load_retention().same_above)
    for name in PAIRS:
        statements(name)


if __name__ == "__main__":
    main()
