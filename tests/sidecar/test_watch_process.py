"""`memento watch` as users run it: a real process, real files that grow and move under it, real signals."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memento.config import load_config
from memento.store import MemoryStore

MEMENTO = Path(sys.executable).with_name("memento")


class Watch:
    """A watched folder, its store, and the sidecar's process."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "transcripts"
        self.folder.mkdir()
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "MEMENTO_HOME": str(home / "memento"),
            "MEMENTO_MODEL_DIR": str(home / "no-model"),
        }
        self.log = home / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([MEMENTO, "watch", self.folder], env=self.environment, stderr=log)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(10)

    def texts(self) -> list[str]:
        config = load_config({}, self.environment)
        if not config.db_path.exists():
            return []
        with MemoryStore(config=config) as store:
            return [memory.text for memory in store.get_recent(100_000)]

    def said(self) -> str:
        return self.log.read_text()


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    watch = Watch(tmp_path)
    yield watch
    if watch.process and watch.process.poll() is None:
        watch.process.kill()
        watch.process.wait()


def eventually(holds: Callable[[], bool], seconds: float = 10) -> None:
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def line(number: int) -> bytes:
    text = f"We decided on rule number {number} for the harbour."
    return (
        json.dumps(
            {
                "type": "user",
                "uuid": f"u-{number}",
                "sessionId": "s",
                "timestamp": "2026-01-01T00:00:00Z",
                "message": {"role": "user", "content": text},
            }
        ).encode()
        + b"\n"
    )


def test_it_says_when_what_was_there_has_been_read(watch: Watch) -> None:
    (watch.folder / "a.jsonl").write_bytes(line(1) + line(2))
    watch.start()
    eventually(lambda: "kept 2 of 2 messages in 1 source; what is written from now on follows" in watch.said())
    watch.stop()
    watch.start()
    eventually(lambda: "nothing new was there" in watch.said())
    assert watch.stop() == 0


def test_backfill_then_live_then_a_folder_that_appears_later(watch: Watch) -> None:
    (watch.folder / "old.jsonl").write_bytes(line(1) + line(2))
    watch.start()
    eventually(lambda: len(watch.texts()) == 2)
    with (watch.folder / "old.jsonl").open("ab") as file:
        file.write(line(3)[:40])
        file.flush()
        time.sleep(0.3)
        file.write(line(3)[40:])
    eventually(lambda: len(watch.texts()) == 3)
    later = watch.folder / "project" / "deep"
    later.mkdir(parents=True)
    (later / "new.jsonl").write_bytes(line(4))
    eventually(lambda: len(watch.texts()) == 4)
    assert watch.stop() == 0


def test_sigterm_stops_within_three_seconds_and_sigint_too(watch: Watch) -> None:
    for times, number in enumerate((signal.SIGTERM, signal.SIGINT), 1):
        watch.start()
        eventually(lambda times=times: watch.said().count("watching") == times)  # type: ignore[misc]
        started = time.monotonic()
        assert watch.stop(number) == 0
        assert time.monotonic() - started < 3
    assert watch.said().count("stopped") == 2


def test_one_sidecar_per_store_and_a_successor_after_sigkill(watch: Watch) -> None:
    watch.start()
    eventually(lambda: "watching" in watch.said())
    others = [
        subprocess.Popen([MEMENTO, "watch", watch.folder], env=watch.environment, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for other in others:
        _, complaint = other.communicate(timeout=20)
        assert other.returncode == 1
        assert b"already watches" in complaint
    watch.stop(signal.SIGKILL)
    watch.start()
    eventually(lambda: watch.said().count("watching") == 2)
    assert watch.stop() == 0


def test_sighup_reloads_and_an_error_keeps_what_was_in_force(watch: Watch) -> None:
    watch.start()
    eventually(lambda: "watching" in watch.said())
    assert watch.process
    config = watch.home / "memento" / "config.yaml"
    config.write_text("storage:\n  db_pth: x\n")
    watch.process.send_signal(signal.SIGHUP)
    eventually(lambda: "kept the settings in force" in watch.said())
    assert "db_path" in watch.said()
    config.write_text("recall:\n  limit: 5\n")
    watch.process.send_signal(signal.SIGHUP)
    eventually(lambda: "read config and policies again" in watch.said())
    (watch.folder / "a.jsonl").write_bytes(line(1))
    eventually(lambda: len(watch.texts()) == 1)
    assert watch.stop() == 0


def test_killed_again_and_again_while_files_grow_and_rotate(watch: Watch) -> None:
    """Scorecard bar 1 in miniature; MEMENTO_KILLS raises the count."""
    seed = int(os.environ.get("MEMENTO_SEED", random.randrange(10**6)))
    print(f"seed {seed}")
    rng = random.Random(seed)
    files = [watch.folder / f"{n}.jsonl" for n in range(8)]
    number = 0
    for round_ in range(int(os.environ.get("MEMENTO_KILLS", "8"))):
        watch.start()
        until = time.monotonic() + rng.uniform(0.25, 0.8)
        while time.monotonic() < until:
            path = rng.choice(files)
            if rng.random() < 0.02 and path.exists():
                path.rename(path.with_name(f"{path.stem}-{round_}-{number}.jsonl"))
            with path.open("ab") as file:
                data = line(number)
                cut = rng.randrange(len(data))
                file.write(data[:cut])
                file.flush()
                file.write(data[cut:])
            number += 1
            time.sleep(0.002)
        watch.stop(signal.SIGKILL)
    starts = watch.said().count("watching")
    watch.start()
    eventually(lambda: watch.said().count("watching") > starts)
    wanted = [f"We decided on rule number {n} for the harbour." for n in range(number)]
    eventually(lambda: len(watch.texts()) >= number, 20)
    assert sorted(watch.texts()) == sorted(wanted)
    assert watch.stop() == 0
