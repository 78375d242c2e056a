"""The spool: what hooks said, on disk until it is ingested.

Invariant: a record that was acknowledged is whole and fsynced. Writers take turns by a lock on the file; one that
finds it held for too long, by a process that was stopped, writes to a file of its own. A file is removed only under
that lock, so a writer that waited for it looks again whether its file is still the one in the folder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from memento.base import durable

FOLDER: Final = "spool"
MAX_FILE: Final = 8 * 1024 * 1024
"""Bytes after which the day's next file is begun."""
MAX_FILES: Final = 128
"""Files a day: a spool that nobody ingests must not fill the disk."""
LOCK_SECONDS: Final = 0.05
SCRUB_SECONDS: Final = 5.0
_OPEN: Final = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def folders(home: Path) -> list[Path]:
    """Return the folders of the spool in the order they are tried: Memento's own, then one in memory.

    The second, in the user's runtime folder if there is one, takes over while the disk is full.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return [home / FOLDER, *([Path(runtime, "memento", FOLDER)] if runtime.startswith("/") else [])]


def files(home: Path) -> list[Path]:
    """Return the files of the spool."""
    return [path for folder in folders(home) if folder.is_dir() for path in folder.glob("*.jsonl")]


def append(places: Sequence[Path], lines: bytes) -> Path:
    """Append whole lines, wait for the disk and return the file. Raises OSError when no folder can take them."""
    problem: OSError | None = None
    for folder in places:
        try:
            return _append(folder, lines)
        except OSError as error:
            problem = problem or error
    raise problem or OSError(errno.ENOENT, "there is no spool")


def discard(path: Path, size: int) -> bool:
    """Remove a file of which `size` bytes were ingested; tell whether that was all of it and nobody is writing."""
    try:
        descriptor = os.open(path, _OPEN)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_size != size or not _leads_to(path, descriptor):
            return False
        path.unlink()
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def scrub(path: Path, holds: Callable[[bytes], bool]) -> int:
    """Remove the lines for which `holds` is true from a file, which is then read again; return how many.

    Raises OSError.
    """
    return rewrite(path, lambda line: b"" if holds(line) else line)


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> int:
    """Put what `change` makes of each line in its place, as `scrub` does; return how many it changed."""
    descriptor = os.open(path, _OPEN)
    try:
        if not _lock(descriptor, time.monotonic() + SCRUB_SECONDS) or not _leads_to(path, descriptor):
            raise OSError(errno.EAGAIN, "the spool is locked", str(path))
        lines = os.pread(descriptor, os.fstat(descriptor).st_size, 0).splitlines(keepends=True)
        changed = [change(line) for line in lines]
        count = sum(new != old for new, old in zip(changed, lines, strict=True))
        if count:
            _replace(path, b"".join(changed))
    finally:
        os.close(descriptor)
    return count


def _replace(path: Path, content: bytes) -> None:
    """Put other content in the place of a file whose lock is held; writers that wait for the lock look again."""
    if not content:
        path.unlink()
        return
    durable.replace(path, content)


def _append(folder: Path, lines: bytes) -> Path:
    durable.make_private_folder(folder)
    day = time.strftime("%Y%m%d", time.gmtime())
    deadline = time.monotonic() + LOCK_SECONDS
    for number in range(MAX_FILES):
        path = folder / f"{day}-{number:03}.jsonl"
        with _locked(path, deadline) as descriptor:
            if descriptor is None:
                path = folder / f"{day}-{os.urandom(6).hex()}.jsonl"
                with _locked(path, deadline) as own:
                    return _write(path, own, lines)
            if os.fstat(descriptor).st_size < MAX_FILE:
                return _write(path, descriptor, lines)
    raise OSError(errno.ENOSPC, f"the spool {folder} holds {MAX_FILES} files of today: run `memento ingest {folder}`")


@contextmanager
def _locked(path: Path, deadline: float) -> Iterator[int | None]:
    """Open a file of the spool, made if need be, and hold its lock; None if another holds it past the deadline."""
    while True:
        descriptor = os.open(path, _OPEN | os.O_CREAT, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", str(path))
            if not _lock(descriptor, deadline):
                yield None
                return
            if _leads_to(path, descriptor):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _lock(descriptor: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        else:
            return True


def _leads_to(path: Path, descriptor: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


def _write(path: Path, descriptor: int | None, lines: bytes) -> Path:
    """Append the lines in one write; a line that a killed writer left unfinished is ended first."""
    if descriptor is None:
        raise OSError(errno.EAGAIN, "the spool is locked")
    size = os.fstat(descriptor).st_size
    torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
    data = b"\n" + lines if torn else lines
    try:
        _write_whole(descriptor, data)
        os.fsync(descriptor)
    except BaseException:
        with suppress(OSError):
            os.ftruncate(descriptor, size)
        raise
    if not size:
        durable.sync(path.parent)
    return path


def _write_whole(descriptor: int, data: bytes) -> None:
    if os.write(descriptor, data) < len(data):
        raise OSError(errno.ENOSPC, "there is no space left for the record")
