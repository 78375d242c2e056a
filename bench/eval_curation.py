"""How well near-duplicates and outdated statements are found: planted duplicates, and labelled pairs.

Usage: python bench/eval_curation.py [--seed N] [--transcripts FOLDER]

Duplicates are planted among the labelled turns of coding sessions and generated prose, by the edits that real repeats
show. What looks alike but is not (another number, a negation) is planted too. With a folder of transcripts, these are
ingested into a store of their own: how many tool rows repeat another of their session, what ingestion costs, how large
the store is, and what would be promoted, each with its text, to be read.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.examples import LABELLED, labelled
from bench.policy import text as prose

from memento.config import Config, Settings
from memento.curation.consolidation import consolidate
from memento.curation.similarity import Signatures, chains
from memento.store import MemoryStore
from memento_ingest.batch_ingest import Ingestion, Options
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


def transcripts(folder: Path) -> None:
    """Ingest transcripts without embedding; print what became of tool records, and what would be promoted."""
    with tempfile.TemporaryDirectory() as name:
        config = Config(Settings(), Path(name))
        with MemoryStore(Path(name) / "memory.db", config=config) as store:
            started = time.process_time()
            report = Ingestion(store.policy, Options(), store).run([str(folder)])
            seconds = time.process_time() - started
            tools = [(one.session_id, one.text) for one in store.get_recent(1_000_000, role="tool")]
            plan = consolidate(store, dry_run=True)
        size = (Path(name) / "memory.db").stat().st_size
    print(f"Transcripts: {report.seen:,} messages, {report.seen / seconds:,.0f} a CPU second, {report.kept:,} kept")
    print(f"  store of {size / 1e6:.2f} MB without vectors; {len(tools):,} tool rows, of which as many repeat another")
    for least in (0.6, 0.7, 0.8):
        print(f"    {_repeating(tools, least):>6.1%}  share {least:.0%} of their words with one of their session")
    print(f"  skipped as repeated: {report.skipped.get('repeated', 0):,}; promoted: {plan.counts.get('promote', 0):,}")
    for step in plan.steps:
        if step.doing in ("promote", "outdated"):
            print(f"    {step.doing:<9} {' '.join(step.text.split())}")


def _repeating(rows: Sequence[tuple[str, str]], least: float) -> float:
    """Return the share of rows whose words are at least so much those of another one before them, figures left out."""
    met: dict[str, list[frozenset[str]]] = {}
    count = 0
    for session, text in rows:
        words = frozenset(_WORDS.findall(_FIGURES.sub(" ", text[:4_000]).lower()))
        count += any(len(words & one) >= least * len(words | one) for one in met.get(session, ()))
        met.setdefault(session, []).append(words)
    return count / max(1, len(rows))


_FIGURES: Final = re.compile(r"\b[0-9a-f]{7,40}\b|/[\w./-]+")
_WORDS: Final = re.compile(r"[^\W\d_]+")


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
    parser.add_argument("--transcripts", type=Path, help="folder of transcripts to ingest and to look at")
    options = parser.parse_args()
    duplicates(random.Random(options.seed), load_retention().same_above)
    for name in PAIRS:
        statements(name)
    if options.transcripts:
        transcripts(options.transcripts)


if __name__ == "__main__":
    main()
