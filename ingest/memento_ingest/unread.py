"""How much of the sources has not been read yet, and for how long it has waited."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from memento.storage.sources import SourceAccount

STALLED_SECONDS: Final = 60
"""Bytes that have waited this long should have been read."""


class Unread(NamedTuple):
    """What waits in one source."""

    size: int
    """Bytes."""
    seconds: float
    """Since it was written to; 0 where nothing waits."""
    written: int
    """When that was, Unix milliseconds."""

    @property
    def stalled(self) -> bool:
        """Whether it should have been read by now."""
        return self.seconds > STALLED_SECONDS


class Waiting(NamedTuple):
    """What waits in all sources."""

    size: int
    """Bytes."""
    seconds: float
    """How long the oldest has waited."""
    stalled: tuple[str, ...]
    """The sources that should have been read by now."""


def unread_of(account: SourceAccount) -> Unread:
    """Look at the file of a source. Nothing waits in one that is gone: what was read of it stays."""
    try:
        found = Path(account.path).stat()
    except (OSError, ValueError):  # ValueError: a name that this locale cannot spell
        return Unread(0, 0.0, account.modified)
    size = max(0, found.st_size - account.offset - account.open_bytes)
    return Unread(size, max(0.0, time.time() - found.st_mtime) if size else 0.0, found.st_mtime_ns // 1_000_000)


def waiting_in(accounts: Iterable[SourceAccount]) -> Waiting:
    """Look at the files of all sources."""
    looked_at = [(account.path, unread_of(account)) for account in accounts]
    oldest = max((one.seconds for _, one in looked_at), default=0.0)
    stalled = tuple(path for path, one in looked_at if one.stalled)
    return Waiting(sum(one.size for _, one in looked_at), round(oldest, 1), stalled)
