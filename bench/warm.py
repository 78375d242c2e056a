"""A recall in a process that stays: its stages, and how much of exact BM25 the search by words finds.

Usage: python bench/warm.py [--memories N] [--texts PATH]... [--words-only]

PATH is a benchmark (bench/datasets.py): its turns fill the store, the rest are variants of them in which every fourth
word is another, and its questions are asked, each for the first time. Vectors are the turns' own, with noise for the
variants; the codes of words are random. `--words-only` leaves both out: for a million memories. Wall and CPU time in
milliseconds; CPU time is this thread's.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import numpy as np
from numpy.typing import NDArray

from memento.config import load_config
from memento.embedding.token_codes import MAX_CODES
from memento.memory import NewMemory
from memento.search import recall
from memento.search.ranking.question import understand
from memento.storage import fulltext, rows, turns, vectors
from memento.storage.database import Database
from memento.storage.filters import Filter
from memento.storage.vectors import PendingText
from memento.store import MemoryStore

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.datasets import benchmark, load
from bench.embedding import realistic_chunks
from bench.real_vectors import NOISE, real_vectors, texts_of

BATCH = 20_000
QUESTIONS = 200
WARM_UP = 20
CANDIDATES = 50
DIMENSIONS = 384


class Times(NamedTuple):
    """Of every run of one stage, seconds."""

    wall: list[float]
    cpu: list[float]


class Said(NamedTuple):
    """One turn of the store."""

    role: str
    speaker: str
    text: str


def material(benchmarks: Sequence[Path]) -> tuple[list[Said], list[str]]:
    """Return turns and questions, both in a fixed random order; generated ones where no benchmark is given."""
    rng = random.Random(1)
    if benchmarks:
        talks = [talk for path in benchmarks for talk in load(path)]
        said = [Said(turn.role, turn.speaker, turn.text) for talk in talks for turn in talk.turns if turn.text.strip()]
        asked = list(dict.fromkeys(question.text for talk in talks for question in talk.questions))
    else:
        said = [Said("user", "", text) for text in realistic_chunks(5_000) if text.strip()]
        asked = [f"what about {' '.join(rng.choices(one.text.split(), k=6))}?" for one in rng.sample(said, 300)]
    rng.shuffle(asked)
    return said, asked[: WARM_UP + QUESTIONS]


def fill(database: Database, said: Sequence[Said], count: int, model: str, real: NDArray[np.float32] | None) -> None:
    """Store `count` memories in sessions of forty; with vectors where `real` holds each turn's."""
    rng, numbers = random.Random(2), np.random.default_rng(2)
    words = sorted({word for one in said for word in one.text.split() if word.isalpha()})
    for start in range(0, count, BATCH):
        places = [n if n < len(said) else rng.randrange(len(said)) for n in range(start, min(count, start + BATCH))]
        batch = []
        for n, place in enumerate(places, start):
            role, speaker, text = said[place]
            held = text.split()
            for one in rng.sample(range(len(held)), len(held) // 4 if n >= len(said) else 0):
                held[one] = rng.choice(words)
            batch.append(
                NewMemory(f"{n:032x}", " ".join(held), 1_600_000_000_000 + n, "bench", f"{n // 40}", role, speaker)
            )
        with database.write() as connection:
            rows.put(connection, batch)
            if real is not None:
                found = real[places]
                variants = found[max(0, len(said) - start) :]
                variants += np.float32(NOISE) * numbers.standard_normal(variants.shape, dtype=np.float32)
                found /= np.linalg.norm(found, axis=1, keepdims=True)
                known = connection.execute("SELECT num, text FROM memories WHERE model IS NULL ORDER BY num")
                stored = [PendingText(int(num), str(text)) for num, text in known]
                vectors.write(connection, model, list(zip(stored, found, strict=True)))
                sizes = [DIMENSIONS // 8 * min(MAX_CODES, len(row.text.split()) // 2) for row in stored]
                codes = [(row, numbers.bytes(size)) for row, size in zip(stored, sizes, strict=True)]
                vectors.write_codes(connection, model, codes)


def timed(run: Callable[..., Any], times: Times) -> Callable[..., Any]:
    """Return the same function, taking down how long it takes."""

    def measured(*given: Any, **named: Any) -> Any:
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            return run(*given, **named)
        finally:
            times.wall.append(time.perf_counter() - wall)
            times.cpu.append(time.thread_time() - cpu)

    return measured


def stages(store: MemoryStore, asked: Sequence[str]) -> dict[str, Times]:
    """Recall every question and return the times of its stages."""
    found: dict[str, Times] = defaultdict(lambda: Times([], []))
    steps: dict[str, tuple[object, Callable[..., Any]]] = {
        "read the question": (recall, recall._understood),
        "search by words": (recall, recall._by_words),
        "nearest vectors": (store._semantic, store._semantic.search),
        "rank": (recall, recall._ranked),
        "read the results": (recall, recall._results),
    }
    for name, (owner, function) in steps.items():
        setattr(owner, function.__name__, timed(function, found[name]))
    ask, waiting = store._semantic.request_vectors, found["wait for its vectors"]
    setattr(store._semantic, "ask", lambda *given: timed(ask(*given), waiting))  # noqa: B010  they begin before the words
    whole = timed(store.recall, found["recall"])
    for question in asked:
        whole(question)
    return {name: Times(*(one[WARM_UP:] for one in times)) for name, times in found.items()}


def lexical(database: Database, asked: Sequence[str]) -> Iterator[tuple[str, Times | float]]:
    """Yield how long the best 50 by words take, exact BM25 takes, and how many of its best ten are found."""
    quick, exact, hits = Times([], []), Times([], []), []
    with database.read() as connection:
        for question in asked:
            words = understand(question, lambda word: turns.has_speaker(connection, word)).words
            found = timed(_best, quick)(connection, words)
            best = timed(fulltext.bm25, exact)(connection, words, Filter(), 10)
            hits.append(sum(num in found for num in best) / len(best) if best else 1.0)
    yield f"best {CANDIDATES} by words", Times(quick.wall[WARM_UP:], quick.cpu[WARM_UP:])
    yield "exact BM25", Times(exact.wall[WARM_UP:], exact.cpu[WARM_UP:])
    yield "of its best ten found", sum(hits) / len(hits)


def _best(connection: apsw.Connection, words: Sequence[str]) -> dict[int, float]:
    return fulltext.search_any(connection, fulltext.document_frequencies(connection, words), Filter(), CANDIDATES)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memories", type=int, default=100_000)
    parser.add_argument("--texts", type=benchmark, action="append", default=[], help="a benchmark")
    parser.add_argument("--words-only", action="store_true", help="no vectors: the search by words alone")
    options = parser.parse_args()
    said, asked = material(options.texts)
    real = None
    if not options.words_only:
        places = {text: place for place, text in enumerate(texts_of(options.texts))}
        real = real_vectors(options.texts)[[places[one.text] for one in said]]
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryStore(Path(folder, "m.db"), config=load_config()) as store,
    ):
        fill(store.database, said, options.memories, store._semantic.model, real)
        print(f"{options.memories:,} memories, {len(asked) - WARM_UP} questions{'':<8} p50      p99  CPU p50   ms")
        measured: dict[str, Times | float] = {} if options.words_only else {**stages(store, asked)}
        for name, times in {**measured, **dict(lexical(store.database, asked))}.items():
            if isinstance(times, float):
                print(f"  {name:<36}{times:>9.3f}")
            else:
                p50, p99 = np.percentile(times.wall, [50, 99]) * 1000
                print(f"  {name:<36}{p50:>9.2f}{p99:>9.2f}{np.median(times.cpu) * 1000:>9.2f}")


if __name__ == "__main__":
    main()
