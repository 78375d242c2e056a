"""`schedule` on a clock that does not jump.

schedule asks the wall clock, which people, time servers and daylight saving set forward and back: a jump of hours loses
or repeats runs. Here its jobs ask a clock that is the wall clock's once, at the start, and from then on only counts
seconds, those of sleep included: after a sleep what is overdue runs once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import schedule

_COUNTS_SLEEP: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux has a clock of its own for it; macOS counts sleep in CLOCK_MONOTONIC."""


class Clock(Protocol):
    """Where time comes from."""

    def wall(self) -> datetime:
        """Return the time that the machine shows, UTC."""

    def seconds(self) -> float:
        """Return seconds that have passed since some moment: never set, never going back."""


class MachineClock:
    """The machine's clocks."""

    def wall(self) -> datetime:
        """Return the time that the machine shows, UTC."""
        return datetime.now(UTC)

    def seconds(self) -> float:
        """Return seconds that have passed since the machine started."""
        return time.clock_gettime(_COUNTS_SLEEP)


class MonotonicScheduler(schedule.Scheduler):
    """A scheduler on a clock that was set once."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._began, self._began_seconds = clock.wall(), clock.seconds()

    def now(self) -> datetime:
        """Return the time, UTC: what the wall clock showed at the start, and the seconds since."""
        return self._began + timedelta(seconds=self._clock.seconds() - self._began_seconds)

    def add(self, run: Callable[[], object], first: datetime, following: Callable[[datetime], datetime]) -> None:
        """Run `run` from `first` on; `following` is asked after each run for the next time, given when it began."""
        _MonotonicJob(self, first, following).seconds.do(run)


class _MonotonicJob(schedule.Job):
    """A job of a SteadyScheduler: the two places in which schedule asks the wall clock ask that one."""

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
        """Run it; the next time is counted from now, and decided when it has ended."""
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
