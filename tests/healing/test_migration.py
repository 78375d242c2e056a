"""A schema changes only behind a proven backup, wholly or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import apsw
import pytest
from tests.healing.conftest import as_put_today

from memento.backup import BackupDirectory, prove
from memento.errors import StoreError
from memento.memory import NewMemory
from memento.storage.migrations import APPLICATION_ID, MIGRATIONS
from memento.storage.rows import put
from memento.store import MemoryStore

OPEN = "from memento.store import MemoryStore\nMemoryStore().close()\n"


@pytest.fixture
def outdated(home: Path, rows: Callable[[int, int], list[NewMemory]]) -> Path:
    """A store of the first schema, with 200 rows."""
    home.mkdir(mode=0o700)
    path = home / "memory.db"
    connection = apsw.Connection(str(path))
    connection.execute(MIGRATIONS[0])
    connection.pragma("user_version", 1)
    connection.pragma("application_id", APPLICATION_ID)
    with as_put_today(connection):
        put(connection, rows(0, 200))
    connection.close()
    return path


def version(path: Path) -> object:
    connection = apsw.Connection(str(path))
    try:
        return connection.pragma("user_version")
    finally:
        connection.close()


def test_a_backup_is_taken_first(outdated: Path, open_store: Callable[[], MemoryStore], tmp_path: Path) -> None:
    assert open_store().stats().memories == 200
    (backup,) = BackupDirectory(outdated).all()
    assert (backup.manifest.kind, backup.manifest.schema) == ("migration", 1)
    prove(backup, tmp_path / "scratch")
    assert version(outdated) == len(MIGRATIONS)


def test_without_a_backup_nothing_changes(outdated: Path, open_store: Callable[[], MemoryStore]) -> None:
    (outdated.parent / "backups").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write a backup"):
        open_store()
    assert version(outdated) == 1


@pytest.mark.parametrize("point", ["migration", "backup.copied", "publish.renamed"])
def test_a_kill_is_taken_up(outdated: Path, point: str, open_store: Callable[[], MemoryStore]) -> None:
    done = subprocess.run([sys.executable, "-c", OPEN], env={**os.environ, "MEMENTO_KILL_AT": point}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert version(outdated) == 1
    assert open_store().stats().memories == 200
    assert version(outdated) == len(MIGRATIONS)


def test_processes_that_start_together_take_one_backup(outdated: Path) -> None:
    started = [subprocess.Popen([sys.executable, "-c", OPEN]) for _ in range(6)]
    assert [process.wait(60) for process in started] == [0] * 6
    assert len(BackupDirectory(outdated).all()) == 1
    assert version(outdated) == len(MIGRATIONS)


def test_a_full_disk_says_what_an_upgrade_needs(
    outdated: Path, open_store: Callable[[], MemoryStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10_000_000))
    with pytest.raises(StoreError, match=r"older Memento.* nothing was changed: .* 10 MB are free: free \d+ MB there"):
        open_store()
    assert version(outdated) == 1


def test_a_damaged_store_is_kept_as_it_is_before_it_is_repaired_and_migrated(
    outdated: Path, open_store: Callable[[], MemoryStore]
) -> None:
    connection = apsw.Connection(str(outdated))
    connection.execute("INSERT INTO memory_tags (tag, num) VALUES ('nowhere', 1)")
    connection.close()
    assert open_store().stats().memories == 200
    assert version(outdated) == len(MIGRATIONS)
    (kept,) = outdated.parent.glob("memory.db.outdated-*")
    assert version(kept) == 1
    assert kept.stat().st_mode & 0o777 == 0o600
