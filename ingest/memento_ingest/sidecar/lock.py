"""One sidecar per store, by flock: the kernel releases the lock whatever way the process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from memento.errors import MementoError


class AlreadyRunning(MementoError):
    """Another sidecar holds this store."""


def lock_path(database: Path) -> Path:
    """Return the lock file that belongs to a database file."""
    return database.with_name(database.name + ".watch.lock")


@contextmanager
def sole_instance(database: Path) -> Iterator[None]:
    """Hold the store's sidecar lock. Raises AlreadyRunning, naming the process that holds it."""
    path = lock_path(database)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"a sidecar (process {holder(database) or 'unknown'}) already watches for {database}: stop it first"
            ) from None
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)  # the file stays: removing it would let two processes lock two different files


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
