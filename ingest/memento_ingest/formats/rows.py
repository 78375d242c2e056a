"""Reads the rows of a table that are new or have changed, and turns each into spans.

A database has no bytes that spans could tile. Its records are counted instead: a span is as long as its record's
JSON, offsets go on from record to record in the order of reading, and a record that is read again counts again. So
the ledger's bytes add up to the bytes read, here as everywhere.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from memento_ingest.formats.sqlite import Database, DatabaseDamaged
from memento_ingest.jsonl import decode
from memento_ingest.lines import MAX_LINE
from memento_ingest.span import SAMPLE_BYTES, Checkpoint, SourceInfo, Span, Title
from memento_policies import Message

OVERLAP_MS: Final = 10_000
"""Rows that changed this long before the newest one are read again: writers commit a little out of order."""

_LOWEST: Final = -(2**63)
_MAX_TEXT: Final = 4096
_MAX_JSON: Final = 16 * 1024 * 1024


class Row(NamedTuple):
    """One record."""

    id: str
    value: Any
    """Its decoded JSON."""
    context: Mapping[str, str]
    """The query's other columns as text, empty where the database has no value or no such column."""


@dataclass(frozen=True, slots=True)
class Column:
    """Where a text comes from: a column of the table or of a joined one."""

    alias: str
    name: str
    json: str = ""
    """A path into the column's JSON, whose value is taken instead."""


@dataclass(frozen=True, slots=True)
class Query:
    """A table's records, one a row."""

    table: str
    id: Sequence[str]
    """The columns that identify a record within the table."""
    data: str
    """The column with its JSON."""
    context: Mapping[str, Column] = field(default_factory=dict)
    """Other columns that are read, by the name under which `Row.context` has them; `t` is the table's own alias."""
    joins: Sequence[tuple[str, str, str]] = ()
    """(table, alias, condition) of each table that `context` takes columns from."""
    updated: str = ""
    """The column with the Unix milliseconds of a row's last change; without one, a changed row has a new rowid."""
    where: str = "1"


@dataclass(slots=True)
class Reading:
    """What a record says."""

    messages: list[Message] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """A reason, and the unknown type if that is the reason, for each part that is not kept."""
    title: Title | None = None

    def skip(self, reason: str, unknown_type: str = "") -> None:
        """Count a part that is not kept."""
        self.skipped.append((reason, unknown_type[:64]))

    def spans(self, offset: int, length: int) -> Iterator[Span]:
        """Yield a span for the messages and one with an equal share of the bytes for each part not kept."""
        parts = [Span(0, 0, skipped=reason, unknown_type=unknown) for reason, unknown in self.skipped]
        if self.messages:
            parts.insert(0, Span(0, 0, messages=tuple(self.messages)))
        parts = parts or [Span(0, 0, skipped="empty")]
        share = length // (len(self.messages) + len(self.skipped) or 1)
        titles = (self.title,) if self.title else ()
        for part in parts:
            size = length - share * (len(parts) - 1) if part is parts[0] else share
            yield replace(part, offset=offset, length=size, titles=titles)
            offset, titles = offset + size, ()


Convert = Callable[[Row], Reading]


class RowsReader:
    """A `DatabaseReader` over the records of one or several queries.

    `choose` names the queries for the tables there are; none means that the database holds no transcript.
    """

    def __init__(
        self,
        info: SourceInfo,
        checkpoint: Checkpoint | None,
        choose: Callable[[Database], Sequence[tuple[Query, Convert]]],
    ) -> None:
        self._path = info.path
        self._choose = choose
        self._offset = checkpoint.offset if checkpoint else 0
        self._marks: dict[str, Any] = dict(checkpoint.state) if checkpoint else {}

    def spans(self) -> Iterator[Span]:
        """Yield the spans of every record that is new or has changed. Raises OSError."""
        with Database(self._path) as database:
            for query, convert in self._choose(database):
                changed = _Changed(database, query, self._marks.get(query.table, {}))
                try:
                    for row_id, data, size, context in changed.rows():
                        yield from self._record(query, convert, row_id, data, size, context)
                except DatabaseDamaged:
                    sample = f"{query.table}, behind the row {changed.last}".encode()
                    yield Span(self._offset, 0, defect="damaged_database", sample=sample)
                    continue
                self._marks[query.table] = changed.mark

    def checkpoint(self) -> Checkpoint:
        """Return the bytes read so far, and the marks of the tables that were read to their end."""
        return Checkpoint(self._offset, dict(self._marks))

    def _record(
        self, query: Query, convert: Convert, row_id: str, data: bytes | None, size: int, context: Mapping[str, str]
    ) -> Iterator[Span]:
        offset = self._offset
        value, defect = decode(data) if data is not None else (None, "too_long" if size else "")
        if defect:
            sample = f"{query.table} {row_id}: ".encode() + (data or b"")
            yield Span(offset, size, defect=defect, sample=sample[:SAMPLE_BYTES])
        else:
            yield from convert(Row(row_id, value, context)).spans(offset, size)
        self._offset = offset + size


class _Changed:
    """The rows of one query behind its mark.

    The mark is taken before the rows are read, so what changes meanwhile is read now or next time, or both.
    """

    def __init__(self, database: Database, query: Query, mark: Mapping[str, Any]) -> None:
        require(database, query.table, (*query.id, query.data))
        self._database, self._query = database, query
        has_time = query.updated in database.columns(query.table)
        self._updated = f'CAST(t."{query.updated}" AS INTEGER)' if has_time else ""
        self._rowid, self._since = self._start(mark)
        self.mark: dict[str, Any] = {}
        with suppress(DatabaseDamaged):  # the rows before the damage are read all the same
            self.mark = self._newest()
        self.last = "none"

    def rows(self) -> Iterator[tuple[str, bytes | None, int, Mapping[str, str]]]:
        """Yield identity, JSON (None if it is too long), its bytes and the other columns of each row."""
        sql, names = self._sql()
        after = _LOWEST if self._since is not None else self._rowid - 1
        parameters = {"rowid": self._rowid, "since": self._since, "max": MAX_LINE}
        while page := self._database.page(sql, {**parameters, "after": after}):
            for rowid, row_id, data, size, *context in page:
                after = behind(after, rowid)
                self.last = text(row_id)
                yield self.last, data, size or 0, dict(zip(names, map(text, context), strict=True))

    def _start(self, mark: Mapping[str, Any]) -> tuple[int, int | None]:
        """Return the rowid from which rows count as new, and the time from which older ones count as changed."""
        rowid, since = mark.get("rowid"), mark.get("updated")
        if self._updated and isinstance(rowid, int):
            return rowid + 1, since - OVERLAP_MS if isinstance(since, int) else _LOWEST
        return starting_rowid(self._database, self._query.table, self._query.id, mark), None

    def _newest(self) -> dict[str, Any]:
        mark = newest(self._database, self._query.table, self._query.id)
        if mark and self._updated:
            sql = f'SELECT max({self._updated}) FROM "{self._query.table}" AS t'  # noqa: S608
            mark["updated"] = (self._database.first(sql, {}) or (None,))[0]
        return mark

    def _sql(self) -> tuple[str, list[str]]:
        query = self._query
        joined = {"t": query.table, **{alias: table for table, alias, _ in query.joins}}
        joins = [
            f'LEFT JOIN "{table}" AS {alias} ON {condition}'
            for table, alias, condition in query.joins
            if self._database.columns(table)
        ]
        context = [self._expression(column, joined[column.alias]) for column in query.context.values()]
        columns = [
            "t.rowid",
            _identity(query.id),
            # The length of a value is known without reading it.
            f'CASE WHEN octet_length(t."{query.data}") <= :max THEN CAST(t."{query.data}" AS BLOB) END',
            f'octet_length(t."{query.data}")',
            *context,
        ]
        changed = f"(t.rowid >= :rowid OR {self._updated} >= :since)" if self._updated else "t.rowid >= :rowid"
        sql = (
            f'SELECT {", ".join(columns)} FROM "{query.table}" AS t {" ".join(joins)} '  # noqa: S608
            f"WHERE t.rowid > :after AND {changed} AND {query.where} ORDER BY t.rowid"
        )
        return sql, list(query.context)

    def _expression(self, column: Column, table: str) -> str:
        if column.name not in self._database.columns(table):
            return "NULL"
        name = f'{column.alias}."{column.name}"'
        if column.json:
            is_read = f"octet_length({name}) <= {_MAX_JSON} AND json_valid({name})"
            name = f"CASE WHEN {is_read} THEN json_extract({name}, '{column.json}') END"
        return as_text(name)


def starting_rowid(database: Database, table: str, identity: Sequence[str], mark: Mapping[str, Any]) -> int:
    """Return the rowid from which rows may be new: that of the mark, or the lowest where the mark says nothing.

    The number of a deleted row may be given out again; then nothing is known of the rows before it either.
    """
    rowid = mark.get("rowid")
    if not isinstance(rowid, int) or _identity_at(database, table, identity, rowid) != mark.get("id"):
        return _LOWEST + 1
    return rowid


def behind(after: int, number: object) -> int:
    """Return the number of the next row. Raises DatabaseDamaged where the order is broken: reading would never end."""
    if not isinstance(number, int) or number <= after:
        raise DatabaseDamaged(errno.EIO, "this SQLite database is damaged: its rows are out of order")
    return number


def newest(database: Database, table: str, identity: Sequence[str]) -> dict[str, Any]:
    """Return the mark of the table's last row, empty for an empty table."""
    row = database.first(f'SELECT max(rowid) FROM "{table}"', {})  # noqa: S608
    if not row or row[0] is None:
        return {}
    return {"rowid": row[0], "id": _identity_at(database, table, identity, row[0])}


def _identity(columns: Sequence[str]) -> str:
    return as_text(" || '/' || ".join(f't."{column}"' for column in columns))


def _identity_at(database: Database, table: str, identity: Sequence[str], rowid: int) -> str:
    sql = f'SELECT {_identity(identity)} FROM "{table}" AS t WHERE t.rowid = :rowid'  # noqa: S608
    row = database.first(sql, {"rowid": rowid})
    return text(row[0]) if row else ""


def require(database: Database, table: str, columns: Iterable[str]) -> None:
    """Raise OSError where the table, or one of its columns, is missing."""
    missing = [column for column in columns if column not in database.columns(table)]
    if missing:
        raise OSError(0, f"its table {table} has no column {missing[0]}: another version wrote this database")


def as_text(expression: str) -> str:
    """Return the SQL of a short text as bytes: a database may hold text that is no UTF-8, and any length of it."""
    return f"CAST(substr({expression}, 1, {_MAX_TEXT}) AS BLOB)"


def text(value: bytes | None) -> str:
    """Return a column's bytes as text without NULs."""
    return value.decode("utf-8", "replace").replace("\0", "") if value else ""
