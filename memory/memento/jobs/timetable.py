"""The timetable: every job's name, interval and function, and when it runs next. A new job is one line here."""

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
    """HOUR: an hour after its last begin. DAY: once each calendar day (UTC)."""
    run: Callable[[MemoryStore], str]
    """Runs the job and returns a sentence about the result. Raises MementoError, OSError."""


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
"""A recorded success further in the future than this was recorded while the clock was wrong."""
RETRY: Final = HOUR


def first_run(job: Job, state: JobState, now: datetime) -> datetime:
    """Return when a job must run, given its state; in the past if it is overdue."""
    latest = (now + CLOCK_TOLERANCE).timestamp() * 1000
    if not 0 < state.last_success <= latest:  # checked first, since it may be any number
        return now
    return next_run(job, datetime.fromtimestamp(state.last_success / 1000, UTC))


def next_run(job: Job, began: datetime, *, succeeded: bool = True) -> datetime:
    """Return when a job runs after a run that began at `began`: an hour later, or when the next day begins."""
    if job.every < DAY:
        return began + job.every
    if not succeeded:
        return began + RETRY
    midnight = began.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + job.every
