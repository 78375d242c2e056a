"""The sidecar's workers under supervision: what ended is started again, and a file beside the store says so.

A file, and not the store or the socket, since either may be what fails. It is there only while there is something to
tell, and holds for the process that holds the sidecar's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from memento.base import durable
from memento.base.worker_thread import Failures, WorkerState
from memento_ingest.sidecar.lock import holder

CAPTURE: Final = "capture"
EMBEDDING: Final = "embedding"
JOBS: Final = "jobs"
SERVER: Final = "server"
REQUESTS: Final = "requests"
EVENTS: Final = "events"
WORKERS: Final = (CAPTURE, EMBEDDING, JOBS, SERVER, REQUESTS, EVENTS)


class _Report(msgspec.Struct, frozen=True):
    process: int
    workers: tuple[WorkerState, ...]


class Supervision:
    """The failures of every worker, and what starts them again."""

    def __init__(self, database: Path, process: int, say: Callable[[str], None]) -> None:
        self._path, self._process = report_path(database), process
        self._failures = {name: Failures(name, say) for name in WORKERS}
        self._told: tuple[WorkerState, ...] = ()
        self._tended: tuple[Callable[[], None], ...] = ()

    def __getitem__(self, name: str) -> Failures:
        return self._failures[name]

    def begin(self, *tended: Callable[[], None]) -> None:
        """Supervise from now on; each of `tended` starts a worker again that has ended."""
        self._tended = tended
        self.end()

    def tend(self) -> None:
        """Start again what has ended and whose pause is over, and keep the report up to date."""
        for tend in self._tended:
            tend()
        states = self.states()
        if states != self._told:
            with suppress(OSError):  # a full disk: tried again by the next call
                durable.replace(self._path, msgspec.json.encode(_Report(self._process, states)))
                self._told = states

    def states(self) -> tuple[WorkerState, ...]:
        """Return the state of every worker that has ever failed."""
        return tuple(state for one in self._failures.values() if (state := one.state).error)

    def end(self) -> None:
        """Remove the report: it is about this process."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def report_path(database: Path) -> Path:
    """Return the file that says which workers of the store's sidecar have failed."""
    return database.with_name(database.name + ".workers.json")


def failed_workers(database: Path) -> tuple[WorkerState, ...]:
    """Return the workers of the running sidecar that have failed since it was started; none where none runs."""
    with suppress(OSError, msgspec.DecodeError):
        report = msgspec.json.decode(report_path(database).read_bytes(), type=_Report)
        if report.process == holder(database):
            return report.workers
    return ()
