"""Bar 11: the disk is full, or fails, at the Nth write: no corruption, no crash, and it goes on when space returns."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest

from memento.base.identity import memory_id
from memento.config import load_config
from memento.errors import StoreError
from memento.health import INTEGRITY_CHECKS, CheckContext, run_checks
from memento.memory import NewMemory
from memento.storage.capture import Batch
from memento.storage.sources import LedgerKey, SourceState, Tally
from memento.store import MemoryStore

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar, Disk

ROUNDS = 12


@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError])
def test_at_every_nth_write(bar: Bar, disk: Disk, error: type[apsw.Error], tmp_path: Path) -> None:
    last = bar.count("MEMENTO_FAULTS", 120)
    config = load_config({}, {"MEMENTO_HOME": str(tmp_path)})
    clean = tmp_path / "clean.db"
    MemoryStore(clean, config=config).close()
    refused, slowest = 0, 0.0
    for nth in range(1, last + 1, 1 if bar.soak else last // 12):
        path = tmp_path / "store.db"
        for left in tmp_path.glob("store.db*"):
            left.unlink()
        shutil.copy(clean, path)
        with disk.failing(path.parent, nth, error):
            store = MemoryStore(path, config=config)
            said, captured, failures = _live(store, disk)
            disk.heal()
            began = time.monotonic()
            said.add(store.remember("Said when there was space again.", embed=False))
            slowest = max(slowest, time.monotonic() - began)
            captured = _capture(store, captured)
            refused += failures
            store.close()
        with MemoryStore(path, config=config) as store:
            found = [
                one.text
                for one in run_checks(CheckContext(store.database, config), INTEGRITY_CHECKS)
                if one.level == "broken"
            ]
            assert found == [], nth
            memories = store.get_recent(10_000)
            assert said <= {memory.id for memory in memories}, nth
            assert sum(memory.source == "tail" for memory in memories) == captured, nth
    assert refused > 0
    bar.holds(
        f"{error.__name__} at each of {last} writes, {refused:,} refused: longest until it went on", slowest, 5, "s", 5
    )


def _live(store: MemoryStore, disk: Disk) -> tuple[set[str], int, int]:
    said: set[str] = set()
    captured = failures = 0
    for number in range(ROUNDS):
        try:
            captured = _capture(store, captured)
            said.add(store.remember(f"Said in round {number}. " + "x" * 2_000, embed=False))
            if number % 4 == 3:
                store.database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except (StoreError, apsw.Error):  # of the checkpoint, which the test does itself, SQLite's own
            failures += 1
    return said, captured, failures


def _capture(store: MemoryStore, captured: int) -> int:
    rows = [NewMemory(memory_id("tail", str(n)), f"Line {n}. " * 30, 1, "tail") for n in range(captured, captured + 10)]
    tally = {LedgerKey("stored", "turn"): Tally(10, 10)}
    store.commit(Batch(SourceState("tail", "test", offset=captured + 10), rows, tally))
    return captured + 10
