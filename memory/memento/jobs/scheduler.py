"""`schedule` on a monotonic clock.

schedule uses the wall clock, which people, time servers and daylight saving change: a jump of hours skips or repeats
runs. Here jobs use a clock that reads the wall clock once, at the start, and then counts seconds, including time
asleep: after a sleep, an overdue job runs once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import schedule

_COUNTS_SLEEP: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux counts sleep in CLOCK_BOOTTIME, macOS in CLOCK_MONOTONIC."""


class Clock(Protocol):
    """A source of time."""

    def wall(self) -> datetime:
        """Return the time that the machine shows, UTC."""

    def seconds(self) -> float:
        """Return the seconds since a fixed moment; never goes back."""


class MachineClock:
    """The machine's clocks."""

    def wall(self) -> datetime:
        """Return the time that the machine shows, UTC."""
        return datetime.now(UTC)

    def seconds(self) -> float:
        """Return seconds that have passed since the machine started."""
        return time.clock_gettime(_COUNTS_SLEEP)


class MonotonicScheduler(schedule.Scheduler):
    """A scheduler whose clock is set once."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._began, self._began_seconds = clock.wall(), clock.seconds()

    def now(self) -> datetime:
        """Return the time, UTC: the wall clock at the start plus the seconds since."""
        return self._began + timedelta(seconds=self._clock.seconds() - self._began_seconds)

    def add(self, run: Callable[[], object], first: datetime, following: Callable[[datetime], datetime]) -> None:
        """Call `run` at `first`, and after each run at `following(begin of that run)`."""
        _MonotonicJob(self, first, following).seconds.do(run)


class _MonotonicJob(schedule.Job):
    """A job of a MonotonicScheduler; overrides the two places where schedule reads the wall clock."""

    def __init__(
        self, scheduler: MonotonicScheduler, first: datetime, following: Callable[[datetime], datetime]
    ) -> None:
        super().__init__(1, scheduler)
        self._scheduler, self._following = scheduler, following
        self._due = first
        self._began: datetime | None = None

    @property
    def should_run(self) -> bool:
        """Tell whether its time has come."""
        return self._scheduler.now() >= self._due

    def run(self) -> Any:
        """Run the job; its next time depends on when it began, and is decided when it has ended."""
        self._began = self._scheduler.now()
        try:
            return super().run()  # type: ignore[no-untyped-call]
        except BaseException:
            self._schedule_next_run()
            raise

    def _schedule_next_run(self) -> None:
        if self._began is not None:
            self._due = self._following(self._began)
        self.next_run = self._due.replace(tzinfo=None)
