"""Which rows of a table are new or have changed since it was last read.

A mark says how far a table was read: its last row, the latest change, and the digests of all rows until there. Rows
after the mark are found fast. What a mark cannot show (rows imported or replaced before it, changes with an older or a
wrong time) is found by comparing the digests: in every run of `ingest`, and at intervals while a database is followed,
at once where the marked row is gone or is another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from memento.base.times import now_ms
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
    as_text,
    behind,
    identity_text,
    marked_rowid,
    newest,
    require,
    text,
)
from memento_ingest.lines import MAX_LINE

OVERLAP_MS: Final = 10_000
"""Rows that changed this long before the newest one are read again: writers commit a little out of order."""

_MAX_JSON: Final = 16 * 1024 * 1024


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
    """The column with the Unix milliseconds of a row's last change; without one, a change mostly gives a new rowid."""
    where: str = "1"


class TableRow(NamedTuple):
    """A row as the table has it."""

    number: int
    id: str
    data: bytes | None
    """None where it is too long."""
    size: int
    context: Sequence[bytes | None]

    @property
    def digest(self) -> int:
        """The digest of all that is read of it, without its row number, which VACUUM changes."""
        return row_digest((self.id.encode(), self.size, self.data, *self.context))


class ChangedRows:
    """The rows of one query that are new or have changed since its mark was taken.

    `mark` becomes the new one when all were read. It is taken before they are, so what changes meanwhile is read now
    or next time, or both; its digests cover the rows up to its own.
    """

    def __init__(self, database: Database, query: Query, mark: Mapping[str, Any], *, live: bool) -> None:
        require(database, query.table, (*query.id, query.data))
        self._database, self._query, self._live = database, query, live
        has_time = query.updated in database.columns(query.table)
        self._updated = f'CAST(t."{query.updated}" AS INTEGER)' if has_time else ""
        self._known = RowDigests.of_mark(mark)
        self._marked = marked_rowid(database, query.table, query.id, mark)
        self.mark: Mapping[str, Any] = mark
        self.compare_at = 0
        """When the rows that the mark does not show are to be looked for, Unix milliseconds; 0 = that was done."""
        self.last = "none"

    def rows(self) -> Iterator[TableRow]:
        """Yield each row. Raises DatabaseDamaged after the rows that can be read."""
        due = next_comparison(self.mark)
        if self._live and self._known and self._marked is not None and due > now_ms():
            self.compare_at = due
            yield from self._after_mark(self._known, self._marked)
        else:
            yield from self._compared()

    def count(self) -> int:
        """Return how many rows are new, and at least how many have changed."""
        known, marked = self._known, self._marked
        if self._live and known and marked is not None:
            changed = f" OR {self._updated} BETWEEN :since AND :until" if self._updated else ""
            limits = self._window(since=self._since() + OVERLAP_MS + 1)
            return sum(1 for _ in self._pages(f"(t.rowid > :marked{changed})", {"marked": marked, **limits}))
        rows, new = RowDigests(), 0
        for row in self._pages():
            if known and not self._is_new(row):
                rows.add(row.id, row.digest)
            else:
                new += 1
        return new + (len(rows.differing(known)) if known else 0)

    def _compared(self) -> Iterator[TableRow]:
        """Yield the rows after the mark and those of the groups that differ, or all where nothing is known of them."""
        timer = ComparisonTimer()
        found, digests = dict[str, Any](), RowDigests()
        changed: frozenset[int] | None = None
        damage: DatabaseDamaged | None = None
        try:
            found = self._newest()
            if self._known:
                digests, changed = self._compare(self._known, found)
        except DatabaseDamaged as error:
            damage = error  # the rows before the damage are read all the same
        try:
            yield from self._every(digests, found) if changed is None else self._differing(changed)
            if damage:
                raise damage
        except DatabaseDamaged:
            if self._known:  # a damaged database that is still written to is not read whole after every write
                self.mark = {**self.mark, **timer.stamp()}
            raise
        self.mark = {**found, "digests": digests.to_json(), **timer.stamp()}

    def _compare(self, known: RowDigests, found: Mapping[str, Any]) -> tuple[RowDigests, frozenset[int]]:
        """Return the digests of all rows, and the groups whose rows are not what they were when the mark was taken."""
        digests, new = RowDigests(), RowDigests()
        for row in self._pages("t.rowid <= :last", {"last": found.get("rowid", LOWEST_ROWID)}):
            (new if self._is_new(row) else digests).add(row.id, row.digest)
        changed = digests.differing(known)
        digests.add_all(new)
        return digests, changed

    def _every(self, digests: RowDigests, found: Mapping[str, Any]) -> Iterator[TableRow]:
        for row in self._pages():
            if row.number <= found.get("rowid", LOWEST_ROWID):
                digests.add(row.id, row.digest)
            yield row

    def _differing(self, changed: frozenset[int]) -> Iterator[TableRow]:
        if changed:
            yield from (row for row in self._pages() if self._is_new(row) or group_of(row.id) in changed)
        elif self._marked is not None:
            yield from self._pages(after=self._marked)

    def _is_new(self, row: TableRow) -> bool:
        return self._marked is not None and row.number > self._marked

    def _after_mark(self, known: RowDigests, marked: int) -> Iterator[TableRow]:
        """Yield the rows after the mark and those that changed lately."""
        found = self._newest()
        # Without a time, the marked row may have been replaced by one with the same number.
        changed = f"t.rowid > :marked OR {self._updated} BETWEEN :since AND :until" if self._updated else ""
        condition = f"({changed or 't.rowid >= :marked'})"
        for row in self._pages(condition, {"marked": marked, **self._window(since=self._since())}):
            if marked < row.number <= found.get("rowid", LOWEST_ROWID):
                known.add(row.id, row.digest)
            yield row
        self.mark = {**self.mark, **found, "digests": known.to_json()}

    def _since(self) -> int:
        """Return the time from which a change may be unread; the clock may have been set back since the mark."""
        latest = self.mark.get("updated")
        return min(latest if isinstance(latest, int) else HIGHEST_ROWID, now_ms()) - OVERLAP_MS

    def _window(self, since: int) -> dict[str, int]:
        """Return the times of late changes. A row stamped further ahead would be read each time: a comparison does."""
        return {"since": since, "until": now_ms() + OVERLAP_MS}

    def _newest(self) -> dict[str, Any]:
        mark = newest(self._database, self._query.table, self._query.id)
        if mark and self._updated:
            sql = f'SELECT max({self._updated}) FROM "{self._query.table}" AS t WHERE {self._updated} <= :now'  # noqa: S608
            mark["updated"] = (self._database.first(sql, {"now": now_ms()}) or (None,))[0]
        return mark

    def _pages(
        self, condition: str = "1", parameters: Mapping[str, Any] | None = None, after: int = LOWEST_ROWID
    ) -> Iterator[TableRow]:
        """Yield the rows under a condition, by their numbers."""
        sql = self._sql(condition)
        given = {"max": MAX_LINE, **(parameters or {})}
        while page := self._database.page(sql, {**given, "after": after}):
            for rowid, row_id, data, size, *context in page:
                after = behind(after, rowid)
                self.last = text(row_id)
                yield TableRow(rowid, self.last, data, size or 0, context)

    def _sql(self, condition: str) -> str:
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
            identity_text(query.id),
            # The length of a value is known without reading it.
            f'CASE WHEN octet_length(t."{query.data}") <= :max THEN CAST(t."{query.data}" AS BLOB) END',
            f'octet_length(t."{query.data}")',
            *context,
        ]
        return (
            f'SELECT {", ".join(columns)} FROM "{query.table}" AS t {" ".join(joins)} '  # noqa: S608
            f"WHERE t.rowid > :after AND {condition} AND {query.where} ORDER BY t.rowid"
        )

    def _expression(self, column: Column, table: str) -> str:
        if column.name not in self._database.columns(table):
            return "NULL"
        name = f'{column.alias}."{column.name}"'
        if column.json:
            is_read = f"octet_length({name}) <= {_MAX_JSON} AND json_valid({name})"
            name = f"CASE WHEN {is_read} THEN json_extract({name}, '{column.json}') END"
        return as_text(name)
