"""How much of the sources has not been read yet, and for how long it has waited.

Files are counted in bytes. A database has no bytes that could be counted like this: its size says nothing of the
records read. So it is looked at again where its files changed since it was read, and counted in rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Final, Literal, NamedTuple

from memento.storage.accounts import SourceProgress
from memento.storage.sources import SourceState
from memento_ingest.formats.base import CountsWaiting, DatabaseFormat
from memento_ingest.formats.registry import get, names
from memento_ingest.formats.shared.database.sqlite import wal_stamp
from memento_ingest.source import is_as_read, parser_state
from memento_ingest.span import LOOK_AGAIN, Checkpoint, SourceInfo

STALLED_SECONDS: Final = 60
"""What has waited this long should have been read."""

Find = Callable[[str], SourceState | None]
"""Returns what is known of the source with a path."""


class Unread(NamedTuple):
    """What waits in one source."""

    size: int
    """In `unit`; a lower bound for changed rows that no mark shows."""
    unit: Literal["bytes", "rows"]
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
    """Bytes in files."""
    rows: int
    """Rows in databases."""
    seconds: float
    """How long the oldest has waited."""
    stalled: int
    """How many sources should have been read by now."""
    examples: tuple[str, ...]
    """The first of those, up to `MAX_EXAMPLES`: what waits in each."""
    paths: tuple[str, ...]
    """Their paths."""


MAX_EXAMPLES: Final = 20


def unread_of(source: SourceProgress, find: Find, *, thorough: bool = False) -> Unread:
    """Look at the file of a source. Nothing waits in one that is gone: what was read of it stays.

    `thorough` compares a database that changed with what was read of it, and so finds rows that no mark shows.
    """
    try:
        found = Path(source.path).stat()
    except (OSError, ValueError):  # ValueError: a name that this locale cannot spell
        return Unread(0, "bytes", 0.0, source.modified)
    written = found.st_mtime_ns
    if format_ := _database(source.format):
        written = max(written, wal_stamp(source.path)[1])
        size = _rows(source, format_, find, written // 1_000_000, thorough=thorough)
        return Unread(size, "rows", _age(written) if size else 0.0, written // 1_000_000)
    size = max(0, found.st_size - source.offset - source.open_bytes)
    return Unread(size, "bytes", _age(written) if size else 0.0, written // 1_000_000)


def read_of(source: SourceProgress, size: int) -> int:
    """Return how many of the `size` bytes of a source's file were read; for a database, its size when it was read."""
    return min(size, source.size if _database(source.format) else source.offset + source.open_bytes)


def waiting_in(sources: Iterable[SourceProgress], find: Find, *, thorough: bool = False) -> Waiting:
    """Look at the files of all sources."""
    counts = {"bytes": 0, "rows": 0}
    oldest, stalled = 0.0, 0
    examples: list[tuple[str, str]] = []
    for source in sources:
        unread = unread_of(source, find, thorough=thorough)
        counts[unread.unit] += unread.size
        oldest = max(oldest, unread.seconds)
        stalled += unread.stalled
        if unread.stalled and len(examples) < MAX_EXAMPLES:
            unit = unread.unit.removesuffix("s") if unread.size == 1 else unread.unit
            examples.append((f"{unread.size:,} {unit} of {source.path}", source.path))
    said, paths = tuple(text for text, _ in examples), tuple(path for _, path in examples)
    return Waiting(counts["bytes"], counts["rows"], round(oldest, 1), stalled, said, paths)


@cache
def _database(name: str) -> DatabaseFormat | None:
    """Return the format if it is one of databases; telling a format's family takes longer than looking at a file."""
    format_ = get(name) if name in names() else None
    return format_ if isinstance(format_, DatabaseFormat) else None


def _rows(source: SourceProgress, format_: DatabaseFormat, find: Find, modified: int, *, thorough: bool) -> int:
    """Return how many rows wait in a database; 1 where it changed and cannot be looked into."""
    known = find(source.path)
    if known is None or (is_as_read(known) and not (thorough and LOOK_AGAIN in known.state)):
        return 0
    info = SourceInfo(Path(source.path).name, source.path, modified, live=not thorough)
    start = Checkpoint(known.offset, parser_state(known.state)) if known.offset else None
    try:
        reader = format_.reader(info, start)
        return reader.waiting() if isinstance(reader, CountsWaiting) else 0
    except OSError:
        return 1


def _age(written: int) -> float:
    return max(0.0, time.time() - written / 1e9)
