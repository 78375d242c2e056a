"""Reads tables whose rows are a session's lines, with the parser that reads such lines in files.

Invariant: as in `rows`, a row counts for the bytes of its line, and offsets go on in the order of reading. A session
goes on where its parser's checkpoint is, which an open tool call holds back; those rows are read, and counted, again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any, Final, NamedTuple

from memento_ingest.formats.base import LineParser
from memento_ingest.formats.rows import behind, newest, require, starting_rowid, text
from memento_ingest.formats.sqlite import Database, DatabaseDamaged
from memento_ingest.lines import MAX_LINE
from memento_ingest.span import Checkpoint, Line, SourceInfo, Span, Title

MAX_SESSIONS: Final = 256
"""Sessions whose place is remembered; one that goes on after a longer silence is read again from its start."""
_PLACES: Final = 1024
_MAX_BESIDE: Final = 1024 * 1024
_LOWEST: Final = -(2**63)


class _Place(NamedTuple):
    """The end of a row within its session."""

    order: int
    rowid: int
    offset: int
    """The bytes of the session's lines up to here."""
    state: dict[str, Any] | None = None
    """The parser's state here, if it goes on from here."""


class Session(NamedTuple):
    """What is known of a session beside its rows."""

    id: str
    title: str = ""
    project: str = ""


@dataclass(frozen=True, slots=True)
class SessionTable:
    """A table with one record of a session a row."""

    name: str
    session: str
    """The column with the session's id."""
    order: str
    """The column with a number that orders the rows of a session."""
    data: Sequence[str]
    """The columns of which a row's line is made; those the table lacks are empty."""
    line: Callable[[Sequence[bytes]], bytes]
    describe: Callable[[Database, str], Session]
    parser: Callable[[Session, Checkpoint | None], LineParser]


class SessionRowsReader:
    """A `DatabaseReader` over the sessions in one table that have new rows."""

    def __init__(self, info: SourceInfo, checkpoint: Checkpoint | None, table: SessionTable) -> None:
        self._path, self._table = info.path, table
        self._offset = checkpoint.offset if checkpoint else 0
        state = checkpoint.state if checkpoint else {}
        self._mark: Mapping[str, Any] = state.get("mark", {})
        self._places: dict[str, list[Any]] = dict(state.get("sessions", {}))

    def spans(self) -> Iterator[Span]:
        """Yield the spans of every row that is new. Raises OSError."""
        table = self._table
        with Database(self._path) as database:
            require(database, table.name, (table.session, table.order, table.data[0]))
            identity = (table.session, table.order)
            rowid = starting_rowid(database, table.name, identity, self._mark)
            if rowid <= _LOWEST + 1:
                self._places.clear()
            mark = newest(database, table.name, identity)
            try:
                for session in self._changed(database, rowid):
                    yield from self._session(database, table.describe(database, session))
            except DatabaseDamaged:
                yield Span(self._offset, 0, defect="damaged_database", sample=table.name.encode())
                return
            self._mark = mark

    def checkpoint(self) -> Checkpoint:
        """Return the bytes read so far and where each session goes on."""
        return Checkpoint(self._offset, {"mark": dict(self._mark), "sessions": dict(self._places)})

    def _changed(self, database: Database, rowid: int) -> Iterator[str]:
        """Yield the sessions with rows from `rowid` on, in the order in which those were written."""
        table = self._table
        sql = (
            f'SELECT min(rowid) AS first, CAST("{table.session}" AS BLOB) FROM "{table.name}" '  # noqa: S608
            f'WHERE rowid >= :rowid GROUP BY "{table.session}" HAVING first > :after ORDER BY first'
        )
        after = _LOWEST
        while page := database.page(sql, {"rowid": rowid, "after": after}):
            for first, session in page:
                after = behind(after, first)
                yield text(session)

    def _session(self, database: Database, session: Session) -> Iterator[Span]:
        place = self._place(database, session.id)
        parser = self._table.parser(session, Checkpoint(place.offset, place.state) if place.state is not None else None)
        offset, after = place.offset, place.order
        ends = deque([place], maxlen=_PLACES)
        titles = (Title(session.id, session.title),) if session.title else ()
        for order, rowid, line, size in self._rows(database, session.id, after):
            read = parser.feed(Line(offset, line)) if line else [Span(offset, size, defect="too_long")]
            offset += len(line) or size
            ends.append(_Place(order, rowid, offset))
            for span in read:
                yield replace(span, offset=self._offset, titles=(*span.titles, *titles))
                self._offset += span.length
                titles = ()
        for span in parser.finish():
            yield replace(span, offset=self._offset)
            self._offset += span.length
        self._remember(session.id, parser.checkpoint(), ends)

    def _place(self, database: Database, session: str) -> _Place:
        """Return where the session goes on: its start, if the row read last is not there any more."""
        known = self._places.pop(session, None)
        if known is None:
            return _Place(_LOWEST, 0, 0)
        place = _Place(*known)
        table = self._table
        sql = f'SELECT rowid FROM "{table.name}" WHERE "{table.session}" = :session AND "{table.order}" = :order'  # noqa: S608
        row = database.first(sql, {"session": session, "order": place.order})
        is_there = place.order == _LOWEST or (row is not None and row[0] == place.rowid)
        return place if is_there else _Place(_LOWEST, 0, 0)

    def _remember(self, session: str, reached: Checkpoint, ends: Iterable[_Place]) -> None:
        for place in ends:
            if place.offset == reached.offset:
                self._places[session] = list(place._replace(state=dict(reached.state)))
        while len(self._places) > MAX_SESSIONS:
            del self._places[next(iter(self._places))]

    def _rows(self, database: Database, session: str, after: int) -> Iterator[tuple[int, int, bytes, int]]:
        """Yield each row's number and rowid, its line, and the bytes of its record; no line if that is too long."""
        table = self._table
        known = database.columns(table.name)
        size = f'octet_length("{table.data[0]}")'
        columns = [
            f'CASE WHEN octet_length("{name}") <= {limit} THEN CAST("{name}" AS BLOB) END' if name in known else "NULL"
            for name, limit in zip(table.data, chain([MAX_LINE], repeat(_MAX_BESIDE)), strict=False)
        ]
        sql = (
            f'SELECT "{table.order}", rowid, {size}, {", ".join(columns)} FROM "{table.name}" '  # noqa: S608
            f'WHERE "{table.session}" = :session AND "{table.order}" > :after ORDER BY "{table.order}"'
        )
        while page := database.page(sql, {"session": session, "after": after}):
            for order, rowid, length, *data in page:
                after = behind(after, order)
                is_whole = (length or 0) <= MAX_LINE
                line = table.line([value or b"" for value in data]) + b"\n" if is_whole else b""
                yield order, rowid, line, length or 0
