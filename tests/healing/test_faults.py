"""A disk that is full, read-only or elsewhere, and a file that is too new: a clear message, no loss, and on it goes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from memento.backup import BackupDirectory, create
from memento.config import load_config
from memento.errors import StoreError, StoreTooNew
from memento.health import ENVIRONMENT_CHECKS, CheckContext, run_checks
from memento.restore.healing import heal
from memento.storage.database import Database
from memento.storage.migrations import MIGRATIONS
from memento.store import MemoryStore

LIMITED = """
import resource, sys
from memento.errors import StoreError
from memento.store import MemoryStore
store = MemoryStore()
store.remember("Said before.", embed=False)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
try: store.remember("Said while the disk was full. " + "x" * 100_000, embed=False)
except StoreError as error: print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
store.remember("Said afterwards.", embed=False)
print(sorted(one.text for one in store.get_recent()))
store.close()
"""


def test_a_full_disk(home: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True)
    refused, found = done.stdout.splitlines()
    assert "memory.db" in refused
    assert found == "['Said afterwards.', 'Said before.']"


def test_no_space_for_the_journal_is_no_loss(store: MemoryStore) -> None:
    from memento.writes.journal import journal_path

    journal = journal_path(store.path)
    journal.unlink(missing_ok=True)
    journal.mkdir()  # cannot be appended to, as on a disk without space
    kept = store.remember("Said without a journal.", embed=False)
    assert store.get(kept)


def test_on_a_network_file_system_there_is_no_shared_memory(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memento.storage.connection.kind_of", lambda _: "nfs4")
    monkeypatch.setattr("memento.health.environment_checks.kind_of", lambda _: "nfs4")
    with MemoryStore() as first, MemoryStore() as second:
        assert first.database.connection.pragma("journal_mode") == "delete"
        first.remember("Said here.", embed=False)
        second.remember("Said there.", embed=False)
        assert first.stats().memories == 2
        assert not Path(f"{first.path}-wal").exists()
        found = run_checks(CheckContext(first.database, first.config), ENVIRONMENT_CHECKS)
        (advice,) = [finding for finding in found if finding.check == "filesystem"]
        assert (advice.level, "nfs4" in advice.text) == ("advice", True)


def test_a_store_moves_from_a_local_disk_to_a_network_folder(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    monkeypatch.setattr("memento.storage.connection.kind_of", lambda _: "cifs")
    with MemoryStore(store.path, config=store.config) as moved:
        assert moved.stats().memories == 200


def test_a_newer_file_is_neither_opened_nor_restored(store: MemoryStore) -> None:
    create(store.database, "hourly", BackupDirectory(store.path), retention_days=7)
    store.close()
    connection = apsw.Connection(str(store.path))
    connection.pragma("user_version", len(MIGRATIONS) + 1)
    connection.close()
    with pytest.raises(StoreTooNew, match="upgrade memento-memory"):
        MemoryStore(store.path, config=store.config)
    with pytest.raises(StoreTooNew):
        heal(store.path, load_config())
    assert not list(store.path.parent.glob("*.damaged-*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(store: MemoryStore) -> None:
    store.close()
    store.path.parent.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="cannot open the store"):
            Database(store.path)
    finally:
        store.path.parent.chmod(0o700)
    Database(store.path).close()


def test_backups_that_cannot_be_written_leave_the_store_alone(store: MemoryStore) -> None:
    (store.path.parent / "backups").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write a backup to"):
        create(store.database, "hourly", BackupDirectory(store.path), retention_days=7)
    assert store.stats().memories == 200
