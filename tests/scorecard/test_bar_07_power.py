"""Bar 7: the power goes at any moment, and the process is killed at every named place: nothing acknowledged is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from memento.base.identity import memory_id
from memento.config import load_config
from memento.health import INTEGRITY_CHECKS, CheckContext, run_checks
from memento.memory import NewMemory
from memento.storage.capture import Batch
from memento.storage.sources import LedgerKey, SourceState, Tally
from memento.store import MemoryStore
from memento.writes.journal import journal_path

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar, Disk

POINTS = (
    "commit.before", "commit.after", "journal.written", "backup.copied", "backup.checked", "backup.compressing",
    "publish.synced", "publish.renamed", "migration", "rollback.prepared", "swap.begun", "swap.aside", "swap.cleared",
    "swap.placed", "rollback.swapped",
)  # fmt: skip


class Acknowledged(NamedTuple):
    """What a caller knows to be stored, and when it was told so."""

    operation: int
    journal: bytes
    """What the journal holds on the disk."""
    said: frozenset[str]
    unsaid: frozenset[str]


class Life:
    """A store in use: captured lines with their offset, memories said and taken back, checkpoints."""

    def __init__(self, bar: Bar, store: MemoryStore, disk: Disk) -> None:
        self._rng, self._store, self._disk = bar.rng, store, disk
        self.captured = 0
        self._said: dict[str, str] = {}
        self._unsaid: set[str] = set()
        self.acknowledged: list[Acknowledged] = []
        self._note()

    def go_on(self) -> None:
        chance = self._rng.random()
        if chance < 0.5:
            self._capture(self._rng.randrange(1, 30))
        elif chance < 0.8:
            text = (
                f"Memory number {len(self._said) + len(self._unsaid)} was said by hand. "
                + "x" * self._rng.randrange(3000)
            )
            self._said[self._store.remember(text, embed=False)] = text
        elif chance < 0.9 and self._said:
            gone = self._rng.choice(sorted(self._said))
            self._store.delete(gone)
            self._unsaid.add(self._said.pop(gone))
        else:
            self._store.database.connection.execute(
                f"PRAGMA wal_checkpoint({self._rng.choice(('PASSIVE', 'FULL', 'TRUNCATE'))})"
            )
        self._note()

    def _capture(self, count: int) -> None:
        rows = [
            NewMemory(memory_id("tail", str(n)), f"Captured line {n}. " + "y" * self._rng.randrange(800), 1, "tail")
            for n in range(self.captured, self.captured + count)
        ]
        self.captured += count
        tally = {LedgerKey("stored", "turn"): Tally(count, count)}
        self._store.commit(Batch(SourceState("tail", "test", offset=self.captured), rows, tally))

    def _note(self) -> None:
        journal = journal_path(self._store.path)
        content = journal.read_bytes() if journal.exists() else b""
        known = frozenset(self._said.values()), frozenset(self._unsaid)
        self.acknowledged.append(Acknowledged(len(self._disk.operations), content, *known))


def test_the_power_goes(bar: Bar, disk: Disk, tmp_path: Path) -> None:
    images, lives = bar.count("MEMENTO_POWER_IMAGES", 60), bar.count("MEMENTO_POWER_LIVES", 2)
    config = load_config({}, {"MEMENTO_HOME": str(tmp_path)})
    for number in range(lives):
        path = tmp_path / f"life{number}" / "store.db"
        MemoryStore(path, config=config).close()
        with disk.recording(path.parent):
            store = MemoryStore(path, config=config)
            life = Life(bar, store, disk)
            for _ in range(60):
                life.go_on()
        for _ in range(images // lives):
            cut = bar.rng.randrange(1, len(disk.operations) + 1)
            _check(bar, disk, life, cut, tmp_path / "image" / "store.db")
        store.close()
    bar.measured(f"{images:,} images of power cuts: 0 corrupt, offset = rows, 0 acknowledged writes lost")


def _check(bar: Bar, disk: Disk, life: Life, cut: int, path: Path) -> None:
    shutil.rmtree(path.parent, ignore_errors=True)
    path.parent.mkdir()
    for name, content in disk.image(cut, bar.rng).items():
        (path.parent / name).write_bytes(content)
    index = max(i for i, one in enumerate(life.acknowledged) if one.operation <= cut)
    known = life.acknowledged[index]
    later = life.acknowledged[min(index + 1, len(life.acknowledged) - 1)]
    if later.journal.startswith(known.journal):  # what was not flushed yet is there, or a part of it, or not
        journal = later.journal[: bar.rng.randint(len(known.journal), len(later.journal))]
    else:  # forgetting puts another file in its place
        journal = bar.rng.choice((known.journal, later.journal))
    if journal:
        journal_path(path).write_bytes(journal)
    with MemoryStore(path, config=life._store.config) as store:
        damage = [
            one.text
            for one in run_checks(CheckContext(store.database, store.config), INTEGRITY_CHECKS)
            if one.level == "broken"
        ]
        assert damage == []
        texts = {memory.text for memory in store.get_recent(10_000)}
        source = store.source("tail")
        captured = [text for text in texts if text.startswith("Captured")]
        assert len(captured) == (source.offset if source else 0)
        assert known.said - later.unsaid <= texts, "an acknowledged memory is lost"
        assert not (known.unsaid & texts), "a forgotten memory is back"


AT_A_POINT = """
import sys
from pathlib import Path
from memento.backup import BackupDirectory, create
from memento.config import load_config
from memento.jobs.tasks import back_up_hourly
from memento.restore.rollback import candidate_backups, roll_back
from memento.store import MemoryStore
with MemoryStore() as store:
    for number in range(3):
        kept = store.remember(f"{sys.argv[1]} {number}", embed=False)
        print(f"{sys.argv[1]} {number}", flush=True)
    back_up_hourly(store)
    path = store.path
roll_back(path, "a test", candidate_backups(path))
"""


@pytest.mark.parametrize("point", POINTS)
def test_killed_at(bar: Bar, point: str, tmp_path: Path) -> None:
    kills = bar.count("MEMENTO_POINT_KILLS", 1)
    environment = {**os.environ, "MEMENTO_HOME": str(tmp_path), "MEMENTO_MODEL_DIR": str(tmp_path / "no-model")}
    config = load_config({}, environment)
    with MemoryStore(config=config) as store:
        store.remember("Said at first.")
    wanted = {"Said at first."}
    for number in range(kills):
        if point == "migration":
            _age(config.db_path)
        times = bar.rng.randint(1, 3) if point in ("commit.before", "commit.after", "journal.written") else 1
        done = subprocess.run(
            [sys.executable, "-c", AT_A_POINT, f"Run {number}:"],
            env={**environment, "MEMENTO_KILL_AT": f"{point}:{times}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        wanted |= set(done.stdout.splitlines())
        with MemoryStore(config=config) as store:
            damage = [
                one
                for one in run_checks(CheckContext(store.database, config), INTEGRITY_CHECKS)
                if one.level == "broken"
            ]
            assert damage == []
            assert wanted <= {memory.text for memory in store.get_recent(10_000)}
    if point == POINTS[-1]:
        bar.measured(f"{kills:,} kills at each of {len(POINTS)} points")


def _age(path: Path) -> None:
    """Make the store one of the first schema: take away what later ones added."""
    import apsw

    from memento.storage.migrations import MIGRATIONS

    names = "SELECT type, name FROM sqlite_schema WHERE type IN ('trigger', 'table') ORDER BY type DESC"
    columns = (
        "SELECT m.name, c.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c "
        "WHERE m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL%'"
    )
    made = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' OR sql LIKE 'CREATE VIRTUAL%' ORDER BY type"
    with closing(apsw.Connection(":memory:")) as first, closing(apsw.Connection(str(path))) as connection:
        first.execute(MIGRATIONS[0])
        for (trigger,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("DROP TABLE memories_vocabulary")
        connection.execute("DROP TABLE memories_fts")
        for kind, name in sorted(set(connection.execute(names)) - set(first.execute(names)), reverse=True):
            connection.execute(f"DROP {kind} {name}")
        for table, column in set(connection.execute(columns)) - set(first.execute(columns)):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        for (sql,) in first.execute(made):
            connection.execute(sql)
        connection.execute("INSERT INTO memories_fts (memories_fts) VALUES ('rebuild')")
        connection.execute("DELETE FROM meta WHERE key = 'store'")
        connection.pragma("user_version", 1)
