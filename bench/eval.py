"""Retrieval quality through the product's own way in and out: MemoryStore.remember and MemoryStore.recall.

Usage: python bench/eval.py PATH [--split dev|test|all]

PATH is a LoCoMo or LongMemEval file, or a folder of BEAM chats. `dev` and `test` split LoCoMo's conversations: tune on
dev only. Prints recall_any@k (a gold turn is among the k), recall_all@k, NDCG@10 and MRR in percent, by question type,
at turn and at session level (a session stands where its best turn stands). Questions whose benchmark says only which
session answers them count at session level alone.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Final

from memento.config import load_config
from memento.store import MemoryStore

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.datasets import DEV, Conversation, Question, benchmark, load

DEPTH: Final = 100
METRICS: Final = ("any@1", "any@5", "any@10", "all@5", "all@10", "ndcg@10", "mrr")


def ranked(store: MemoryStore, question: Question) -> list[tuple[str, str]]:
    """Return (turn, session) of what recall finds, best first."""
    found = store.recall(question.text, DEPTH, at=question.at)
    return [(str(one.memory.meta["turn"]), one.memory.session_id) for one in found]


def fill(store: MemoryStore, conversation: Conversation) -> None:
    """Remember every turn as a user of the API would."""
    for turn in conversation.turns:
        if turn.text.strip():
            store.remember(
                turn.text,
                source="bench",
                session_id=turn.session,
                role=turn.role,
                speaker=turn.speaker,
                timestamp=turn.timestamp,
                meta={"turn": turn.id},
                embed=False,
            )
    store.embed_pending()


def metrics(order: Sequence[str], gold: frozenset[str]) -> dict[str, float]:
    """Return every metric of one ranking of distinct ids."""
    ranks = [rank for rank, name in enumerate(order, 1) if name in gold]
    gain = sum(1 / math.log2(rank + 1) for rank in ranks if rank <= 10)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, 1 + min(10, len(gold))))
    within = {k: sum(rank <= k for rank in ranks) for k in (1, 5, 10)}
    return {
        **{f"any@{k}": float(within[k] > 0) for k in (1, 5, 10)},
        **{f"all@{k}": float(within[k] == len(gold)) for k in (5, 10)},
        "ndcg@10": gain / ideal,
        "mrr": 1 / ranks[0] if ranks else 0.0,
    }


def evaluate(conversations: Iterable[Conversation]) -> dict[tuple[str, str], list[dict[str, float]]]:
    """Return the metrics of every question by (level, question type)."""
    results: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for conversation in conversations:
        with tempfile.TemporaryDirectory() as folder, MemoryStore(Path(folder, "m.db"), config=load_config()) as store:
            fill(store, conversation)
            for question in conversation.questions:
                found = ranked(store, question)
                turn = metrics(list(dict.fromkeys(name for name, _ in found)), question.gold)
                session = metrics(list(dict.fromkeys(name for _, name in found)), question.gold_sessions)
                groups = (question.kind,) if question.kind == "adversarial" else (question.kind, "all")
                for group in groups:
                    if question.turns_marked:
                        results["turn", group].append(turn)
                    results["session", group].append(session)
        print(
            f"  {conversation.name}: {len(conversation.turns)} turns, {len(conversation.questions)} questions",
            flush=True,
        )
    return results


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=benchmark)
    parser.add_argument("--split", choices=("dev", "test", "all"), default="all")
    options = parser.parse_args()
    conversations = [
        one for one in load(options.path) if options.split == "all" or (one.name in DEV) == (options.split == "dev")
    ]
    if not any(one.questions for one in conversations):
        raise SystemExit(f"{options.path} (split {options.split}) holds no question with a turn that answers it")
    results = evaluate(conversations)
    for level in ("turn", "session"):
        print(f"\n{level + ' level':<28} {'n':>5} " + " ".join(f"{name:>8}" for name in METRICS))
        for (at, kind), rows in sorted(results.items(), key=lambda item: item[0][1] != "all"):
            if at == level:
                values = " ".join(f"{100 * fmean(row[name] for row in rows):>8.1f}" for name in METRICS)
                print(f"{kind:<28} {len(rows):>5} {values}")


if __name__ == "__main__":
    main()
