"""A folder that a sidecar follows, in a process of its own."""

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

    command = MEMENTO

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


@pytest.fixture(name="eventually")
def _eventually() -> Callable[..., None]:
    return eventually
