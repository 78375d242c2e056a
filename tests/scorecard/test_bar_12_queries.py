"""Bar 12: queries that are meant to hurt end in time, leave the connection usable, and hold up nobody who writes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from memento.base.identity import memory_id
from memento.config import load_config
from memento.memory import NewMemory
from memento.storage.capture import Batch
from memento.store import MemoryStore

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar

DEADLINE = 5.0
SHAPES = (
    "C++", "don't", "t:secret", '"', '""', "'", "NEAR(a b, 5)", "a AND", "OR", "NOT x", "text:*", "*", "-", "^a",
    "{a b}:c", "(((((", "a" * 100_000, "\0", "\ud800", "\u202e\u2066abc", "%_", "; DROP TABLE memories; --", "", " ",
    "\n\t", "rowid", "memories_fts", "a*" * 5_000, "é" * 50_000, "\U0001f600" * 10_000, "' OR 1=1 --",
)  # fmt: skip


def queries(bar: Bar, count: int) -> Iterator[str]:
    """Yield the known shapes, then mixtures: thousands of frequent words, operators, what was stored itself."""
    yield from SHAPES[:count]
    for _ in range(max(0, count - len(SHAPES))):
        kind = bar.rng.randrange(4)
        if kind == 0:
            yield " ".join(f"w{bar.rng.randrange(300)}" for _ in range(bar.rng.randrange(2_000, 40_000)))
        elif kind == 1:
            yield " ".join(bar.rng.choice(SHAPES[:20]) for _ in range(bar.rng.randrange(1, 3_000)))
        elif kind == 2:
            yield "".join(chr(bar.rng.randrange(1, 0x3000)) for _ in range(bar.rng.randrange(1, 50_000)))
        else:
            yield "w1 " * bar.rng.randrange(1, 100_000)


def test_pathological_queries(bar: Bar, tmp_path: Path) -> None:
    count, size = bar.count("MEMENTO_QUERIES", 40), bar.count("MEMENTO_QUERY_ROWS", 3_000)
    config = load_config({}, {"MEMENTO_HOME": str(tmp_path), "MEMENTO_MODEL_DIR": str(tmp_path / "no-model")})
    with MemoryStore(config=config) as store:
        for first in range(0, size, 1_000):
            store.commit(Batch(None, [_row(bar, n) for n in range(first, first + 1_000)]))
        slowest_write, stop, written = [0.0], threading.Event(), [0]
        writer = threading.Thread(target=lambda: _write(store, size, stop, slowest_write, written))
        writer.start()
        slowest = 0.0
        try:
            for query in queries(bar, count):
                began = time.monotonic()
                store.recall(query, 10, deadline=DEADLINE)
                slowest = max(slowest, time.monotonic() - began)
        finally:
            stop.set()
            writer.join()
        assert len(store.recall("w1 w2", 5)) == 5
        assert store.stats().memories == size + written[0]
    bar.measured(f"{count} queries beside {written[0]:,} writes, the slowest of those {slowest_write[0]:.2f} s")
    bar.holds("longest query", slowest, 5.2, "s", 10)


def _row(bar: Bar, number: int) -> NewMemory:
    words = " ".join(f"w{bar.rng.randrange(300)}" for _ in range(60))
    return NewMemory(memory_id("t", str(number)), words, number + 1, "t")


def _write(store: MemoryStore, first: int, stop: threading.Event, slowest: list[float], written: list[int]) -> None:
    while not stop.is_set():
        began = time.monotonic()
        number = first + written[0]
        store.commit(Batch(None, [NewMemory(memory_id("t", str(number)), f"Written beside {number}.", 1, "t")]))
        slowest[0] = max(slowest[0], time.monotonic() - began)
        written[0] += 1
        time.sleep(0.002)
