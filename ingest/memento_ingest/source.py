"""One source file: who it is, and whether reading can go on where it stopped.

A file is the same as before when its head still has the bytes it had, and the bytes just before the offset are still
those that were read. Otherwise (rotated, rewritten, truncated, another file under the old name) it is read from its
start; ids make that harmless. A database changes in place: it is the same as long as the file is, its write-ahead log
counts for its size and time, and its format knows where to go on.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Final

from memento.base.times import now_ms
from memento.storage.sources import LAST_EVENT, TOOLS, UNRECOGNISED, YIELD, SourceState
from memento_ingest.formats.shared.database.sqlite import wal_stamp
from memento_ingest.span import LOOK_AGAIN, Checkpoint

HEAD_BYTES: Final = 4096
MARKER_BYTES: Final = 256
STDIN: Final = "<stdin>"
_LOG: Final = "-wal"
"""Where a database's state holds the stamp of its log, beside what its reader put there."""
_TICK_NS: Final = 20_000_000


@dataclass(slots=True)
class SourceFile:
    """An open source and what was known of it."""

    stream: BinaryIO
    path: str
    name: str
    """The path as the store holds it, without secrets."""
    status: os.stat_result
    known: SourceState | None
    log: tuple[int, int] | None = None
    """Size and time of a database's write-ahead log before it was read; None for what is no database."""

    @property
    def unchanged(self) -> bool:
        """True when size, time and identity are those of the last complete read."""
        known = self.known
        if known is None:
            return False
        # What a database's mark does not show is still to be looked for, now or later: `formats.row_changes`.
        if known.state.get(LOOK_AGAIN, math.inf) <= now_ms() or (_LOG in known.state and LOOK_AGAIN in known.state):
            return False
        return _is_as_read(known, self.status, self.path)

    @property
    def resumable(self) -> bool:
        """True when the bytes read last time are still there, so that reading can go on behind them."""
        known = self.known
        if known is not None and _LOG in known.state:  # its head hash is removed where all of it is to be read again
            return bool(known.head_hash) and (known.device, known.inode) == (self.status.st_dev, self.status.st_ino)
        if known is None or self.status.st_size < known.offset:
            return False
        if _hash(self._at(0, known.head_length)) != known.head_hash:
            return False
        length = min(MARKER_BYTES, known.offset)
        return _hash(self._at(known.offset - length, length)) == known.marker_hash

    @property
    def renamed_from(self) -> str:
        """The path it was known under, where that differs: another file may have got the inode of a deleted one."""
        return self.known.path if self.known and self.known.path != self.name and self.resumable else ""

    def stamp_log(self) -> None:
        """Take note that this is a database about to be read, and of its write-ahead log.

        What was written within the file system's last tick may be followed by a write of the same size and time: then
        the stamp is one that no log has, and the database is looked at again.
        """
        size, modified = wal_stamp(self.path)
        settled = time.time_ns() - max(modified, self.status.st_mtime_ns) > _TICK_NS
        self.log = (size, modified) if settled else (-1, -1)

    def state(
        self, format_name: str, reached: Checkpoint, last_event: int = 0, complete_at: int | None = None
    ) -> SourceState:
        """Return what is to be known of it; once it was read to `complete_at`, its last byte then, it is complete."""
        offset = reached.offset
        own: dict[str, Any] = {LAST_EVENT: last_event} if last_event else {}
        if self.log is not None:
            own[_LOG] = list(self.log)
        head = self._at(0, min(HEAD_BYTES, offset))
        length = min(MARKER_BYTES, offset)
        return SourceState(
            path=self.name,
            format=format_name,
            device=self.status.st_dev,
            inode=self.status.st_ino,
            head_length=len(head),
            head_hash=_hash(head),
            marker_hash=_hash(self._at(offset - length, length)),
            offset=offset,
            open_bytes=0 if complete_at is None else complete_at - offset,
            size=0 if complete_at is None else self.status.st_size,
            modified=0 if complete_at is None else self.status.st_mtime_ns,
            state={**reached.state, **own},
        )

    def unrecognised(self) -> SourceState:
        """Return what is to be known of a file that no format recognises."""
        status = self.status
        return SourceState(
            self.name, UNRECOGNISED, status.st_dev, status.st_ino, size=status.st_size, modified=status.st_mtime_ns
        )

    def _at(self, offset: int, length: int) -> bytes:
        return os.pread(self.stream.fileno(), length, offset)


class StandardInput:
    """What was read from standard input: it has no past to go on from, and the latest run is what is known of it."""

    known: None = None
    renamed_from = ""

    def stamp_log(self) -> None:
        """Do nothing: it is no database."""

    def state(
        self, format_name: str, reached: Checkpoint, last_event: int = 0, complete_at: int | None = None
    ) -> SourceState:
        """Return what is to be known of it."""
        offset = reached.offset
        own = {LAST_EVENT: last_event} if last_event else {}
        end = offset if complete_at is None else complete_at
        return SourceState(STDIN, format_name, offset=offset, open_bytes=end - offset, size=complete_at or 0, state=own)


def parser_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a source's state as its parser left it."""
    return {name: value for name, value in state.items() if name not in (_LOG, LAST_EVENT, TOOLS, YIELD)}


def is_as_read(known: SourceState) -> bool:
    """Tell whether a source's file still is as it was when it was read to its end. Raises OSError if it is gone."""
    return _is_as_read(known, Path(known.path).stat(), known.path)


def _is_as_read(known: SourceState, status: os.stat_result, path: str) -> bool:
    log = known.state.get(_LOG)
    before = (known.device, known.inode, known.size, known.modified)
    return before == (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns) and (
        log is None or tuple(log) == wal_stamp(path)
    )


def _hash(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()
