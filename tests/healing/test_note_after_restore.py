"""After a backup was restored, answers say so until the sources have been read again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from memento.config import Config, load_config
from memento.store import MemoryStore
from memento_ingest.hooks.context import reply
from memento_ingest.server.unix_socket import socket_path

MEMENTO = Path(sys.executable).with_name("memento")
NOTE = "was restored, and the sources have not all been read again: newer memories may be missing"


class Home:
    """A store with a source, of which a backup holds a part."""

    def __init__(self, folder: Path) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "MEMENTO_HOME": str(folder / "memento"),
            "MEMENTO_MODEL_DIR": str(folder / "no-model"),
        }
        self.source = folder / "t.jsonl"
        self.config: Config = load_config({}, self.environment)
        self.write(1)
        self.memento("ingest", str(self.source))
        self.memento("backup")
        self.write(2)
        self.memento("ingest", str(self.source))

    def write(self, number: int) -> None:
        message = {"role": "user", "content": f"We decided on rule number {number} for the harbour."}
        with self.source.open("a") as file:
            file.write(json.dumps({"type": "user", "uuid": f"u-{number}", "sessionId": "s", "message": message}) + "\n")

    def damage(self) -> None:
        with self.config.db_path.open("r+b") as file:
            file.write(b"\0" * 100)

    def memento(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([MEMENTO, *arguments], env=self.environment, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done


@pytest.fixture
def used(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_answers_say_so_until_the_sources_are_read(used: Home) -> None:
    assert NOTE not in used.memento("recall", "harbour").stderr
    used.damage()
    recent = used.memento("recent")
    assert NOTE in recent.stderr
    answer = used.memento("recall", "harbour", "--json")
    assert NOTE in answer.stderr
    assert any(NOTE in text for text in json.loads(answer.stdout)["notes"])
    with MemoryStore(config=used.config) as store:
        assert NOTE in " ".join(store.recall("harbour").notes)
        assert NOTE in store.unread_since_restore()
    used.memento("ingest", str(used.source))  # the remedy that the note names
    assert NOTE not in used.memento("recent").stderr
    again = used.memento("recall", "harbour", "--json")
    assert NOTE not in again.stderr
    assert len(json.loads(again.stdout)["results"]) == 2


def test_ingesting_something_else_leaves_the_note(used: Home, tmp_path: Path) -> None:
    used.damage()
    used.memento("recent")
    used.write(3)
    other = tmp_path / "other.jsonl"
    other.write_text(used.source.read_text().replace("u-", "v-").replace('"s"', '"o"'))
    used.memento("ingest", str(other))
    assert NOTE in used.memento("recent").stderr
    used.memento("ingest", str(used.source))
    assert NOTE not in used.memento("recent").stderr


def test_the_sidecar_reads_them_and_the_note_goes(used: Home) -> None:
    used.damage()
    assert NOTE in used.memento("recent").stderr
    log = used.source.parent / "log"
    with log.open("wb") as file:
        watching = subprocess.Popen([MEMENTO, "watch", used.source.parent], env=used.environment, stderr=file)
    try:
        while "follows" not in log.read_text():
            assert watching.poll() is None
        assert NOTE not in used.memento("recent").stderr
        assert NOTE not in used.memento("recall", "harbour").stderr
    finally:
        watching.terminate()
        watching.wait(20)


def test_a_hook_passes_the_note_on(used: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    used.damage()
    with MemoryStore(config=used.config) as store:
        answer: Any = store.recall("harbour")
    assert answer
    monkeypatch.setattr("memento_ingest.hooks.context.recall", lambda *_: answer)
    monkeypatch.setattr("memento_ingest.hooks.context._bears", lambda *_, **__: True)
    told = reply(socket_path(used.config.db_path), "claude-code", {"event": "UserPromptSubmit", "prompt": "harbour"})
    assert told is not None
    assert NOTE in told.text
