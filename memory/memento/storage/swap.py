"""Putting another file in the place of a damaged database while other processes may have it open.

A lock file is held shared while a connection is opened or closed, and exclusively while files change places. A marker
says that they do: whoever finds it after a crash finishes the work before it opens anything. Processes that still have
the damaged file open notice by its inode that another stands in its place (`database.Database.connection`).
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
from memento.base.durable import locked, private, publish, sync

_LOGS: Final = ("-wal", "-shm", "-journal")


class Identity(NamedTuple):
    """Which file stands at a path."""

    device: int
    inode: int


def place_of(database: Path) -> Path:
    """Return where the file itself lies: a link to it stays a link, and SQLite keeps its log beside the file."""
    return database.resolve()


def identity(path: Path) -> Identity | None:
    """Return which file stands there; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return Identity(status.st_dev, status.st_ino)


def incoming(database: Path) -> Path:
    """Return the name under which the file waits that is to take the database's place."""
    place = place_of(database)
    return place.with_name(place.name + ".incoming")


@contextmanager
def settled(database: Path) -> Iterator[None]:
    """Keep files from changing places meanwhile; what a crash left half done is finished first. Raises OSError."""
    database = place_of(database)
    if _marker(database).exists():
        with locked(_lock(database)):
            _finish(database)
    with locked(_lock(database), shared=True):
        yield


def is_swapping(database: Path) -> bool:
    """Tell whether files are changing places right now, or a crash left that half done."""
    return _marker(place_of(database)).exists()


@contextmanager
def alone(database: Path) -> Iterator[None]:
    """Keep other processes from opening or closing the database inside. Raises OSError."""
    with locked(_lock(place_of(database))):
        yield


def put_in_place(database: Path, aside: Path) -> None:
    """Move the database and its log to `aside`, and what waits as `incoming` to its place.

    Raises OSError, also where something stands at `aside`: a database that was set aside before is never overwritten.
    A kill anywhere leaves either the files as they were, or a marker from which the next process goes on.
    """
    database = place_of(database)
    sync(incoming(database))
    with locked(_lock(database)):
        _finish(database)
        if aside.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(aside))
        marker = _marker(database)
        partial = marker.with_name(marker.name + ".partial")
        with os.fdopen(private(partial), "w") as file:
            json.dump({"aside": aside.name}, file)
        killpoints.reach("swap.begun")
        publish(partial, marker)
        _finish(database)


def _finish(database: Path) -> None:
    """Do what is left to do. Every step is skipped that was done; the exclusive lock is held."""
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
                log.rename(f"{aside}{suffix}")  # SQLite finds it there when the damaged file is read
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
