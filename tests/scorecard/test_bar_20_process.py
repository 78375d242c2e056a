"""Bar 20: one sidecar however many start, a successor at once, a quick end, and nothing that grows with time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import apsw
import psutil

from memento.config import Config, Settings
from memento.memory import NewMemory
from memento.storage.capture import Batch
from memento.store import MemoryStore

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar, Prompts, Sidecar

MEMENTO = Path(sys.executable).with_name("memento")
MB = 1_000_000


def test_one_of_many_concurrent_starts_watches(
    bar: Bar, sidecar: Sidecar, prompts: Prompts, eventually: Callable[..., float]
) -> None:
    count = bar.count("MEMENTO_STARTS", 12)
    with sidecar.log.open("ab") as log:
        command = [str(MEMENTO), "watch", str(sidecar.folder)]
        starts = [subprocess.Popen(command, env=sidecar.environment, stderr=log) for _ in range(count)]
    try:
        eventually(lambda: len(running(starts)) == 1 and "watching" in sidecar.said(), 60 + count)
        (sidecar.process,) = running(starts)
        (sidecar.folder / "a.jsonl").write_bytes(prompts.line(0))
        eventually(lambda: sidecar.rows() == 1, 30)
        assert running(starts) == [sidecar.process]
        assert sidecar.said().count("watching") == 1
        assert sidecar.said().count("already watches") == count - 1
        assert {start.returncode for start in starts} == {None, 1}
        assert sidecar.stop() == 0
    finally:
        for start in starts:
            if start.poll() is None:
                start.kill()
            start.wait()
    bar.measured(f"1 sidecar of {count} concurrent starts")


def running(processes: list[subprocess.Popen[bytes]]) -> list[subprocess.Popen[bytes]]:
    return [process for process in processes if process.poll() is None]


def test_a_successor_takes_over_after_sigkill(bar: Bar, sidecar: Sidecar, prompts: Prompts) -> None:
    sidecar.start()
    took = []
    for number in range(bar.count("MEMENTO_SUCCESSORS", 2)):
        with (sidecar.folder / "a.jsonl").open("ab") as file:
            file.write(prompts.line(number))
        started = time.monotonic()
        assert sidecar.stop(signal.SIGKILL) == -signal.SIGKILL
        sidecar.start()
        took.append(time.monotonic() - started)
    bar.holds(f"successor after SIGKILL, median of {len(took)}", median(took), 1, "s", generous=30)
    assert sidecar.stop() == 0


def test_sigterm_ends_a_large_backfill_and_the_next_goes_on(
    bar: Bar, sidecar: Sidecar, prompts: Prompts, eventually: Callable[..., float]
) -> None:
    count = bar.count("MEMENTO_BACKFILL_LINES", 30_000)
    for part in range(10):
        path = sidecar.folder / f"{part}.jsonl"
        with path.open("wb") as file:
            file.writelines(prompts.line(number) for number in range(part, count, 10))
        os.utime(path, (0, 0))  # so that it is backlog
    sidecar.start()
    eventually(lambda: sidecar.rows() > 0, 30, 0.01)
    started = time.monotonic()
    assert sidecar.stop() == 0
    took, rows = time.monotonic() - started, sidecar.rows()
    assert 0 < rows < count
    bar.holds(f"SIGTERM with {count - rows:,} of {count:,} lines unread: ended after", took, 3, "s", generous=20)
    sidecar.start()
    eventually(lambda: sidecar.rows() >= count, 60 + count / 500)
    assert sidecar.texts() == prompts.texts(count)
    assert sidecar.stop() == 0


class Appending(threading.Thread):
    """Appends lines to files that come and go, until it is stopped."""

    def __init__(self, bar: Bar, folder: Path, prompts: Prompts, count: int) -> None:
        super().__init__(daemon=True)
        self.count, self.ended = count, threading.Event()
        self._bar, self._folder, self._prompts = bar, folder, prompts

    def run(self) -> None:
        while not self.ended.wait(0.01):
            file = self._bar.rng.randrange(20) + self.count // 10_000
            with (self._folder / f"{file}.jsonl").open("ab") as stream:
                stream.write(self._prompts.line(self.count, padding=self._bar.rng.randrange(5_000)))
            self.count += 1


def test_nothing_grows_while_files_do(
    bar: Bar, sidecar: Sidecar, prompts: Prompts, eventually: Callable[..., float]
) -> None:
    """Measured once SQLite's page caches are full: a store of more than their 16 MB lies there from the start."""
    seconds = bar.count("MEMENTO_SOAK_SECONDS", 8)
    backlog = bar.count("MEMENTO_SOAK_BACKLOG", 500)
    (sidecar.folder / "backlog.jsonl").write_bytes(b"".join(prompts.line(number) for number in range(backlog)))
    process = sidecar.start()
    eventually(lambda: sidecar.rows() >= backlog, 60 + backlog / 200)
    appending = Appending(bar, sidecar.folder, prompts, backlog)
    appending.start()
    memory, descriptors, log_sizes = [], [], []
    warm_up, until = time.monotonic() + seconds / 4, time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(min(1, seconds / 40))
        assert sidecar.process
        assert sidecar.process.poll() is None, sidecar.said()
        log_sizes.append(sidecar.database.with_name("memory.db-wal").stat().st_size / MB)  # there while it is open
        if time.monotonic() > warm_up:
            memory.append(process.memory_info().rss / MB)
            descriptors.append(settled_descriptors(process))
    appending.ended.set()
    appending.join()
    eventually(lambda: sidecar.rows() >= appending.count, 60)
    assert sidecar.texts() == prompts.texts(appending.count)
    quarter = len(memory) // 4
    first, last = median(memory[:quarter]), median(memory[-quarter:])
    steps = range(0, len(memory), max(len(memory) // 12, 1))
    print("MB over time:", *(f"{memory[step]:.1f}" for step in steps))
    bar.measured(
        f"{appending.count - backlog:,} lines in {seconds:,} s, all stored; {first:.0f} MB, then {last:.0f} MB"
    )
    bar.holds("memory grew by", 100 * (last / first - 1), 5, "%", generous=50)
    growth = median(descriptors[-quarter:]) - median(descriptors[:quarter])
    bar.holds("file descriptors more at the end", growth, 0, "", generous=2)
    bar.holds("largest write-ahead log", max(log_sizes), 64, "MB", generous=64)
    assert sidecar.stop() == 0


def test_the_log_shrinks_again_after_a_reader_that_held_it(bar: Bar, tmp_path: Path) -> None:
    """No checkpoint can pass a reader; when it lets go, what grew behind it is given back."""
    log = tmp_path / "memory.db-wal"
    with MemoryStore(tmp_path / "memory.db", config=Config(Settings(), tmp_path)) as store:
        store.remember("The harbour plans are in the north cabinet.", embed=False)
        reader = apsw.Connection(str(store.path), flags=apsw.SQLITE_OPEN_READONLY)
        held = reader.execute("SELECT text FROM memories UNION ALL SELECT 'more'")
        next(held)
        for number in range(24):
            text = " ".join(str(bar.rng.getrandbits(60)) for _ in range(40_000))
            store.commit(Batch(None, [NewMemory(id=f"{number:032x}", text=text, timestamp=0, source="s")]))
        grown = log.stat().st_size / MB
        held.close()
        reader.close()
        for number in range(3):
            store.remember(f"The harbour master changed the plan {number} times.", embed=False)
        shrunk = log.stat().st_size / MB
    assert grown > shrunk
    bar.holds(f"write-ahead log, {grown:,.0f} MB behind a reader, afterwards", shrunk, 64, "MB", generous=34)


def settled_descriptors(process: psutil.Process) -> int:
    """Count the descriptors between two files: one is open while it is read."""
    return min(process.num_fds() for _ in range(3))
