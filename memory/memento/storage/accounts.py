"""Accounts of the sources for people: how far each was read, and what became of its messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import apsw

from memento.storage.rows import count
from memento.storage.sources import (
    JOURNAL,
    LAST_EVENT,
    MANY_RECORDS,
    UNKNOWN_TYPE,
    UNRECOGNISED,
    YIELD,
    Outcome,
)

if TYPE_CHECKING:
    from memento.storage.database import Database

_PAGE: Final = 1_000
_IS_READ: Final = f"(offset > 0 OR open_bytes > 0 OR size > 0) AND format <> ? AND format <> '{UNRECOGNISED}'"
_IS_SILENT: Final = (
    f"json_valid(state) AND (state -> '{YIELD}' ->> 0) = 0 AND (state -> '{YIELD}' ->> 1) >= {MANY_RECORDS}"
)
_COLUMNS: Final = (
    "num, path, format, size, modified / 1000000, offset, open_bytes, last_read, "
    f"CASE WHEN json_valid(state) THEN state ->> '{LAST_EVENT}' END, {_IS_SILENT}"
)


@dataclass(frozen=True, slots=True)
class SourceProgress:
    """How far one source was read."""

    path: str
    format: str
    size: int
    """Size in bytes when it was last read to its end; 0 until the first read is complete."""
    modified: int
    """Its modification time at that moment, Unix milliseconds."""
    offset: int
    open_bytes: int
    last_read: int
    """Unix milliseconds."""
    last_event: int
    """Time of its latest message, Unix milliseconds; 0 if none was read."""
    lacks_messages: bool
    """Whether many records gave no message: probably the file of another agent, or of a newer version."""


@dataclass(frozen=True, slots=True)
class SourceAccount(SourceProgress):
    """One source with its ledger."""

    read: int
    """Messages and records read; one that is read again counts again."""
    stored: int
    """Memories now in the store that were read from it. If an older version read it: messages worth keeping."""
    skipped: Mapping[str, int]
    """Messages and records not kept, by reason."""
    unknown_types: Mapping[str, int]
    """Named types among the records skipped as `unknown_type`."""
    quarantined: int


@dataclass(frozen=True, slots=True)
class CaptureTotals:
    """What the store holds, and what became of everything that was read."""

    memories: int
    """In the store now, from any source."""
    total: int
    """Sources that were read."""
    skipped: Mapping[str, int]
    unknown_types: Mapping[str, int]
    quarantined: int


@dataclass(slots=True)
class _Ledger:
    """Sums over a ledger's entries."""

    read: int = 0
    stored: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    unknown_types: dict[str, int] = field(default_factory=dict)
    quarantined: int = 0

    def add(self, outcome: Outcome, reason: str, messages: int) -> None:
        self.read += messages
        if outcome == "stored":
            self.stored += messages
        elif outcome == "quarantined":
            self.quarantined += messages
        elif messages:
            name = reason.removeprefix(f"{UNKNOWN_TYPE}:")
            shared = reason if name == reason else UNKNOWN_TYPE
            self.skipped[shared] = self.skipped.get(shared, 0) + messages
            if name != reason:
                self.unknown_types[name] = self.unknown_types.get(name, 0) + messages


def read_progress(database: Database) -> Iterator[SourceProgress]:
    """Yield how far every source was read, holding one page in memory at a time."""
    sql = f"SELECT {_COLUMNS} FROM sources WHERE num > ? AND {_IS_READ} ORDER BY num LIMIT ?"
    page: list[tuple[Any, ...]] = [(0,)]
    while page:
        with database.read() as connection:
            page = connection.execute(sql, (page[-1][0], JOURNAL, _PAGE)).fetchall()
        yield from (SourceProgress(*_progress(row)) for row in page)


def read_accounts(connection: apsw.Connection, limit: int | None = None, offset: int = 0) -> list[SourceAccount]:
    """Return the sources with their ledgers, the last one read first, skipping the first `offset`."""
    held = "attributed, (SELECT count(*) FROM memory_sources WHERE source = num)"
    sql = f"SELECT {_COLUMNS}, {held} FROM sources WHERE {_IS_READ} ORDER BY last_read DESC, num LIMIT ? OFFSET ?"
    rows = connection.execute(sql, (JOURNAL, -1 if limit is None else limit, offset)).fetchall()
    return [_account(row, connection) for row in rows]


def count_totals(connection: apsw.Connection) -> CaptureTotals:
    """Count memories, sources, and the outcome of everything that was read, except the journal."""
    rows = connection.execute(
        "SELECT outcome, reason, sum(messages) FROM ledger JOIN sources ON num = ledger.source WHERE format <> ? "
        "GROUP BY outcome, reason ORDER BY sum(messages) DESC",
        (JOURNAL,),
    )
    ledger = _Ledger()
    for outcome, reason, messages in rows:
        ledger.add(outcome, reason, messages)
    total: Any = connection.execute(f"SELECT count(*) FROM sources WHERE {_IS_READ}", (JOURNAL,)).get
    return CaptureTotals(count(connection), int(total), ledger.skipped, ledger.unknown_types, ledger.quarantined)


def unrecognised_paths(connection: apsw.Connection) -> list[str]:
    """Return the files that no format recognised when they were last tried, sorted."""
    found = connection.execute("SELECT path FROM sources WHERE format = ? ORDER BY path", (UNRECOGNISED,))
    return [str(path) for (path,) in found]


def silent_paths(connection: apsw.Connection) -> list[str]:
    """Return the sources that have many records and no message, sorted."""
    sql = f"SELECT path FROM sources WHERE {_IS_READ} AND {_IS_SILENT} ORDER BY path"
    return [str(path) for (path,) in connection.execute(sql, (JOURNAL,))]


def _progress(row: tuple[Any, ...]) -> tuple[str, str, int, int, int, int, int, int, bool]:
    """Return the fields of SourceProgress from a row of `_COLUMNS`."""
    _, path, format_, size, modified, offset, open_bytes, last_read, last_event, silent = row
    return path, format_, size, modified, offset, open_bytes, last_read, _time(last_event), bool(silent)


def _account(row: tuple[Any, ...], connection: apsw.Connection) -> SourceAccount:
    *described, attributed, stored = row
    number = described[0]
    ledger = _Ledger()
    for entry in connection.execute("SELECT outcome, reason, messages FROM ledger WHERE source = ?", (number,)):
        ledger.add(*entry)
    return SourceAccount(
        *_progress(tuple(described)),
        read=ledger.read,
        stored=stored if attributed else max(stored, ledger.stored),
        skipped=ledger.skipped,
        unknown_types=ledger.unknown_types,
        quarantined=ledger.quarantined,
    )


def _time(value: object) -> int:
    return value if isinstance(value, int) else 0
