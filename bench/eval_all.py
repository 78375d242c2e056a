"""Retrieval quality on every development set, with two-score baselines beside it in the same run.

Usage: python bench/eval_all.py FOLDER [--cache FOLDER] [--only SET...] [--by-kind]

FOLDER, or a folder in it, holds the sets under the names below; what is not there is named and left out. Stores are
filled once and kept in --cache: with other weights nothing is embedded again. Of LoCoMo only the development
conversations are read.

For every set: recall_any@k and recall_all@k, MRR, and at turn level `echo@5`, the share of the first five that are user
turns which do not answer; at session level a session stands where its best turn stands. The first hundred results
count, for transcripts of coding agents ten, as their own scorer has it. `p50` and `p99` are those of a recall of ten
results in this process, the question's embedding included.

Recall is asked without a minimum score. The floor: were nothing below a score returned, the share of unanswerable
questions without a result, and of answerable ones with an answer among the first ten.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.baselines import Baselines
from bench.datasets import DEV, Question, benchmark
from bench.eval import DEPTH, metrics
from bench.eval_stores import Haystack, filled, haystacks, name_of, one_thread_embedder

from memento.embedding import Embedder
from memento.memory import Found, Memory
from memento.store import MemoryStore

SETS: Final = {
    "coding": "coding",
    "beam-dev": "beam-dev",
    "beam500k": "beam500k",
    "realmem": "realmem",
    "longmemeval-s": "longmemeval-s-dev60.json",
    "longmemeval-oracle": "longmemeval-oracle-dev.json",
    "longmemeval-none": "longmemeval-s-dev-unanswerable.json",
    "devmem": "devmem",
    "madial-en": "madial-en",
    "madial-zh": "madial-zh",
    "locomo-dev": "locomo10.json",
}
"""What each set's file or folder is called."""
OURS: Final = "recall"
SHOWN: Final = ("any@1", "any@5", "any@10", "all@5", "all@10", "mrr", "echo@5")
TEN: Final = 10
THRESHOLDS: Final = tuple(step / 10 for step in range(10))

Group = tuple[str, str]
"""Level and kind of question."""


@dataclass
class Figures:
    """What was measured on one set."""

    name: str
    stores: int = 0
    memories: int = 0
    rows: dict[Group, dict[str, list[dict[str, float]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    """The metrics of each question, by ranking."""
    seconds: list[float] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)
    """Of each answerable question, the best score of an answer among the first ten; below 0 where there is none."""
    unanswerable: list[float] = field(default_factory=list)
    """Of each unanswerable question, the best score."""

    def add(self, question: Question, rankings: dict[str, list[Memory]]) -> None:
        """Count one question."""
        groups = (question.kind,) if question.kind == "adversarial" else ("all", question.kind)
        for ranking, found in rankings.items():
            turns = list(dict.fromkeys(map(name_of, found)))
            sessions = list(dict.fromkeys(memory.session_id for memory in found))
            for kind in groups:
                if question.turns_marked:
                    self.rows["turn", kind][ranking].append(
                        metrics(turns, question.gold) | echoes(found, question.gold)
                    )
                if question.gold_sessions:
                    self.rows["session", kind][ranking].append(metrics(sessions, question.gold_sessions))


def echoes(found: Sequence[Memory], gold: frozenset[str]) -> dict[str, float]:
    """Return the share of the first five that are user turns which do not answer; nothing between named people."""
    few = found[:5]
    if any(memory.speaker for memory in few):
        return {}
    echoing = [memory.role == "user" and name_of(memory) not in gold for memory in few]
    return {"echo@5": fmean(echoing) if few else 0.0}


def place(folder: Path, name: str) -> Path | None:
    """Return where a set is in the folder, or in a folder in it."""
    return next((path for path in (folder / name, *sorted(folder.glob(f"*/{name}"))) if path.exists()), None)


def measure(name: str, path: Path, cache: Path, embedder: Embedder) -> Figures:
    """Ask a set's questions and return the figures."""
    figures = Figures(name)
    for haystack in haystacks(path):
        if name == "locomo-dev" and haystack.name not in DEV:
            continue
        with filled(haystack, cache / name, embedder) as store:
            _ask(store, haystack, figures, embedder, TEN if name == "coding" else DEPTH)
        print(f"  {name}: {haystack.name}", file=sys.stderr, flush=True)
    return figures


def _ask(store: MemoryStore, haystack: Haystack, figures: Figures, embedder: Embedder, depth: int) -> None:
    conversation = haystack.read(store)
    baselines = Baselines(store, embedder)
    figures.stores += 1
    figures.memories += store.stats().memories
    store.recall("Which of these was the first?", TEN)  # loads the vectors
    for question in conversation.unanswerable:
        figures.unanswerable.append(max((one.score for one in _timed(store, question, figures)), default=0.0))
    for question in conversation.questions:
        first = _timed(store, question, figures)
        found = first if depth == TEN else store.recall(question.text, depth, at=question.at).results
        rankings = {OURS: [one.memory for one in found], **baselines.rankings(question.text, depth)}
        figures.add(question, rankings)
        if question.kind != "adversarial":
            answers = (one.score for one in first if _answers(one.memory, question))
            figures.kept.append(max(answers, default=-1.0))


def _timed(store: MemoryStore, question: Question, figures: Figures) -> Sequence[Found]:
    found = store.recall(question.text, TEN, at=question.at)
    figures.seconds.append(found.seconds)
    return found.results


def _answers(memory: Memory, question: Question) -> bool:
    return name_of(memory) in question.gold


def table(figures: Figures, *, by_kind: bool) -> Iterator[str]:
    """Yield the lines of one set."""
    p50, p99 = np.percentile(figures.seconds, [50, 99]) * 1e3 if figures.seconds else (0.0, 0.0)
    yield (
        f"\n{figures.name}: {figures.stores} stores, {figures.memories:,} memories; "
        f"recall p50 {p50:.1f} ms, p99 {p99:.1f} ms ({len(figures.seconds)} questions)"
    )
    for level, kind in sorted(figures.rows, key=lambda group: (group[1] != "all", group[1], group[0] != "turn")):
        if kind != "all" and not by_kind:
            continue
        rankings = figures.rows[level, kind]
        yield f"  {f'{level} level, {kind} ({len(rankings[OURS])})':<46}" + "".join(f"{name:>8}" for name in SHOWN)
        for ranking, results in rankings.items():
            means = {name: 100 * fmean(row[name] for row in results) for name in SHOWN if name in results[0]}
            values = "".join(f"{means[name]:>8.1f}" if name in means else f"{'-':>8}" for name in SHOWN)
            yield f"    {ranking:<44}{values}"


def floor_table(measured: Sequence[Figures]) -> Iterator[str]:
    """Yield what each floor would do to each set, and to all together."""
    together = Figures("all sets")
    for figures in measured:
        together.unanswerable += figures.unanswerable
        together.kept += figures.kept
    yield f"\n{'nothing below this score is returned':<62}" + "".join(f"{one:>7.1f}" for one in THRESHOLDS)
    for figures in (*measured, together):
        returned = {
            "unanswerable, without a result": [
                [score < least for score in figures.unanswerable] for least in THRESHOLDS
            ],
            "answerable, answer in the first ten": [[score >= least for score in figures.kept] for least in THRESHOLDS],
        }
        for what, columns in returned.items():
            if columns[0]:
                shares = "".join(f"{100 * fmean(column):>7.1f}" for column in columns)
                yield f"  {f'{figures.name}: {what} ({len(columns[0])})':<60}{shares}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=benchmark)
    parser.add_argument("--cache", type=Path, help="folder to keep the filled stores in; default: a temporary one")
    parser.add_argument("--only", nargs="+", choices=SETS, default=tuple(SETS))
    parser.add_argument("--by-kind", action="store_true", help="print each kind of question too")
    options = parser.parse_args()
    found = {name: path for name in options.only if (path := place(options.folder, SETS[name]))}
    if absent := [SETS[name] for name in options.only if name not in found]:
        print(f"not in {options.folder}, left out: {', '.join(absent)}")
    if not found:
        raise SystemExit(f"{options.folder} holds none of the sets: {', '.join(SETS[name] for name in options.only)}")
    embedder = one_thread_embedder()
    measured = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, path in found.items():
            measured.append(measure(name, path, options.cache or Path(temporary), embedder))
            print("\n".join(table(measured[-1], by_kind=options.by_kind)), flush=True)
    print("\n".join(floor_table(measured)))


if __name__ == "__main__":
    main()
