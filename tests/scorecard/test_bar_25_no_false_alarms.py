"""Bar 25: an examination beside busy writers never calls a sound store damaged."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from memento.config import Config, load_config
from memento.health import INTEGRITY_CHECKS, CheckContext, Finding, run_checks, run_checks_on_slice
from memento.jobs import tasks
from memento.store import MemoryStore

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar

WRITER = """
import random, sys
from zlib import crc32
import numpy as np
from memento.embedding import Embedder
from memento.memory import NewMemory
from memento.storage.capture import Batch
from memento.store import MemoryStore

WORDS = "harbour lighthouse anchor pier keeper lamp green barrel rope tide storm sail".split()

class Fake(Embedder):
    model, engine, dimensions = "random@1", "fake", 16

    def embed(self, texts):
        drawn = [np.random.default_rng(crc32(text.encode())).standard_normal(16) for text in texts]
        return [np.asarray(one / np.linalg.norm(one), np.float32)[None, :] for one in drawn]

    def passages(self, text):
        return [(0, len(text))]

name, rng = int(sys.argv[1]), random.Random(sys.argv[2])
with MemoryStore(embedder=Fake()) as store:
    for number in range(10**9):
        texts = [" ".join(rng.choices(WORDS, k=rng.randrange(3, 60))) for _ in range(8)]
        rows = [NewMemory(f"{name:08x}{number % 40:016x}{i:08x}", text, number, "t", tags=(text.split()[0],))
                for i, text in enumerate(texts)]
        store.commit(Batch(None, rows))
        chosen = rng.random()
        if chosen < 0.2:
            store.remember(f"writer {name} keeps {number % 100}", source=str(name), embed=False)
        elif chosen < 0.4 and (recent := store.get_recent(50)):
            store.delete(rng.choice(recent).id)
        elif chosen < 0.6:
            store.recall(texts[0], 3)  # embeds, and writes the vector file
        if not number:
            print("writes", flush=True)
"""


@contextmanager
def writers(config: Config, count: int, bar: Bar) -> Iterator[None]:
    """Keep `count` processes writing, deleting, embedding and searching in one store."""
    environment = {"MEMENTO_HOME": str(config.home), "HOME": str(config.home), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(number), str(bar.rng.random())], env=environment, stdout=subprocess.PIPE
        )
        for number in range(count)
    ]
    try:
        for one in started:
            assert one.stdout is not None
            assert one.stdout.readline() == b"writes\n"
        yield
        assert [one.poll() for one in started] == [None] * count
    finally:
        for one in started:
            one.kill()
            one.communicate()


def alarms(found: list[Finding]) -> list[str]:
    return [f"{one.check}: {one.text}" for one in found if one.level != "ok"]


def test_a_sound_store_beside_writers_is_never_called_damaged(bar: Bar, tmp_path: Path) -> None:
    checks, count = bar.count("MEMENTO_BUSY_CHECKS", 25), bar.count("MEMENTO_BUSY_WRITERS", 4)
    config = load_config({}, {"MEMENTO_HOME": str(tmp_path)})
    writes, longest = 0, 0.0
    with MemoryStore(config=config) as store, writers(config, count, bar):
        context = CheckContext(store.database, config)
        before = store.database.version().writes
        for number in range(checks):
            store.recall("harbour lighthouse", 3)  # a connection that has read the full-text index
            started = time.monotonic()
            found = alarms(
                run_checks_on_slice(context, INTEGRITY_CHECKS)
                if number % 4 == 3
                else run_checks(context, INTEGRITY_CHECKS)
            )
            longest = max(longest, time.monotonic() - started)
            assert found == [], f"examination {number}"
            if number % 100 == 10:
                assert tasks.check_all(store) == "sound"
                assert tasks.back_up_hourly(store)
        writes = store.database.version().writes - before
        assert store.healing() is None
    bar.measured(
        f"{checks:,} examinations beside {count} writers and {writes:,} writes of theirs: 0 false alarms, "
        f"the longest took {longest:.2f} s"
    )
