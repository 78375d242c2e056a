"""Reads tables whose rows are a session's lines, with the parser that reads such lines in files.

Invariant: as in `rows`, a row counts for the bytes of its line, and offsets go on in the order of reading. A session
goes on where its parser's checkpoint is, which an open tool call holds back; those rows are read, and counted, again.
Marks and comparisons are those of `row_changes`, with sessions for groups: a session with a row that was changed,
removed or put before its last one is read from its start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any, Final, NamedTuple

from memento.base.times import now_ms
from memento_ingest.formats.base import LineParser
from memento_ingest.formats.shared.database.row_digests import (
    ComparisonTimer,
    RowDigests,
    group_of,
    next_comparison,
    row_digest,
)
from memento_ingest.formats.shared.database.sqlite import Database, DatabaseDamaged
from memento_ingest.formats.shared.database.tables import (
    HIGHEST_ROWID,
    LOWEST_ROWID,
    behind,
    marked_rowid,
    newest,
    require,
    text,
)
from memento_ingest.lines import MAX_LINE
from memento_ingest.span import LOOK_AGAIN, Checkpoint, Line, SourceInfo, Span, Title

MAX_SESSIONS: Final = 256
"""Sessions whose place is remembered; one that goes on after a longer silence is read again from its start."""
_PLACES: Final = 1024
_MAX_BESIDE: Final = 1024 * 1024


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


class _Row(NamedTuple):
    """A row of a session."""

    order: int
    number: int
    line: bytes
    """Empty where it is too long."""
    size: int
    """Bytes of its record."""
    digest: int


class _Counted(NamedTuple):
    """The digests that rows are added to while they are read: those after a rowid, the others were counted before."""

    digests: RowDigests
    after: int

    def add(self, session: str, row: _Row) -> None:
        """Count a row that was not counted before."""
        if row.number > self.after:
            self.digests.add(session, row.digest)


class SessionRowsReader:
    """A `DatabaseReader` over the sessions in one table that have new or changed rows."""

    def __init__(self, info: SourceInfo, checkpoint: Checkpoint | None, table: SessionTable) -> None:
        self._info, self._table = info, table
        self._identity = (table.session, table.order)
        self._offset = checkpoint.offset if checkpoint else 0
        state = checkpoint.state if checkpoint else {}
        self._mark: Mapping[str, Any] = state.get("mark", {})
        self._places: dict[str, list[Any]] = dict(state.get("sessions", {}))
        self._compare_at = 0
        self._last = HIGHEST_ROWID
        """Rows after this one came while the others were read: they are left to the next run."""

    def spans(self) -> Iterator[Span]:
        """Yield the spans of every row that is new or has changed. Raises OSError."""
        with Database(self._info.path) as database:
            self._require(database)
            known, marked = RowDigests.of_mark(self._mark), self._marked(database)
            due = next_comparison(self._mark)
            timer = ComparisonTimer()
            try:
                if self._info.live and known and marked is not None and due > now_ms():
                    self._compare_at = due
                    yield from self._after_mark(database, known, marked)
                elif known:
                    yield from self._compared(database, known, marked, timer)
                else:
                    yield from self._every(database, timer)
            except DatabaseDamaged:
                if known and not self._compare_at:
                    self._mark = {**self._mark, **timer.stamp()}
                yield Span(self._offset, 0, defect="damaged_database", sample=self._table.name.encode())

    def checkpoint(self) -> Checkpoint:
        """Return the bytes read so far and where each session goes on."""
        pending = {LOOK_AGAIN: self._compare_at} if self._compare_at else {}
        return Checkpoint(self._offset, {"mark": dict(self._mark), "sessions": dict(self._places), **pending})

    def waiting(self) -> int:
        """Return how many rows are new, and at least how many sessions have changed. Raises OSError."""
        with Database(self._info.path) as database:
            self._require(database)
            known, marked = RowDigests.of_mark(self._mark), self._marked(database)
            after = LOWEST_ROWID if known is None else HIGHEST_ROWID if marked is None else marked
            sql = f'SELECT count(*) FROM "{self._table.name}" WHERE rowid > :after'  # noqa: S608
            new = int((database.first(sql, {"after": after}) or (0,))[0])
            if known is None or (self._info.live and marked is not None):
                return new
            return new + len(self._compare(database, known, marked)[1])

    def _require(self, database: Database) -> None:
        table = self._table
        require(database, table.name, (table.session, table.order, table.data[0]))

    def _newest(self, database: Database) -> dict[str, Any]:
        found = newest(database, self._table.name, self._identity)
        self._last = found.get("rowid", LOWEST_ROWID)
        return found

    def _marked(self, database: Database) -> int | None:
        return marked_rowid(database, self._table.name, self._identity, self._mark)

    def _every(self, database: Database, timer: ComparisonTimer) -> Iterator[Span]:
        self._places.clear()
        found, digests = self._newest(database), RowDigests()
        counted = _Counted(digests, LOWEST_ROWID)
        for session, _ in self._sessions(database, LOWEST_ROWID):
            described = self._table.describe(database, session)
            digests.add(session, _description(described))
            yield from self._session(database, described, counted)
        self._mark = {**found, "digests": digests.to_json(), **timer.stamp()}

    def _after_mark(self, database: Database, known: RowDigests, marked: int) -> Iterator[Span]:
        found = self._newest(database)
        yield from self._new_rows(database, marked, _Counted(known, marked))
        self._mark = {**self._mark, **found, "digests": known.to_json()}

    def _compared(
        self, database: Database, known: RowDigests, marked: int | None, timer: ComparisonTimer
    ) -> Iterator[Span]:
        """Read sessions that differ from their start, and what is new of the others."""
        after = HIGHEST_ROWID if marked is None else marked
        try:
            found = self._newest(database)
            digests, changed = self._compare(database, known, marked)
        except DatabaseDamaged:
            yield from self._new_rows(database, after)  # those before the damage are read all the same
            raise
        if changed:
            for session, _ in self._sessions(database, LOWEST_ROWID):
                if group_of(session) in changed:
                    self._places.pop(session, None)
                    yield from self._session(database, self._table.describe(database, session))
        yield from self._new_rows(database, after, leave_out=changed)
        self._mark = {**found, "digests": digests.to_json(), **timer.stamp()}

    def _compare(self, database: Database, known: RowDigests, marked: int | None) -> tuple[RowDigests, frozenset[int]]:
        """Return the digests of all rows, and the groups whose rows are not what they were when the mark was taken."""
        digests, new = RowDigests(), RowDigests()
        sessions = dict[str, bool]()
        """Whether the session has rows up to the mark."""
        for session, row in self._table_rows(database):
            is_new = marked is not None and row.number > marked
            (new if is_new else digests).add(session, row.digest)
            sessions[session] = sessions.get(session, False) or not is_new
        for session, is_known in sessions.items():
            (digests if is_known else new).add(session, _description(self._table.describe(database, session)))
        changed = digests.differing(known)
        digests.add_all(new)
        return digests, changed

    def _new_rows(
        self,
        database: Database,
        marked: int,
        counted: _Counted | None = None,
        leave_out: frozenset[int] = frozenset(),
    ) -> Iterator[Span]:
        """Read on in the sessions with rows after the mark; from its start in one where they stand before its end."""
        for session, order in self._sessions(database, marked):
            if group_of(session) in leave_out:
                continue
            place = self._places.get(session)
            if place and order <= _Place(*place).order:
                del self._places[session]
            yield from self._session(database, self._table.describe(database, session), counted)

    def _sessions(self, database: Database, marked: int) -> Iterator[tuple[str, int]]:
        """Yield the sessions with rows after a rowid, as they were written, with the lowest order of those rows."""
        table = self._table
        sql = (
            f'SELECT min(rowid) AS first, CAST("{table.session}" AS BLOB), min("{table.order}") '  # noqa: S608
            f'FROM "{table.name}" WHERE rowid > :marked '
            f'GROUP BY "{table.session}" HAVING first > :after ORDER BY first'
        )
        after = LOWEST_ROWID
        while page := database.page(sql, {"marked": marked, "after": after}):
            for first, session, order in page:
                after = behind(after, first)
                yield text(session), order if isinstance(order, int) else LOWEST_ROWID

    def _session(self, database: Database, session: Session, counted: _Counted | None = None) -> Iterator[Span]:
        place = self._place(database, session.id)
        parser = self._table.parser(session, Checkpoint(place.offset, place.state) if place.state is not None else None)
        offset = place.offset
        ends = deque([place], maxlen=_PLACES)
        titles = (Title(session.id, session.title),) if session.title else ()
        for row in self._session_rows(database, session.id, place.order):
            read = parser.feed(Line(offset, row.line)) if row.line else [Span(offset, row.size, defect="too_long")]
            offset += len(row.line) or row.size
            ends.append(_Place(row.order, row.number, offset))
            if counted:
                counted.add(session.id, row)
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
            return _Place(LOWEST_ROWID, 0, 0)
        place = _Place(*known)
        table = self._table
        sql = f'SELECT rowid FROM "{table.name}" WHERE "{table.session}" = :session AND "{table.order}" = :order'  # noqa: S608
        row = database.first(sql, {"session": session, "order": place.order})
        is_there = place.order == LOWEST_ROWID or (row is not None and row[0] == place.rowid)
        return place if is_there else _Place(LOWEST_ROWID, 0, 0)

    def _remember(self, session: str, reached: Checkpoint, ends: Iterable[_Place]) -> None:
        for place in ends:
            if place.offset == reached.offset:
                self._places[session] = list(place._replace(state=dict(reached.state)))
        while len(self._places) > MAX_SESSIONS:
            del self._places[next(iter(self._places))]

    def _session_rows(self, database: Database, session: str, after: int) -> Iterator[_Row]:
        """Yield the rows of a session in their order."""
        table = self._table
        order_of = f'"{table.order}"'
        condition = f'"{table.session}" = :session AND {order_of} > :after AND rowid <= :last ORDER BY {order_of}'
        sql = self._sql(database, condition)
        while page := database.page(sql, {"session": session, "after": after, "last": self._last}):
            for _, order, number, size, *data in page:
                after = behind(after, order)
                yield self._row(session, order, number, size, data)

    def _table_rows(self, database: Database) -> Iterator[tuple[str, _Row]]:
        """Yield every row with its session."""
        sql = self._sql(database, "rowid > :after AND rowid <= :last ORDER BY rowid")
        after = LOWEST_ROWID
        while page := database.page(sql, {"last": self._last, "after": after}):
            for session_id, order, number, size, *data in page:
                after = behind(after, number)
                session = text(session_id)
                yield session, self._row(session, order, number, size, data)

    def _sql(self, database: Database, condition: str) -> str:
        table = self._table
        known = database.columns(table.name)
        columns = [
            f'CASE WHEN octet_length("{name}") <= {limit} THEN CAST("{name}" AS BLOB) END' if name in known else "NULL"
            for name, limit in zip(table.data, chain([MAX_LINE], repeat(_MAX_BESIDE)), strict=False)
        ]
        return (
            f'SELECT CAST("{table.session}" AS BLOB), "{table.order}", rowid, octet_length("{table.data[0]}"), '  # noqa: S608
            f'{", ".join(columns)} FROM "{table.name}" WHERE {condition}'
        )

    def _row(self, session: str, order: int, number: int, size: int | None, data: Sequence[bytes | None]) -> _Row:
        length = size or 0
        line = self._table.line([value or b"" for value in data]) + b"\n" if length <= MAX_LINE else b""
        return _Row(order, number, line, length, row_digest((session.encode(), order, length, *data)))


def _description(session: Session) -> int:
    """Return the digest of what is known of a session: its title may come after its rows."""
    return row_digest((session.id.encode(), session.title.encode(), session.project.encode()))
