"""Runs one job: in one process at a time, recording its outcome, and catching whatever it raises."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

import apsw

from memento.base.durable import locked
from memento.base.times import now_ms
from memento.errors import MementoError, StoreError
from memento.jobs.timetable import Job
from memento.storage import jobs
from memento.store import MemoryStore


class JobOutcome(NamedTuple):
    """The outcome of a run."""

    succeeded: bool
    text: str


def run_job(job: Job, store: MemoryStore, at: int | None = None) -> JobOutcome:
    """Run a job, record its outcome and time (`at`, Unix milliseconds; default: now), and never raise its errors."""
    lock = store.path.with_name(f"{store.path.name}.{job.name}.lock")
    began = now_ms() if at is None else at
    try:
        with locked(lock, wait=False):
            text = job.run(store)
    except BlockingIOError:
        return JobOutcome(True, "another process is running it")
    except (MementoError, OSError, apsw.Error) as error:
        return _record_failure(job, store, str(error))
    except Exception as error:
        return _record_failure(job, store, f"{type(error).__name__}: {error}")
    with suppress(StoreError), store.database.write() as connection:
        jobs.record_success(connection, job.name, began)
    return JobOutcome(True, text)


def _record_failure(job: Job, store: MemoryStore, problem: str) -> JobOutcome:
    with suppress(StoreError), store.database.write() as connection:
        jobs.record_failure(connection, job.name, problem)
    return JobOutcome(False, problem)
