"""Files of the store are deleted, moved or replaced under a running sidecar: it says so, and loses nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memento.backup import BackupDirectory, create
from memento.config import load_config
from memento.errors import StoreDeleted, StoreError
from memento.restore.deleted_files import GRACE_SECONDS, DeletedFiles, restore_deleted
from memento.storage import snapshot
from memento.storage.database import Database
from memento.store import MemoryStore

if TYPE_CHECKING:
    from tests.sidecar.conftest import Watched

SWEEP_SECONDS = 2.0
Eventually = Callable[..., None]


def files(database: Path) -> list[Path]:
    return [path for path in database.parent.glob(f"{database.name}*") if path.is_file()]


def fill(watched: Watched, eventually: Eventually) -> None:
    watched.write(50)
    eventually(watched.holds_all)
    watched.memento("remember", "The lamp is green.")


@pytest.mark.parametrize("what", ["database", "database and logs", "folder", "replaced by an empty one"])
def test_a_deleted_database_is_put_back_whole(watched: Watched, eventually: Eventually, what: str) -> None:
    fill(watched, eventually)
    path = watched.config.db_path
    if what == "folder":
        shutil.rmtree(path.parent)
    elif what == "replaced by an empty one":
        path.unlink()
        path.touch(0o600)
    else:
        for file in files(path) if what == "database and logs" else [path]:
            file.unlink()
    noticed = time.monotonic()
    eventually(
        lambda: "was deleted, moved away or emptied while it was in use; it is not damaged" in watched.said(), 10
    )
    assert time.monotonic() - noticed < SWEEP_SECONDS + 2
    watched.write(50)
    eventually(lambda: "and put back as it was; nothing was lost" in watched.said())
    eventually(watched.holds_all)
    assert "The lamp is green." in recent(watched)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert "is damaged" not in watched.said()
    assert "write-ahead log" not in watched.said()
    second = subprocess.run([watched.command, "watch"], env=watched.environment, capture_output=True, text=True)
    assert "already watches" in second.stderr
    assert watched.memento("recall", "lamp") is not None


def recent(watched: Watched) -> str:
    done = subprocess.run(
        [watched.command, "recent", "-k", "500"], env=watched.environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_database_that_is_moved_away_and_back_is_left_alone(watched: Watched, eventually: Eventually) -> None:
    fill(watched, eventually)
    path = watched.config.db_path
    before = path.stat().st_ino
    path.rename(path.with_name("elsewhere"))
    eventually(lambda: "was deleted, moved away or emptied" in watched.said(), 10)
    watched.write(50)
    path.with_name("elsewhere").rename(path)
    eventually(watched.holds_all)
    eventually(lambda: "is back" in watched.said())
    assert path.stat().st_ino == before
    assert "The lamp is green." in recent(watched)


@pytest.mark.parametrize("suffixes", [["-wal"], ["-shm"], ["-wal", "-shm"]])
def test_a_deleted_log_is_brought_in(watched: Watched, eventually: Eventually, suffixes: list[str]) -> None:
    fill(watched, eventually)
    time.sleep(1)  # the sidecar has seen the log
    for suffix in suffixes:
        Path(f"{watched.config.db_path}{suffix}").unlink()
    eventually(lambda: "the write-ahead log of" in watched.said(), 10)
    watched.write(50)
    eventually(watched.holds_all)
    assert "The lamp is green." in recent(watched)
    assert "sound" in watched.memento("jobs", "run", "health")
    assert "damaged" not in watched.said()


@pytest.mark.parametrize("content", ["another store", "no database"])
def test_another_file_in_its_place_is_named(
    watched: Watched, eventually: Eventually, tmp_path: Path, content: str
) -> None:
    fill(watched, eventually)
    watched.memento("backup")
    path, other = watched.config.db_path, tmp_path / "other.db"
    if content == "no database":
        other.write_bytes(b"no database " * 1_000)
    else:
        MemoryStore(other, config=load_config({}, {"MEMENTO_HOME": str(tmp_path)})).close()
    other.chmod(0o600)
    other.replace(path)
    watched.write(50)
    eventually(lambda: "every source is read again from where that left it" in watched.said())
    eventually(watched.holds_all)
    assert f"{path} is another file now" in watched.said()
    assert "The lamp is green." in recent(watched)


def test_nothing_is_written_to_a_deleted_file(tmp_path: Path) -> None:
    database = Database(tmp_path / "memory.db")
    database.path.unlink()
    with pytest.raises(StoreDeleted, match="deleted, moved away or emptied"), database.write():
        pass
    with database.read() as connection:  # what is open can still be read
        assert connection.execute("SELECT count(*) FROM memories").get == 0
    database.close()
    assert not database.path.exists()


def test_where_nothing_may_be_restored_it_is_said(tmp_path: Path) -> None:
    config = load_config({"storage.auto_restore": False}, {"MEMENTO_HOME": str(tmp_path)})
    with MemoryStore(config=config) as store:
        store.remember("We keep the plans in the north cabinet.", embed=False)
        look = DeletedFiles(store.database, config, print).check
        assert not look()
        store.path.unlink()
        with pytest.raises(StoreDeleted, match="auto_restore is off: stop this process"):
            look()
        time.sleep(GRACE_SECONDS + 0.1)
        with pytest.raises(StoreDeleted):
            look()
    assert not store.path.exists()


def test_without_what_is_open_a_backup_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: object) -> None:
        raise StoreError("the disk has gone")

    config = load_config({}, {"MEMENTO_HOME": str(tmp_path)})
    with MemoryStore(config=config) as store:
        store.remember("We keep the plans in the north cabinet.", embed=False)
        create(store.database, "manual", BackupDirectory(store.path), retention_days=7)
        store.remember("The lamp is green.", embed=False)
        store.path.unlink()
        monkeypatch.setattr(snapshot, "copy", unreadable)
        healing = restore_deleted(store.database)
        assert "the store was gone (it was deleted or emptied). It was restored from the backup of" in healing.text
        assert {one.text for one in store.get_recent(5)} == {
            "We keep the plans in the north cabinet.",
            "The lamp is green.",
        }


def test_a_database_that_is_emptied_in_place_is_restored(watched: Watched, eventually: Eventually) -> None:
    fill(watched, eventually)
    watched.memento("backup")
    watched.memento("remember", "The pier is closed.")
    watched.memento("jobs", "run", "checkpoint")
    os.truncate(watched.config.db_path, 0)
    watched.write(50)
    eventually(lambda: "put back as it was" in watched.said() or "was restored from the backup" in watched.said())
    eventually(watched.holds_all)
    assert "sound" in watched.memento("jobs", "run", "health")
    assert "The lamp is green." in recent(watched)
    assert "The pier is closed." in recent(watched)
