"""Swap: replace a damaged database file while other processes may have it open.

A lock file is held shared while a connection is opened or closed, and exclusively during a swap. A marker file records
a swap in progress: a process that finds it after a crash completes the swap before it opens anything. Processes that
still have the damaged file open notice the new inode (`database.Database.connection`).
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from memento.base import killpoints
from memento.base.durable import create_private_file, locked, publish, sync

_LOGS: Final = ("-wal", "-shm", "-journal")


class FileIdentity(NamedTuple):
    """Identifies the file at a path."""

    device: int
    inode: int


def real_path(database: Path) -> Path:
    """Return the path of the file itself: a link stays a link, and SQLite keeps the log beside the file."""
    return database.resolve()


def identity(path: Path) -> FileIdentity | None:
    """Return the identity of the file at a path; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return FileIdentity(status.st_dev, status.st_ino)


def incoming(database: Path) -> Path:
    """Return the path of the file that is to replace the database."""
    place = real_path(database)
    return place.with_name(place.name + ".incoming")


@contextmanager
def shared_lock(database: Path) -> Iterator[None]:
    """Keep the file from being swapped inside, after completing a swap that a crash interrupted. Raises OSError."""
    database = real_path(database)
    if _marker(database).exists():
        with locked(_lock(database)):
            _finish(database)
    with locked(_lock(database), shared=True):
        yield


def is_swapping(database: Path) -> bool:
    """Tell whether a swap is in progress or was interrupted by a crash."""
    return _marker(real_path(database)).exists()


@contextmanager
def exclusive_lock(database: Path) -> Iterator[None]:
    """Keep other processes from opening or closing the database inside. Raises OSError."""
    with locked(_lock(real_path(database))):
        yield


def put_in_place(database: Path, aside: Path) -> None:
    """Move the database and its log to `aside`, and `incoming` to the database's path.

    Raises OSError, also if `aside` exists: a database that was set aside before is never overwritten.
    A kill at any moment leaves the files unchanged, or a marker from which the next process completes the swap.
    """
    database = real_path(database)
    sync(incoming(database))
    with locked(_lock(database)):
        _finish(database)
        if aside.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(aside))
        marker = _marker(database)
        partial = marker.with_name(marker.name + ".partial")
        with os.fdopen(create_private_file(partial), "w") as file:
            json.dump({"aside": aside.name}, file)
        killpoints.reach("swap.begun")
        publish(partial, marker)
        _finish(database)


def _finish(database: Path) -> None:
    """Complete a swap, skipping the steps that are done. The caller holds the exclusive lock."""
    marker = _marker(database)
    if not marker.exists():
        return
    new = incoming(database)
    if new.exists():
        aside = database.with_name(json.loads(marker.read_text())["aside"])
        if database.exists() and not aside.exists():
            database.rename(aside)
        killpoints.reach("swap.aside")
        for suffix in _LOGS:
            log = Path(f"{database}{suffix}")
            if suffix == "-wal" and log.exists():
                log.rename(f"{aside}{suffix}")  # SQLite needs it there to read the damaged file
            log.unlink(missing_ok=True)
        killpoints.reach("swap.cleared")
        sync(database.parent)
        new.rename(database)
        killpoints.reach("swap.placed")
    sync(database.parent)
    marker.unlink()
    sync(database.parent)


def _lock(database: Path) -> Path:
    return database.with_name(database.name + ".swap.lock")


def _marker(database: Path) -> Path:
    return database.with_name(database.name + ".swap")
