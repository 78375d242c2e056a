"""The store is no source: only SQLite opens its files, since closing them otherwise would drop its locks on them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from memento.config import Config, Settings
from memento.storage.database import is_part_of
from memento.store import MemoryStore
from memento_ingest import batch_ingest
from memento_ingest.batch_ingest import Ingestion, Options
from memento_ingest.discovery import open_regular

MEMENTO = Path(sys.executable).with_name("memento")


def test_its_files_are_known(tmp_path: Path) -> None:
    database = tmp_path / "memory.db"
    database.touch()
    for name in ("memory.db-wal", "memory.db-shm"):
        (tmp_path / name).touch()
        assert is_part_of(database, tmp_path / name)
    (tmp_path / "link.db").symlink_to(database)
    os.link(database, tmp_path / "hard.db")
    (tmp_path / "other.db").touch()
    parts = [name for name in ("memory.db", "link.db", "hard.db") if is_part_of(database, tmp_path / name)]
    assert parts == ["memory.db", "link.db", "hard.db"]
    assert not is_part_of(database, tmp_path / "other.db")
    assert not is_part_of(database, tmp_path / "nowhere.db")


def test_it_is_not_opened_where_a_folder_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def noted(path: Path, *, follow: bool = True) -> object:
        opened.append(path.name)
        return open_regular(path, follow=follow)

    monkeypatch.setattr(batch_ingest, "open_regular", noted)
    (tmp_path / "a.jsonl").write_text('{"role": "user", "content": "tea"}\n')
    with MemoryStore(tmp_path / "memory.db", config=Config(Settings(), tmp_path)) as store:
        report = Ingestion(store.policy, Options(), store).run([str(tmp_path)])
    assert opened == ["a.jsonl"]
    assert report.problems == []


@pytest.mark.parametrize("command", [["ingest"], ["why"]])
def test_it_is_not_read_when_it_is_named(tmp_path: Path, command: list[str]) -> None:
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environment = {**inherited, "MEMENTO_HOME": str(tmp_path)}
    subprocess.run([MEMENTO, "remember", "tea at noon"], env=environment, check=True, capture_output=True)
    name = f"{tmp_path / 'memory.db'}{':1' if command == ['why'] else ''}"
    done = subprocess.run([MEMENTO, *command, name], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (2, 3)
    assert "the store itself" in done.stderr + done.stdout
