"""Files that are on the disk whole, or not there at all, whenever the power goes."""

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
    """Return the name under which this process makes a file that is to appear whole. Raises OSError for `/`."""
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def create_private_file(path: Path) -> int:
    """Create an empty file that only its owner can read (0600), in place of one that is there; return its descriptor.

    Raises OSError.
    """
    path.unlink(missing_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def make_private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, so that only their owner can enter them (0700).

    `Path.mkdir` gives its mode to the last of them alone. Raises OSError.
    """
    for missing in reversed([*takewhile(lambda one: not one.is_dir(), (path, *path.parents))]):
        try:
            missing.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(missing)) from None


def replace(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put a file of this content in the place of `path`: the old one or the new one is there, whole. Raises OSError."""
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
    """Hold the lock file `path` (flock: the kernel releases it however the process ends).

    The file stays, since removing it would let two processes lock two files. Raises BlockingIOError without `wait`.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)
