"""Jobs: what each does, that a failure stays its own, and that they run in the sidecar and without it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec import structs

from memento.backup import BackupDirectory
from memento.base.durable import locked
from memento.base.times import now_ms
from memento.jobs.runner import run_job
from memento.jobs.timetable import DAY, HOUR, JOBS, Job, first_run
from memento.jobs.worker import JobsWorker
from memento.storage import vectors
from memento.storage.jobs import JobState, read_states
from memento.store import MemoryStore
from memento.writes.journal import journal_path

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)


def states(store: MemoryStore) -> dict[str, JobState]:
    with store.database.read() as connection:
        return read_states(connection)


@pytest.mark.parametrize("name", JOBS)
def test_every_job_succeeds_on_a_sound_store(store: MemoryStore, name: str) -> None:
    outcome = run_job(JOBS[name], store)
    assert outcome.succeeded, outcome
    assert states(store)[name].last_success > 0


def test_backups_let_go_of_the_journal(store: MemoryStore) -> None:
    store.remember("The lamp is green.", embed=False)
    for lines in (2, 0):  # its name and the entry, until two backups hold it
        run_job(JOBS["hourly-backup"], store)
        assert len(journal_path(store.path).read_bytes().splitlines()) == lines
    assert len(BackupDirectory(store.path).all()) == 2


def cached(store: MemoryStore, *queries: str) -> list[str]:
    """Return those of these queries whose embedding is in the cache."""
    with store.database.read() as connection:
        return [query for query in queries if vectors.read_cached(connection, "bytes@1", query)]


def cache(store: MemoryStore, query: str, at: int) -> None:
    """Put a query's embedding into the cache, as used at that time."""
    with store.database.write() as connection:
        vectors.write_cached(connection, "bytes@1", query, blob=b"\0" * 64, codes=b"", keep=100)
        connection.execute("UPDATE embedding_cache SET timestamp = ? WHERE rowid = last_insert_rowid()", (at,))


def test_the_cache_job_lets_go_of_the_queries_not_used_for_longest(store: MemoryStore) -> None:
    now, queries = now_ms(), [f"query {number}" for number in range(6)]
    for place in (3, 0, 5, 2, 4, 1):
        cache(store, queries[place], now - 60_000 * (6 - place))
    sizes = structs.replace(store.config.settings.cache, table_size=4)
    settings = structs.replace(store.config.settings, cache=sizes)
    with MemoryStore(store.path, config=replace(store.config, settings=settings)) as small:
        assert run_job(JOBS["cache"], small).text == "2 query embeddings removed"
        assert cached(small, *queries) == queries[2:]
        assert run_job(JOBS["cache"], small).text == "0 query embeddings removed"


def test_a_query_is_cached_also_where_a_clock_was_ahead(store: MemoryStore) -> None:
    for number in range(3):
        cache(store, f"ahead {number}", now_ms() + 86_400_000)
    with store.database.write() as connection:
        vectors.write_cached(connection, "bytes@1", "of today", blob=b"\0" * 64, codes=b"", keep=3)
    assert cached(store, "ahead 0", "ahead 1", "ahead 2", "of today") == ["ahead 1", "ahead 2", "of today"]


@pytest.mark.parametrize("name", ["health", "full-health", "hourly-backup"])
def test_damage_that_a_job_finds_is_healed(store: MemoryStore, name: str) -> None:
    run_job(JOBS["daily-backup"], store)
    with store.database.write() as connection:
        connection.execute("UPDATE memories SET text = 'Rule number 7 of the harbour: sink.' WHERE num = 8")
    outcome = run_job(JOBS[name], store)
    assert "was restored from the backup" in outcome.text
    assert not store.get_recent(1000, since=None)[0].text.endswith("sink.")
    assert run_job(JOBS["full-health"], store).text == "sound"


def test_the_hourly_examination_comes_to_every_row(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memento.health.checks._MIN_SLICE_ROWS", 30)
    with store.database.write() as connection:
        connection.execute("UPDATE memories SET importance = 0.9 WHERE num = 200")
    texts = [run_job(JOBS["health"], store).text for _ in range(7)]
    assert texts[:6] == ["sound"] * 6
    assert "1 row is not what was written" in texts[6]


def test_what_a_job_raises_stays_its_own(store: MemoryStore) -> None:
    def fail(_: MemoryStore) -> str:
        raise ZeroDivisionError("oh")

    assert run_job(Job("bad", HOUR, fail), store) == (False, "ZeroDivisionError: oh")
    assert states(store)["bad"] == (0, "ZeroDivisionError: oh")
    assert run_job(Job("bad", HOUR, lambda _: "fine"), store).succeeded
    assert states(store)["bad"].last_error == ""


def test_one_process_runs_a_job_at_a_time(store: MemoryStore) -> None:
    with locked(store.path.with_name(f"{store.path.name}.cache.lock")):
        assert run_job(JOBS["cache"], store).text == "another process is running it"


@pytest.mark.parametrize(
    ("every", "last", "expected"),
    [
        (HOUR, None, NOW),
        (HOUR, NOW - timedelta(minutes=50), NOW + timedelta(minutes=10)),
        (HOUR, NOW - timedelta(hours=9), NOW - timedelta(hours=8)),
        (HOUR, NOW + timedelta(hours=24), NOW),
        (DAY, NOW - timedelta(hours=11), NOW + timedelta(hours=12)),
        (DAY, NOW - timedelta(hours=13), NOW - timedelta(hours=12)),
    ],
)
def test_when_a_job_is_due(every: timedelta, last: datetime | None, expected: datetime) -> None:
    state = JobState(round(last.timestamp() * 1000) if last else 0)
    assert first_run(Job("x", every, lambda _: ""), state, NOW) == expected


class Stepped:
    """Clocks that a test moves."""

    def __init__(self) -> None:
        self.shown, self.passed = NOW, 0.0

    def wall(self) -> datetime:
        return self.shown

    def seconds(self) -> float:
        return self.passed

    def pass_by(self, seconds: float) -> None:
        self.shown += timedelta(seconds=seconds)
        self.passed += seconds


def test_setting_the_clock_neither_loses_nor_repeats_a_run(store: MemoryStore) -> None:
    clock, runs, said = Stepped(), [], list[str]()
    job = Job("x", HOUR, lambda _: runs.append(clock.passed) or "")  # type: ignore[func-returns-value]
    worker = JobsWorker(store, said.append, {"x": job}, clock)
    worker.plan()
    for jump in (0, -6, 6, 24, -24, 0):
        clock.shown += timedelta(hours=jump)
        for _ in range(4 * 60):
            clock.pass_by(15)
            worker.tick()
    assert len(runs) == 6
    assert max(later - sooner for sooner, later in pairwise(runs)) <= 61 * 60
    clock.pass_by(9 * 3600)  # asleep
    for _ in range(8):
        clock.pass_by(15)
        worker.tick()
    assert len(runs) == 7


def test_a_job_in_hand_does_not_hold_up_the_end_of_the_sidecar(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import time, memento.jobs.worker as worker\n"
        "from datetime import timedelta\n"
        "from memento.jobs.timetable import HOUR, JOBS, Job\n"
        "worker.START_DELAY, worker.TICK_SECONDS = timedelta(0), 0.05\n"
        "def slow(store):\n"
        "    print('slow', flush=True)\n"
        "    with store.database.read() as connection:\n"
        "        while True: connection.execute('SELECT count(*) FROM memories').get; time.sleep(0.001)\n"
        "JOBS['cache'] = Job('cache', HOUR, slow)\n"
        "from pathlib import Path\n"
        "from memento.config import load_config\n"
        "from memento_ingest.sidecar.sidecar import Sidecar\n"
        f"Sidecar(load_config(), [Path({str(tmp_path)!r})], {{}}, print).run()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout
    while (line := process.stdout.readline()) != "slow\n":
        assert line or process.poll() is None
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert time.monotonic() - started < 5


def test_the_thread_ticks_and_ends(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memento.jobs.worker.TICK_SECONDS", 0.01)
    monkeypatch.setattr("memento.jobs.worker.START_DELAY", timedelta(0))
    ran = threading.Event()
    done: Callable[[MemoryStore], str] = lambda _: ran.set() or ""  # type: ignore[func-returns-value]  # noqa: E731
    worker = JobsWorker(store, print, {"x": Job("x", HOUR, done)})
    worker.start()
    assert ran.wait(5)
    worker.stop(5)
    assert not worker._thread.is_alive()
