"""The ingest worker: one thread that brings every changed file into the store, fresh ones first.

Files that changed a moment ago are followed live; older ones are the backlog, oldest first, one batch at a time between
two looks at the live ones. A file counts as read only when it was read to its end; whatever fails is tried again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from memento.errors import MementoError
from memento_ingest.batch_ingest import Ingestion
from memento_ingest.discovery import File
from memento_ingest.sidecar.sweep import Changed, Sweep

LIVE_SECONDS: Final = 600
"""A file that changed this recently is being written; others are backlog."""
SLICE_SECONDS: Final = 0.05
"""How long one file is read before the others get their turn: nearly all are read to their end within it."""
OPEN_FILES: Final = 64
"""Live files read in turns. Further ones wait unopened, so that a burst of files cannot use up the descriptors."""


@dataclass(slots=True)
class _Job:
    file: Changed
    steps: Iterator[None]


@dataclass(slots=True)
class CaptureWorker:
    """What is to be read, and its reading, batch by batch."""

    ingestion: Ingestion
    sweep: Sweep
    say: Callable[[str], None]
    problems: dict[Path, str] = field(default_factory=dict)
    """Files that could not be read the last time, and why; each is tried again by every sweep."""
    _live: deque[_Job] = field(default_factory=deque)
    _begun: deque[_Job] = field(default_factory=deque)
    """Live files that need more than one slice; they hold a descriptor each."""
    _fresh_next: bool = True
    _backlog: deque[_Job] = field(default_factory=deque)
    _queued: set[Path] = field(default_factory=set)

    def add(self, files: Iterable[Changed]) -> None:
        """Queue what changed; what is queued already will be seen as it is when its turn comes."""
        recent = time.time_ns() - LIVE_SECONDS * 1_000_000_000
        for file in files:
            if file.path in self._queued:
                continue
            self._queued.add(file.path)
            job = _Job(file, self.ingestion.file(File(file.path, named=False)))
            (self._live if file.signature.modified >= recent else self._backlog).append(job)

    @property
    def waiting(self) -> int:
        """Files queued."""
        return len(self._queued)

    def step(self) -> bool:
        """Commit what a slice of time brings of one file; return False when nothing is queued. Raises StoreError."""
        queue = self._queue()
        if not queue:
            return False
        job = queue.popleft()
        until = time.monotonic() + SLICE_SECONDS
        try:
            for _ in job.steps:
                if time.monotonic() >= until:
                    self._backlog.appendleft(job) if queue is self._backlog else self._begun.append(job)
                    return True
        except OSError as error:
            self._failed(job, error.strerror or str(error))
        except MementoError:
            self._queued.discard(job.file.path)
            raise
        else:
            self._finished(job)
        return True

    def _queue(self) -> deque[_Job]:
        """Return the queue whose turn it is: fresh and begun live files alternate, the backlog comes after them."""
        self._fresh_next = not self._fresh_next
        if self._begun and (self._fresh_next or not self._live or len(self._begun) >= OPEN_FILES):
            return self._begun
        return self._live or self._backlog

    def forget_queue(self) -> None:
        """Drop what is queued: the next sweep finds it again. Called when the policy or the store changed."""
        self._live.clear()
        self._begun.clear()
        self._backlog.clear()
        self._queued.clear()

    def _finished(self, job: _Job) -> None:
        self._queued.discard(job.file.path)
        self.problems.pop(job.file.path, None)
        self.sweep.read(job.file)
        self.ingestion.report.problems.clear()
        self.ingestion.report.unrecognised.clear()

    def _failed(self, job: _Job, problem: str) -> None:
        self._queued.discard(job.file.path)
        if self.problems.get(job.file.path) != problem:
            self.say(f"cannot read {job.file.path}: {problem}; it is tried again")
        self.problems[job.file.path] = problem
