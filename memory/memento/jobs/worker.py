"""The jobs' thread, so that long jobs do not block the capturing thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from memento.base.worker_thread import Failures, WorkerThread, describe_error
from memento.errors import StoreError
from memento.jobs.runner import run_job
from memento.jobs.scheduler import Clock, MachineClock, MonotonicScheduler
from memento.jobs.timetable import JOBS, Job, first_run, next_run
from memento.storage import jobs
from memento.store import MemoryStore

TICK_SECONDS: Final = 15.0
START_DELAY: Final = timedelta(seconds=30)
"""Delay of jobs that are overdue at the start, when the process is busy."""


class JobsWorker:
    """Runs the jobs of one store on schedule, in its own thread."""

    def __init__(
        self,
        store: MemoryStore,
        say: Callable[[str], None],
        jobs: Mapping[str, Job] = JOBS,
        clock: Clock | None = None,
        failures: Failures | None = None,
    ) -> None:
        self._store, self._say, self._jobs = store, say, jobs
        self._clock = clock or MachineClock()
        self._scheduler = MonotonicScheduler(self._clock)
        self._stopping = threading.Event()
        self._failing: dict[str, str] = {}
        self._thread = WorkerThread(self._run, failures or Failures("jobs", say))

    def start(self) -> None:
        """Start the thread; overdue jobs run after START_DELAY."""
        self.plan()
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Stop after the current job, waiting at most `seconds`; an interrupted job leaves nothing half done."""
        self._stopping.set()
        self._thread.stop(seconds)

    def tend(self) -> None:
        """Restart the thread if it has ended."""
        self._thread.tend()

    def plan(self) -> None:
        """Schedule the first run of every job."""
        try:
            with self._store.database.read() as connection:
                states = jobs.read_states(connection)
        except StoreError:
            states = {}
        now = self._scheduler.now()
        for job in self._jobs.values():
            first = max(first_run(job, states.get(job.name, jobs.JobState()), now), now + START_DELAY)
            self._scheduler.add(partial(self._once, job), first, partial(self._next, job))

    def tick(self) -> None:
        """Run the jobs that are due."""
        self._scheduler.run_pending()

    def _run(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            self.tick()

    def _once(self, job: Job) -> None:
        try:
            outcome = run_job(job, self._store, round(self._clock.wall().timestamp() * 1000))
        except BaseException as error:
            self._failing[job.name] = describe_error(error)  # so that it is retried later and does not block other jobs
            raise
        if self._stopping.is_set():
            return
        if outcome.succeeded:
            self._failing.pop(job.name, None)
        elif self._failing.get(job.name) != outcome.text:
            self._failing[job.name] = outcome.text
            self._say(f"job {job.name} failed and is tried again within the hour: {outcome.text}")

    def _next(self, job: Job, began: datetime) -> datetime:
        return next_run(job, began, succeeded=job.name not in self._failing)
