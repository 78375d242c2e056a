"""Every job: its name, how often it runs, and the function that does it. A new job is one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from memento.jobs import tasks
from memento.storage.jobs import JobState
from memento.store import MemoryStore

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Job:
    """One job."""

    name: str
    every: timedelta
    """An hour: so long after it began last. A day: once each calendar day (UTC)."""
    run: Callable[[MemoryStore], str]
    """Does it and returns what came of it, in words. Raises MementoError, OSError."""


JOBS: Final[Mapping[str, Job]] = {
    job.name: job
    for job in (
        Job("hourly-backup", HOUR, tasks.back_up_hourly),
        Job("daily-backup", DAY, tasks.back_up_daily),
        Job("health", HOUR, tasks.check_slice),
        Job("full-health", DAY, tasks.check_all),
        Job("cache", HOUR, tasks.trim_cache),
        Job("consolidation", DAY, tasks.consolidate_store),
        Job("checkpoint", HOUR, tasks.checkpoint),
    )
}


CLOCK_TOLERANCE: Final = timedelta(minutes=1)
"""A success in the future by more than this was noted while the clock was wrong."""
RETRY: Final = HOUR


def first_run(job: Job, state: JobState, now: datetime) -> datetime:
    """Return when a job is to run that last succeeded as `state` says; in the past when it is overdue."""
    latest = (now + CLOCK_TOLERANCE).timestamp() * 1000
    if not 0 < state.last_success <= latest:  # before a datetime is made: it may be any number
        return now
    return next_run(job, datetime.fromtimestamp(state.last_success / 1000, UTC))


def next_run(job: Job, began: datetime, *, succeeded: bool = True) -> datetime:
    """Return when a job runs again whose run began then: after an hour, or when the next day has begun."""
    if job.every < DAY:
        return began + job.every
    if not succeeded:
        return began + RETRY
    midnight = began.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + job.every
