"""Running one job: by one process at a time, whatever it raises, with its outcome in the table of jobs."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

import apsw

from memento.base.durable import locked
from memento.base.times import now_ms
from memento.errors import MementoError, StoreError
from memento.jobs.table import Job
from memento.storage import jobs
from memento.store import MemoryStore


class Outcome(NamedTuple):
    """What came of a run."""

    succeeded: bool
    text: str


def run(job: Job, store: MemoryStore, at: int | None = None) -> Outcome:
    """Run a job and record how it ended, and when (`at`, Unix milliseconds; now). Nothing it raises gets out."""
    lock = store.path.with_name(f"{store.path.name}.{job.name}.lock")
    began = now_ms() if at is None else at
    try:
        with locked(lock, wait=False):
            text = job.run(store)
    except BlockingIOError:
        return Outcome(True, "another process is running it")
    except (MementoError, OSError, apsw.Error) as error:
        return _failed(job, store, str(error))
    except Exception as error:
        return _failed(job, store, f"{type(error).__name__}: {error}")
    with suppress(StoreError), store.database.write() as connection:
        jobs.record_success(connection, job.name, began)
    return Outcome(True, text)


def _failed(job: Job, store: MemoryStore, problem: str) -> Outcome:
    with suppress(StoreError), store.database.write() as connection:
        jobs.record_failure(connection, job.name, problem)
    return Outcome(False, problem)
