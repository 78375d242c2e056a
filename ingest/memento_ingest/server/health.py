"""How the sidecar does, told by outcomes: what has not been read, embedded or understood, and for how long."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from memento import __version__
from memento.backup import BackupDirectory
from memento.base.filesystem import kind_of
from memento.base.worker_thread import WorkerState
from memento.store import MemoryStore
from memento_ingest.events import spool
from memento_ingest.unread import STALLED_SECONDS, waiting_in

_MAX_PROBLEMS: Final = 50


class Watching(NamedTuple):
    """What only the sidecar's own loop knows."""

    queued: int = 0
    """Files that wait to be read."""
    problems: Mapping[str, str] = {}
    """Files and folders that cannot be read, and why."""
    overflows: int = 0
    """Times that file events were lost and a full sweep took over."""
    workers: tuple[WorkerState, ...] = ()
    """Those that have failed since the sidecar was started."""


@dataclass(frozen=True, slots=True)
class Health:
    """The answer of `GET /health`."""

    status: str
    """`ok`, or `degraded` when there are problems."""
    problems: tuple[str, ...]
    version: str
    sqlite_version: str
    filesystem: str
    """The kind of file system under the database; empty where the system does not tell."""
    process: int
    uptime_seconds: float
    memories: int
    pending_embeddings: int
    model: str
    """Empty: none is installed, search is by words."""
    quarantined: int
    sources: int
    unread_bytes: int
    oldest_unread_seconds: float
    """How long ago the source changed that has waited longest; 0 = all is read."""
    queued_files: int
    event_overflows: int
    spool_bytes: int
    database_bytes: int
    backup_age_seconds: float | None
    """How long ago the last backup was taken and proven; None = never."""
    workers: tuple[dict[str, Any], ...] = ()
    """The workers that an error has ended, with how often each was started again and what ended it last."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON-serialisable form."""
        return {**asdict(self), "problems": list(self.problems), "workers": list(self.workers)}


class Checkup:
    """Takes the sidecar's pulse. Call it in a worker thread: it asks the database and the file system."""

    def __init__(self, store: MemoryStore, watching: Callable[[], Watching]) -> None:
        self._store, self._watching = store, watching
        self._started = time.monotonic()

    def __call__(self) -> Health:
        """Look at everything now. Raises StoreError."""
        import apsw

        stats, watching = self._store.stats(), self._watching()
        unread = waiting_in(self._store.progress(), self._store.source)
        problems = [f"not read for over {STALLED_SECONDS} s: {path}" for path in unread.paths]
        problems += [f"cannot read {path}: {why}" for path, why in watching.problems.items()]
        problems += [state.text for state in watching.workers if state.broken or not state.running]
        if not stats.model:
            problems.append("no model is installed, so nothing is found by meaning: run `memento model pull`")
        return Health(
            status="degraded" if problems else "ok",
            problems=tuple(problems[:_MAX_PROBLEMS]),
            version=__version__,
            sqlite_version=apsw.sqlite_lib_version(),
            filesystem=kind_of(self._store.path),
            process=os.getpid(),
            uptime_seconds=round(time.monotonic() - self._started, 1),
            memories=stats.memories,
            pending_embeddings=self._store.pending(),
            model=stats.model,
            quarantined=stats.quarantined,
            sources=stats.sources,
            unread_bytes=unread.size,
            oldest_unread_seconds=unread.seconds,
            queued_files=watching.queued,
            event_overflows=watching.overflows,
            spool_bytes=sum(_size(folder) for folder in spool.folders(self._store.config.home)),
            database_bytes=stats.bytes,
            backup_age_seconds=_backup_age(self._store.path),
            workers=tuple(msgspec.structs.asdict(state) for state in watching.workers),
        )


def _backup_age(database: Path) -> float | None:
    """Return the age in seconds of the newest backup; each was read back before it got its name."""
    backups = BackupDirectory(database).all()
    return round(max(0.0, time.time() - backups[0].manifest.at / 1000), 1) if backups else None


def _size(folder: Path) -> int:
    total = 0
    with suppress(OSError):
        for path in folder.iterdir():
            with suppress(OSError):
                total += path.stat().st_size
    return total
