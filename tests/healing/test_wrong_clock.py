"""A clock that is wrong is a warning: no damage, no rollback, no backup removed, nothing lost when it is right again.

The processes get another clock through a `sitecustomize` that shifts `time`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from memento.backup import BackupDirectory
from memento.config import load_config
from memento.health import INTEGRITY_CHECKS, CheckContext, run_checks
from memento.jobs.timetable import JOBS
from memento.memory import NewMemory
from memento.storage.capture import Batch
from memento.store import MemoryStore

MEMENTO: Final = Path(sys.executable).with_name("memento")
SHIFT: Final = """
import os, time
by = int(os.environ["SHIFT_SECONDS"])
real, real_ns = time.time, time.time_ns
time.time, time.time_ns = lambda: real() + by, lambda: real_ns() + by * 1_000_000_000
"""
CLOCKS: Final = ("1970-01-01T00:00:05", "2015-06-01T00:00:00", "2044-11-01T00:00:00")


class Machine:
    """A home, and a clock that can be set."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        site = folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(SHIFT)
        self.environment = {
            **{name: os.environ[name] for name in ("PATH",) if name in os.environ},
            "PYTHONPATH": str(site),
            "HOME": str(folder),
            "MEMENTO_HOME": str(self.home),
            "MEMENTO_MODEL_DIR": str(folder / "no-model"),
            "SHIFT_SECONDS": "0",
        }

    def set(self, clock: str = "") -> None:
        """Set the clock; empty sets it right."""
        shown = datetime.fromisoformat(clock).replace(tzinfo=UTC).timestamp() if clock else 0
        self.environment["SHIFT_SECONDS"] = str(round(shown - datetime.now(UTC).timestamp()) if clock else 0)

    def run(self, *arguments: str | Path, code: int = 0) -> str:
        done = subprocess.run(
            [MEMENTO, *arguments], env=self.environment, capture_output=True, timeout=60, check=False, text=True
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    def levels(self) -> dict[str, list[str]]:
        found = json.loads(self.run("doctor", "--json", code=4))
        levels = ("ok", "advice", "broken")
        return {level: [one["check"] for one in found if one["level"] == level] for level in levels}

    @property
    def directory(self) -> BackupDirectory:
        return BackupDirectory(self.home / "memory.db")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def _talk(path: Path, *texts: str) -> Path:
    records = [{"role": "user", "content": text, "timestamp": "2026-03-04T10:00:00Z"} for text in texts]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_store_under_a_wrong_clock_is_sound(machine: Machine, tmp_path: Path, clock: str) -> None:
    talk = _talk(tmp_path / "talk.jsonl", "We decided that the harbor service keeps its queue in Postgres.")
    machine.run("ingest", talk)
    for _ in range(2):
        machine.run("backup")
        machine.run("jobs", "run", "daily-backup")
    before = {one.path for one in machine.directory.all()}

    machine.set(clock)
    _talk(
        talk,
        "We decided that the harbor service keeps its queue in Postgres.",
        "We decided on Go for the anchor service.",
    )
    machine.run("ingest", talk)
    machine.run("remember", "The lantern service is retired in May.")
    for _ in range(2):
        machine.run("jobs", "run", *JOBS)
    machine.run("backup")
    assert machine.levels()["broken"] == []
    assert "clock" in machine.levels()["advice"] or clock.startswith("2044")

    machine.set()
    assert before - {one.path for one in machine.directory.all()} <= set(_same_day(before))
    machine.run("jobs", "run", *JOBS)
    assert machine.levels()["broken"] == []
    assert not list(machine.home.glob("*.damaged-*"))
    texts = {one["text"] for one in json.loads(machine.run("recent", "--json"))}
    assert len(texts) == 3
    machine.run("remember", "Said after the clock was right again.")
    machine.run("backup")
    machine.run("restore", "--latest")
    assert {one["text"] for one in json.loads(machine.run("recent", "--json"))} == {
        *texts,
        "Said after the clock was right again.",
    }


def _same_day(paths: set[Path]) -> list[Path]:
    """Return the daily backups that a later one of the same day took the place of."""
    daily = sorted(path for path in paths if path.name.endswith("-daily.db.zst"))
    return daily[:-1]


def test_what_a_clock_of_2044_stored_is_named(machine: Machine) -> None:
    machine.set("2044-11-01T00:00:00")
    machine.run("remember", "The lantern service is retired in May.")
    machine.run("backup")
    machine.set()
    found = {
        one["check"]: one for one in json.loads(machine.run("doctor", "--json", code=4)) if one["check"] == "clock"
    }
    assert found["clock"]["level"] == "advice"
    assert "clock has not reached" in found["clock"]["text"]


@pytest.mark.parametrize("stored_at", [0, 1, 1_000_000_000_000, 4_000_000_000_000, 200_000_000_000_000])
def test_no_time_of_storing_is_damage(tmp_path: Path, stored_at: int) -> None:
    with MemoryStore(tmp_path / "memory.db", config=load_config({}, {"MEMENTO_HOME": str(tmp_path)})) as store:
        store.commit(Batch(None, [NewMemory("0" * 32, "The pier is closed.", 5, "test")]))
        with store.database.write() as connection:
            connection.execute("UPDATE memories SET ingested_at = ?", (stored_at,))
        found: list[Any] = run_checks(CheckContext(store.database, store.config), INTEGRITY_CHECKS)
        assert [one for one in found if one.level != "ok"] == []
