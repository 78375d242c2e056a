"""One sidecar per store, by flock: the kernel releases the lock whatever way the process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from memento.errors import MementoError
from memento.storage import swap


class AlreadyRunning(MementoError):
    """Another sidecar holds this store."""


def lock_path(database: Path) -> Path:
    """Return the lock file that belongs to a database file."""
    return database.with_name(database.name + ".watch.lock")


class SoleInstance:
    """The lock of a store's one sidecar."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._descriptor = _locked(database)

    def renew(self) -> None:
        """Lock the file that stands there now, where the locked one has been deleted. Raises AlreadyRunning."""
        held = os.fstat(self._descriptor)
        if swap.identity(lock_path(self._database)) == (held.st_dev, held.st_ino):
            return
        before, self._descriptor = self._descriptor, _locked(self._database)
        os.close(before)

    def release(self) -> None:
        """Let another sidecar begin. The file stays: removing it would let two processes lock two different files."""
        os.close(self._descriptor)


@contextmanager
def sole_instance(database: Path) -> Iterator[SoleInstance]:
    """Hold the store's sidecar lock. Raises AlreadyRunning, naming the process that holds it."""
    lock = SoleInstance(database)
    try:
        yield lock
    finally:
        lock.release()


def _locked(database: Path) -> int:
    descriptor = os.open(lock_path(database), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        os.close(descriptor)
        process = holder(database) or "unknown"
        raise AlreadyRunning(f"a sidecar (process {process}) already watches for {database}: stop it first") from None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def holder(database: Path) -> int | None:
    """Return the process id of the running sidecar, None when there is none."""
    try:
        descriptor = os.open(lock_path(database), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(descriptor)
    return None
