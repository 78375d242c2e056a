"""What a session's hooks have told its agent: about which files, and how many memories. The status line shows it.

One small file a session in `cache/sessions/`: neither it nor its name says anything of the session but in hashes.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from memento.base.durable import make_private_folder

KEPT_SECONDS: Final = 7 * 86_400
"""A session that was told nothing for longer is forgotten."""
LOCK_SECONDS: Final = 0.05
_MOST: Final = 256 * 1024
"""Bytes; a session that has used them up is told nothing more about files."""
_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Told(NamedTuple):
    """What one session was told so far."""

    recalls: int = 0
    memories: int = 0


def place(home: Path, session: str) -> Path:
    """Return the file of a session."""
    return home / "cache" / "sessions" / _hash(session)


def read(home: Path, session: str) -> Told:
    """Return what a session was told. Never raises."""
    recalls = memories = 0
    with suppress(OSError, ValueError):
        for line in place(home, session).read_text("ascii").splitlines():
            kind, _, value = line.partition(" ")
            if kind == "memories" and value.isdigit():
                recalls, memories = recalls + 1, memories + int(value)
    return Told(recalls, memories)


def add(home: Path, session: str, memories: int) -> None:
    """Note that a session was told of so many memories, or do nothing where that fails."""
    with suppress(OSError):
        descriptor = _opened(home, session)
        try:
            os.write(descriptor, f"memories {memories}\n".encode("ascii"))
        finally:
            os.close(descriptor)


@contextmanager
def once(home: Path, session: str, file: str) -> Iterator[Once | None]:
    """Give the one hook that may tell a session about a file the right to do so; any other gets None. Raises OSError.

    Of hooks that run at the same time one waits for the other.
    """
    descriptor = _opened(home, session)
    try:
        mark = f"file {_hash(file)}\n"
        is_ours = _locked(descriptor) and os.fstat(descriptor).st_size <= _MOST
        known = mark.encode("ascii") in os.pread(descriptor, 2 * _MOST, 0)
        yield Once(descriptor, mark) if is_ours and not known else None
    finally:
        os.close(descriptor)


class Once(NamedTuple):
    """The right to tell a session about a file."""

    descriptor: int
    mark: str

    def use(self) -> None:
        """Note that the session was told, or that there is nothing to tell it."""
        os.write(self.descriptor, self.mark.encode("ascii"))


def prune(home: Path) -> None:
    """Forget sessions that were told nothing for a week."""
    oldest = time.time() - KEPT_SECONDS
    with suppress(OSError), os.scandir(home / "cache" / "sessions") as entries:
        for entry in entries:
            if entry.stat(follow_symlinks=False).st_mtime < oldest:
                os.unlink(entry.path)  # noqa: PTH108 - scandir gives no pathlib


def _opened(home: Path, session: str) -> int:
    path = place(home, session)
    make_private_folder(path.parent)
    return os.open(path, _FLAGS, 0o600)


def _locked(descriptor: int) -> bool:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        else:
            return True


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=12).hexdigest()
