"""Durable files: after a power cut, a file is on the disk whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

from memento.base import killpoints


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(partial: Path, final: Path) -> None:
    """Give a finished file its name: flush it, rename it, flush the folder."""
    sync(partial)
    killpoints.reach("publish.synced")
    partial.replace(final)
    killpoints.reach("publish.renamed")
    sync(final.parent)


def partial_of(path: Path) -> Path:
    """Return the temporary path for writing a file that must appear whole. Raises OSError for `/`."""
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def create_private_file(path: Path) -> int:
    """Create an empty private file (0600), replacing an existing one; return its descriptor. Raises OSError."""
    path.unlink(missing_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def make_private_folder(path: Path) -> None:
    """Create a private folder and its missing parents (0700). Raises OSError.

    `Path.mkdir` would apply the mode to the last folder only.
    """
    for missing in reversed([*takewhile(lambda one: not one.is_dir(), (path, *path.parents))]):
        try:
            missing.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(missing)) from None


def replace(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file atomically: the old or the new content is there, whole. Raises OSError."""
    partial = partial_of(path)
    try:
        with os.fdopen(create_private_file(partial), "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
        publish(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """Hold the lock file `path` (flock, which the kernel releases however the process ends).

    The file is never removed, since two processes could then lock two files. Raises BlockingIOError without `wait`.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)
