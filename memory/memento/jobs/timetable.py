"""When a job runs next, from when it last succeeded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from memento.jobs.table import DAY, HOUR, Job
from memento.storage.jobs import JobState

EARLY: Final = timedelta(minutes=1)
"""A success in the future by more than this was noted while the clock was wrong."""
RETRY: Final = HOUR


def due(job: Job, state: JobState, now: datetime) -> datetime:
    """Return when a job is to run that last succeeded as `state` says; in the past when it is overdue."""
    latest = (now + EARLY).timestamp() * 1000
    if not 0 < state.last_success <= latest:  # before a datetime is made: it may be any number
        return now
    return following(job, datetime.fromtimestamp(state.last_success / 1000, UTC))


def following(job: Job, began: datetime, *, succeeded: bool = True) -> datetime:
    """Return when a job runs again whose run began then: after an hour, or when the next day has begun."""
    if job.every < DAY:
        return began + job.every
    if not succeeded:
        return began + RETRY
    midnight = began.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + job.every
