"""Several processes and threads on one store at once: nothing is lost, and nobody sees a lock."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from memento.store import MemoryStore

SECONDS = 2.0

WRITER = """
import sys, time
from memento.store import MemoryStore

path, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
until = time.monotonic() + seconds
written = 0
while time.monotonic() < until:
    with MemoryStore(path) as store:  # opened and closed again and again: that is when locks go wrong
        for _ in range(20):
            store.remember(f"writer {name} note {written}", source=name, embed=False)
            written += 1
print(written)
"""


def test_four_writers_and_two_readers_lose_nothing(
    open_store: Callable[..., MemoryStore], words: type[Any], tmp_path: Path
) -> None:
    store = open_store(embedder=words())
    command = [sys.executable, "-c", WRITER, str(tmp_path / "store.db")]
    writers = [
        subprocess.Popen([*command, str(n), str(SECONDS)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                found = store.recall("writer note 7", k=5, deadline=30)
                assert not found.partial
                known = len(store.get_recent(1000))
                assert store.stats().memories >= known
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    counts = {}
    for number, writer in enumerate(writers):
        out, error = writer.communicate(timeout=60)
        assert writer.returncode == 0, error
        counts[str(number)] = int(out)
    done.set()
    for reader in readers:
        reader.join(30)
    assert failures == []
    assert store.stats().by_source == counts
    for name, written in counts.items():
        kept = {memory.text for memory in store.get_recent(10**6, source=name)}
        assert kept == {f"writer {name} note {note}" for note in range(written)}
    store.embed_pending()
    assert store.recall("writer 3 note 0", k=1, source="3")[0].dense is not None
    with store._database.read() as connection:
        assert connection.pragma("integrity_check") == "ok"


def test_threads_share_a_store(open_store: Callable[..., MemoryStore], words: type[Any]) -> None:
    store = open_store(embedder=words())
    failures: list[BaseException] = []

    def work(name: int) -> None:
        try:
            for number in range(10):
                known = store.remember(f"thread {name} note {number}")
                assert known in [found.id for found in store.recall(f"thread {name} note {number}", k=5)]
                if number % 2:
                    assert store.delete(known)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert store.stats().memories == 30
    assert store.pending() == 0
