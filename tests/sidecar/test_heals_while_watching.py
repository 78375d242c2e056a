"""The store is damaged under a running sidecar: it is restored, every source read again, and capture goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memento.config import load_config
from memento.store import MemoryStore

MEMENTO = Path(sys.executable).with_name("memento")


class Watched:
    """A folder that a sidecar follows."""

    def __init__(self, home: Path) -> None:
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "HOME": str(home),
            "MEMENTO_HOME": str(home / "memento"),
            "MEMENTO_MODEL_DIR": str(home / "no-model"),
        }
        self.config = load_config({}, self.environment)
        self.folder = home / "transcripts"
        self.folder.mkdir()
        self.log = home / "log"
        self.lines = 0
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([MEMENTO, "watch", self.folder], env=self.environment, stderr=log)
        eventually(lambda: "watching" in self.said())

    def said(self) -> str:
        return self.log.read_text()

    def write(self, count: int) -> None:
        with (self.folder / "t.jsonl").open("ab") as file:
            for _ in range(count):
                message = {"role": "user", "content": self.text(self.lines)}
                record = {"type": "user", "uuid": f"u-{self.lines}", "sessionId": "s", "message": message}
                file.write(json.dumps(record).encode() + b"\n")
                self.lines += 1

    def text(self, number: int) -> str:
        return f"We decided on rule number {number} for the harbour."

    def memento(self, *arguments: str) -> str:
        command: list[str | Path] = [MEMENTO, *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stderr

    def holds_all(self) -> bool:
        with MemoryStore(config=self.config) as store:
            texts = {memory.text for memory in store.get_recent(10_000)}
        return texts >= {self.text(number) for number in range(self.lines)}


def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.1)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    yield watched
    watched.process.terminate()
    assert watched.process.wait(10) == 0


@pytest.mark.parametrize("what", ["header", "rows"])
def test_capture_goes_on_in_the_restored_store(watched: Watched, what: str) -> None:
    watched.write(300)
    eventually(watched.holds_all)
    watched.memento("backup")
    watched.write(100)
    watched.memento("remember", "The lamp is green.")
    eventually(watched.holds_all)
    watched.memento("jobs", "run", "checkpoint")
    path = watched.config.db_path
    content = path.read_bytes()
    where = 0 if what == "header" else content.index(b"rule number 77 ")
    with path.open("r+b") as file:
        file.seek(where)
        file.write(b"\0" * 100 if what == "header" else b"rule number 78 ")
    if what == "header":
        assert (
            "The lamp is green."
            in subprocess.run(
                [MEMENTO, "recent"], env=watched.environment, capture_output=True, text=True, check=True
            ).stdout
        )
    else:
        assert "was restored from the backup" in watched.memento("jobs", "run", "full-health")
    watched.write(100)
    eventually(watched.holds_all)
    eventually(lambda: "read again from where that left it" in watched.said())
    with MemoryStore(config=watched.config) as store:
        assert store.stats().memories == watched.lines + 1
        assert store.healing() is not None
        (account,) = [one for one in store.accounts() if one.path.endswith("t.jsonl")]
        assert account.offset == (watched.folder / "t.jsonl").stat().st_size
