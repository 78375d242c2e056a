"""What `cover` gathers beyond plain recall, of questions that several turns answer, and whether events come in order.

Usage: python bench/gathering.py PATH [--split dev|test|all]

PATH is a benchmark as bench/eval.py takes it. Prints all@10 (every gold turn is among ten results), any@10 and
recall@10 in percent, without and with `cover`, by question type; and of the questions for an order of events, how many
pairs of the gold turns found come in the order in which they happened, by score and by time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Final

from memento.config import load_config
from memento.store import MemoryStore

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.datasets import DEV, Conversation, Question, benchmark, load
from bench.eval import fill

RESULTS: Final = 10
ORDERED: Final = "event_ordering"
"""BEAM's questions for an order of events."""
WAYS: Final = (False, True)


def found(store: MemoryStore, question: Question, *, cover: bool, by_time: bool = False) -> list[str]:
    """Return the turns of the results."""
    results = store.recall(question.text, RESULTS, at=question.at, cover=cover, by_time=by_time)
    return [str(one.memory.meta["turn"]) for one in results]


def metrics(names: Sequence[str], gold: frozenset[str]) -> tuple[float, float, float]:
    """Return all@10, any@10 and recall@10."""
    hits = len(gold.intersection(names))
    return float(hits == len(gold)), float(hits > 0), hits / len(gold)


def in_order(names: Sequence[str], gold: frozenset[str], places: Mapping[str, int]) -> list[float]:
    """Return for each pair of the gold turns found whether the earlier one comes first."""
    return [float(places[one] < places[other]) for one, other in combinations([x for x in names if x in gold], 2)]


def evaluate(conversations: Iterable[Conversation]) -> None:
    """Print the tables."""
    results: dict[tuple[str, bool], list[tuple[float, float, float]]] = defaultdict(list)
    ordered: dict[tuple[bool, bool], list[float]] = defaultdict(list)
    for conversation in conversations:
        places = {turn.id: place for place, turn in enumerate(conversation.turns)}
        with tempfile.TemporaryDirectory() as folder, MemoryStore(Path(folder, "m.db"), config=load_config()) as store:
            fill(store, conversation)
            for question in conversation.questions:
                groups = ["all", *(["several answers"] if len(question.gold) > 1 else [])]
                groups = [question.kind, *(groups if question.kind != "adversarial" else [])]
                for cover in WAYS:
                    measured = metrics(found(store, question, cover=cover), question.gold)
                    for group in groups:
                        results[group, cover].append(measured)
                    for by_time in WAYS if question.kind == ORDERED else ():
                        names = found(store, question, cover=cover, by_time=by_time)
                        ordered[cover, by_time] += in_order(names, question.gold, places)
        print(f"  {conversation.name}", flush=True)
    print(f"\n{'':<28} {'n':>5} {'all@10':>14} {'any@10':>14} {'recall@10':>14}")
    for group in dict.fromkeys(group for group, _ in results):
        columns = zip(*(map(fmean, zip(*results[group, cover], strict=True)) for cover in WAYS), strict=True)
        values = " ".join(f"{100 * plain:>6.1f} {100 * gathered:>7.1f}" for plain, gathered in columns)
        print(f"{group:<28} {len(results[group, False]):>5} {values}")
    for (cover, by_time), pairs in ordered.items():
        how = f"{'gathered' if cover else 'plain'}, by {'time' if by_time else 'score'}"
        print(f"pairs in order, {how}: {100 * fmean(pairs or [0.0]):.1f} % of {len(pairs)}")


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=benchmark)
    parser.add_argument("--split", choices=("dev", "test", "all"), default="all")
    options = parser.parse_args()
    evaluate(
        one for one in load(options.path) if options.split == "all" or (one.name in DEV) == (options.split == "dev")
    )


if __name__ == "__main__":
    main()
