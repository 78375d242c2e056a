"""Bar 10: backups under load, each restored and compared; killed in the middle; kept for as long as they must be."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from memento.backup import BackupDirectory, create, prove
from memento.base.identity import memory_id
from memento.config import load_config
from memento.memory import NewMemory
from memento.storage.capture import Batch
from memento.store import MemoryStore

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar

DAY = 86_400_000
TAKE = """
from memento.backup import BackupDirectory, create
from memento.store import MemoryStore
store = MemoryStore()
print("ready", flush=True)
while True: create(store.database, "manual", BackupDirectory(store.path), retention_days=7)
"""


def _rows(first: int, count: int) -> list[NewMemory]:
    return [NewMemory(memory_id("t", str(n)), f"Row {n}. " * 20, 1, "t") for n in range(first, first + count)]


def test_backups_under_load(bar: Bar, tmp_path: Path) -> None:
    count = bar.count("MEMENTO_BACKUPS", 10)
    stop = threading.Event()
    with MemoryStore(tmp_path / "store.db", config=load_config({}, {"MEMENTO_HOME": str(tmp_path)})) as store:

        def write() -> None:
            number = 0
            while not stop.is_set():
                store.commit(Batch(None, _rows(number, 7)))
                number += 7
                time.sleep(0.01)

        writer = threading.Thread(target=write)
        writer.start()
        directory = BackupDirectory(store.path)
        try:
            for number in range(count):
                backup = create(store.database, "manual", directory, retention_days=7, now=1_770_000_000_000 + number)
                prove(backup, tmp_path / "scratch")
                assert backup.manifest.counts["memories"] % 7 == 0, "half a transaction"
                backup.path.unlink()
        finally:
            stop.set()
            writer.join()
    bar.measured(f"{count:,} backups beside a writer, each restored and compared")


def test_killed_in_the_middle(bar: Bar, tmp_path: Path) -> None:
    kills = bar.count("MEMENTO_BACKUP_KILLS", 6)
    environment = {**os.environ, "MEMENTO_HOME": str(tmp_path), "MEMENTO_MODEL_DIR": str(tmp_path / "no-model")}
    config = load_config({}, environment)
    with MemoryStore(config=config) as store:
        store.commit(Batch(None, _rows(0, 3_000)))
    directory = BackupDirectory(config.db_path)
    whole = 0
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, "-c", TAKE], env=environment, stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        time.sleep(bar.rng.uniform(0, 0.4))
        process.kill()
        process.communicate()
        for backup in directory.all():
            prove(backup, tmp_path / "scratch")
            whole += 1
            backup.path.unlink()
        left = {path.name for path in directory.folder.iterdir()} if directory.folder.exists() else set()
        assert all(name == ".lock" or ".partial" in name for name in left)
    bar.measured(f"{kills:,} kills in the middle of backups: {whole:,} whole ones, 0 partial")


def test_thirty_days(bar: Bar, tmp_path: Path) -> None:
    """A day's snapshot each day, and the hours' between; some are damaged: the last good one is never removed."""
    days = bar.count("MEMENTO_BACKUP_DAYS", 12)
    with MemoryStore(tmp_path / "store.db", config=load_config({}, {"MEMENTO_HOME": str(tmp_path)})) as store:
        store.commit(Batch(None, _rows(0, 5)))
        directory = BackupDirectory(store.path)
        for day in range(days):
            at = 1_770_000_000_000 + day * DAY
            create(store.database, "daily", directory, retention_days=7, now=at)
            for hour in (6, 12, 18):
                create(store.database, "hourly", directory, retention_days=7, now=at + hour * DAY // 24)
            dailies = [one for one in directory.all() if one.manifest.kind == "daily"]
            assert min(7, day + 1) <= len(dailies) <= 8
        newest = directory.all()
        for backup in newest[:-1]:
            backup.path.write_bytes(backup.path.read_bytes()[:-30])
        directory.prune(0)
        assert newest[-1].path.exists()
    bar.measured(f"{days} days: 7 dailies; the last good one is never removed")
