"""Access times of the tiers and caches in one process, and how long a switch of models holds the write lock.

Usage: python bench/tiers.py [--memories N] [--switch N]   (MEMENTO_MODEL_DIR names the model)
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np

from memento.config import load_config
from memento.storage import next_model
from memento.storage.vectors import PendingText
from memento.store import MemoryStore

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.cold_start import fill

RUNS = 500


def median_ms(run: Callable[[], object], runs: int = RUNS) -> float:
    """Return the median of single runs, milliseconds."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


def rows_of(store: MemoryStore) -> Iterator[tuple[str, float]]:
    """Yield what is measured and its median."""
    fresh = count()
    semantic = store._semantic
    store.recall("why did the build break?")
    semantic.query_vectors(["why did the build break?"])
    model = semantic.model
    memory = store.get_recent(1)[0]
    store.get(memory.id)
    yield "working tier: a recall again", median_ms(lambda: store.recall("why did the build break?"))
    yield "working tier: a memory again", median_ms(lambda: store.get(memory.id))
    known = ["why did the build break?"]
    yield "query's vector from the process", median_ms(lambda: semantic.query_vectors(known, model))
    queries = [f"why did build {number} break?" for number in range(60)]
    for query in queries:
        semantic.query_vectors([query], model)
    semantic._queries._kept.clear()
    again = iter(queries)
    yield "query's vector from the database", median_ms(lambda: semantic.query_vectors([next(again)], model), 60)
    new = lambda: semantic.query_vectors([f"why did step {next(fresh)} break?"], model)  # noqa: E731
    yield "query's vector computed and stored", median_ms(new, 60)
    yield "a recall that nothing is known of", median_ms(lambda: store.recall(f"why did step {next(fresh)} break?"), 60)


def switch_seconds(store: MemoryStore, dimensions: int = 384) -> float:
    """Let random vectors of another model take over; return the seconds of the transaction."""
    rng = np.random.default_rng(2)
    with store.database.write() as connection:
        found = [(int(num), str(text)) for num, text in connection.execute("SELECT num, text FROM memories")]
        for start in range(0, len(found), 10_000):
            part = [PendingText(*row) for row in found[start : start + 10_000]]
            vectors = [one.tobytes() for one in rng.standard_normal((len(part), dimensions), dtype=np.float32)]
            next_model.write(connection, "another@1", list(zip(part, vectors, strict=True)))
    started = time.perf_counter()
    with store.database.write() as connection:
        switched = next_model.switch(connection, "another@1")
    assert switched == len(found)
    return time.perf_counter() - started


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--memories", type=int, default=10_000, help="of the store that is asked (default: 10,000)")
    parser.add_argument("--switch", type=int, default=100_000, help="memories of the store whose model is switched")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with MemoryStore(Path(folder) / "asked.db", config=load_config()) as store:
            fill(store.database, given.memories)
            for name, milliseconds in rows_of(store):
                print(f"{name:<38} {milliseconds:9.4f} ms")
        with MemoryStore(Path(folder) / "switched.db", config=load_config()) as store:
            fill(store.database, given.switch)
            print(f"{f'switch of {given.switch:,} memories to a model':<38} {switch_seconds(store):9.2f} s")


if __name__ == "__main__":
    main()
