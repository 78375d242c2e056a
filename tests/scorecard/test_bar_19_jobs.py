"""Bar 19: sixty days of sleeps, clocks that are set, daylight saving and jobs that raise: the jobs keep their time."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from memento.config import load_config
from memento.jobs.timetable import DAY, HOUR, Job
from memento.jobs.worker import TICK_SECONDS, JobsWorker
from memento.store import MemoryStore

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar

BEGAN = datetime(2026, 3, 1, 8, tzinfo=UTC)


class Laptop:
    """A machine whose lid is closed, and whose clock is set, as one seed decides."""

    def __init__(self, bar: Bar) -> None:
        self._rng = bar.rng
        self.passed, self.off = 0.0, 0.0
        self.awake_since = 0.0

    @property
    def true(self) -> datetime:
        return BEGAN + timedelta(seconds=self.passed)

    def wall(self) -> datetime:
        return self.true + timedelta(seconds=self.off)

    def seconds(self) -> float:
        return self.passed

    def live(self) -> None:
        """Let one tick pass; now and then much more."""
        self.passed += TICK_SECONDS
        chance = self._rng.random()
        if chance < 1 / 5_000:
            self.passed += self._rng.uniform(600, 40_000)  # sleeps
            self.awake_since = self.passed
        elif chance < 2 / 5_000:
            self.off = self._rng.choice((-86_400.0, 86_400.0, -3_600.0, 3_600.0, 0.0))


def test_sixty_days(bar: Bar, tmp_path: Path) -> None:
    days = bar.count("MEMENTO_DAYS", 10)
    laptop = Laptop(bar)
    hourly: list[tuple[float, float]] = []
    daily: Counter[object] = Counter()
    raised = 0

    def each_hour(_: MemoryStore) -> str:
        hourly.append((laptop.passed, laptop.awake_since))
        return ""

    def each_day(_: MemoryStore) -> str:
        nonlocal raised
        if bar.rng.random() < 0.3:
            raised += 1
            raise RuntimeError("not today")
        daily[laptop.true.date()] += 1
        return ""

    def fails(_: MemoryStore) -> str:
        raise ValueError("always")

    jobs = {job.name: job for job in (Job("h", HOUR, each_hour), Job("d", DAY, each_day), Job("f", HOUR, fails))}
    said: list[str] = []
    awake: Counter[object] = Counter()
    with MemoryStore(tmp_path / "store.db", config=load_config({}, {"MEMENTO_HOME": str(tmp_path)})) as store:
        worker = JobsWorker(store, said.append, jobs, laptop)
        worker.plan()
        while laptop.passed < days * 86_400:
            laptop.live()
            worker.tick()
            awake[laptop.true.date()] += 1
    gaps = [later - max(sooner, since) for (sooner, _), (later, since) in pairwise(hourly)]
    whole_hours = 3 * 3_600 / TICK_SECONDS  # of a day awake, in which retries of one that raised come to an end
    lived = [day for day, ticks in awake.items() if ticks >= 2 * whole_hours]
    assert max(gaps) <= 61 * 60
    assert all(daily[day] <= 1 for day in daily), daily
    missed = [day for day in lived if not daily[day]]
    assert len(missed) <= len(lived) // 50, missed
    assert len(said) >= 1
    bar.measured(
        f"{days} days, {len(hourly):,} hourly runs at most {max(gaps) / 60:.1f} min apart while awake; "
        f"{sum(daily.values())} daily runs, never two of a day; {raised:,} that raised were tried again"
    )
