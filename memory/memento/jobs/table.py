"""Every job: its name, how often it runs, and the function that does it. A new job is one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from memento.jobs import upkeep
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
        Job("hourly-backup", HOUR, upkeep.hourly_backup),
        Job("daily-backup", DAY, upkeep.daily_backup),
        Job("health", HOUR, upkeep.health),
        Job("full-health", DAY, upkeep.full_health),
        Job("cache", HOUR, upkeep.trim_cache),
        Job("consolidation", DAY, upkeep.consolidation),
        Job("checkpoint", HOUR, upkeep.checkpoint),
    )
}
