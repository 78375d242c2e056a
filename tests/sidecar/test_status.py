"""`memento status`: every source with what became of it, by name where a type is unknown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from memento.filesystem import kind_of
from memento_ingest.batching import MAX_TYPES

MEMENTO = Path(sys.executable).with_name("memento")
EVENT = 1_767_225_600_000
SECRET = "ghp_" + "Zk3vQ9xT7bLw2NpR8sYc5mHd4jFg6aUe1K0o"


class Store:
    """A store and a transcript, read by `memento ingest`."""

    def __init__(self, folder: Path) -> None:
        self.transcript = folder / "a.jsonl"
        inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        self.environment = {**inherited, "HOME": str(folder), "MEMENTO_HOME": str(folder / "m")}

    def write(self, types: list[str]) -> None:
        with self.transcript.open("a") as file:
            for name in types:
                file.write(json.dumps({"type": name, "uuid": "u", "sessionId": "s"}) + "\n")

    def prompt(self) -> None:
        message = {"role": "user", "content": "We decided to deploy the harbour on Thursdays."}
        time_ = "2026-01-01T00:00:00.000Z"
        record = {"type": "user", "uuid": "1", "sessionId": "s", "timestamp": time_, "message": message}
        self.transcript.write_text(json.dumps(record) + "\n")

    def run(self, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([MEMENTO, *arguments], env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done
        return done

    def ingest(self) -> None:
        self.run("ingest", self.transcript, "--no-embed")

    def status(self, code: int = 0) -> Any:
        [source] = json.loads(self.run("status", "--json", code=code).stdout)["sources"]
        return source


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.prompt()
    return store


def test_unknown_types_are_named(store: Store) -> None:
    store.write(["brand-new", "brand-new", "other/new"])
    store.ingest()
    store.write(["brand-new"])
    store.ingest()
    source = store.status()
    assert source["unknown_types"] == {"brand-new": 3, "other/new": 1}
    assert source["skipped"]["unknown_type"] == 4
    assert source["seen"] == 5
    assert "does not know: brand-new 3, other/new 1" in store.run("status", "--table").stdout


def test_the_names_are_bounded_and_hold_no_secret(store: Store) -> None:
    store.write([f"t{number}" for number in range(100)])
    store.write([SECRET, "two words", "x" * 60, "\x1b[31mred"])
    store.ingest()
    source = store.status()
    assert len(source["unknown_types"]) == MAX_TYPES
    assert source["skipped"]["unknown_type"] == 104
    folder = Path(store.environment["MEMENTO_HOME"])
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_last_event_and_stalled(store: Store) -> None:
    written = time.time() - 3_600
    os.utime(store.transcript, (written, written))
    store.ingest()
    assert abs(store.status()["last_written"] - written * 1_000) < 2
    assert store.status()["last_event"] == EVENT
    assert store.status()["stalled"] is False
    store.write(["x"])
    assert store.status()["stalled"] is False  # it has not waited for long
    os.utime(store.transcript, (written, written))
    assert store.status(code=1)["stalled"] is True
    shown = store.run("status", "--table", code=1)
    assert "stalled" in shown.stderr
    assert " !" in shown.stdout
    store.transcript.unlink()
    assert store.status()["last_event"] == EVENT
    assert abs(store.status()["last_written"] - written * 1_000) < 2


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_the_kind_of_file_system() -> None:
    assert kind_of(Path("/proc/self")) == "proc"
    assert kind_of(Path("/nowhere/at/all")) == kind_of(Path("/"))
