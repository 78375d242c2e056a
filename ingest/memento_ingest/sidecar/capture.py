"""The ingest worker: one thread that brings every changed file into the store, fresh ones first.

Files that changed a moment ago are followed live; older ones are the backlog, oldest first, and wait for the live ones.
What a slice of time brings, of one file or of hundreds of small ones, is one transaction. A file counts as read only
when it was read to its end and that is committed; whatever fails is tried again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from memento.base.times import now_ms
from memento.errors import MementoError
from memento.storage.capture import Batch
from memento_ingest.batch_ingest import Ingestion
from memento_ingest.discovery import File
from memento_ingest.group import Group
from memento_ingest.sidecar.sweep import Changed, Sweep
from memento_ingest.span import LOOK_AGAIN

LIVE_SECONDS: Final = 600
"""A file that changed this recently is being written; others are backlog."""
SLICE_SECONDS: Final = 0.05
"""How long is read before it is committed: nearly every file is read to its end within it, or many small ones."""
OPEN_FILES: Final = 64
"""Live files read in turns. Further ones wait unopened, so that a burst of files cannot use up the descriptors."""


@dataclass(slots=True)
class _Job:
    file: Changed
    is_live: bool
    batches: Iterator[Batch] | None = None
    """What is left to be read of it, once that has begun."""
    look_again: int | None = None
    """When it is to be read again though nothing in it changed, Unix milliseconds."""


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
            is_live = file.signature.latest >= recent
            (self._live if is_live else self._backlog).append(_Job(file, is_live))

    @property
    def waiting(self) -> int:
        """Files queued."""
        return len(self._queued)

    def step(self) -> bool:
        """Commit what a slice of time brings, of one file or of many small ones; return False when nothing is queued.

        Raises StoreError; what is queued is dropped then, the next sweep finds it again.
        """
        if not (self._live or self._begun or self._backlog):
            return False
        group = self.ingestion.group()
        until = time.monotonic() + SLICE_SECONDS
        taken: list[tuple[_Job, bool]] = []
        try:
            while job := self._next(group):
                taken.append((job, self._read(job, group, until)))
                if group.full or time.monotonic() >= until:
                    break
            refused, moved = group.commit()
        except MementoError:
            self.forget_queue()
            raise
        for job, ended in taken:
            if job.file.path in moved:
                self._dequeue(job.file.path)
                self._live.append(_Job(job.file, job.is_live))
            elif ended and job.file.path not in refused:
                self._finished(job)
        for path, problem in refused.items():
            self._dequeue(path)  # its offset must not pass what is missing
            self._failed(path, problem)
        return True

    def _next(self, group: Group) -> _Job | None:
        """Take the next job from its queue, unless the group holds its file under another name."""
        queue = self._queue()
        if not queue or group.holds(queue[0].file.signature.device, queue[0].file.signature.inode):
            return None
        return queue.popleft()

    def _read(self, job: _Job, group: Group, until: float) -> bool:
        """Read a file into the group; return whether it was read to its end. What is left gets its turn later."""
        if job.batches is None:
            job.batches = self.ingestion.file(File(job.file.path, named=False))
        try:
            for batch in job.batches:
                group.add(job.file.path, batch)
                job.look_again = batch.source.state.get(LOOK_AGAIN) if batch.source else None
                if group.full or time.monotonic() >= until:
                    self._begun.append(job) if job.is_live else self._backlog.appendleft(job)
                    return False
        except OSError as error:
            self._failed(job.file.path, error.strerror or str(error))
            return False
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
        waits = None if job.look_again is None else max(0.0, (job.look_again - now_ms()) / 1000)
        self.sweep.read(job.file, waits)
        self.ingestion.report.problems.clear()
        self.ingestion.report.unrecognised.clear()
        self.ingestion.report.without_messages.clear()

    def _dequeue(self, path: Path) -> None:
        """Read no further of a file that was begun and not written."""
        for queue in (self._begun, self._backlog):
            for job in [job for job in queue if job.file.path == path]:
                queue.remove(job)

    def _failed(self, path: Path, problem: str) -> None:
        self._queued.discard(path)
        if self.problems.get(path) != problem:
            self.say(self.ingestion.redacted(f"cannot read {path}: {problem}; it is tried again"))
        self.problems[path] = problem
