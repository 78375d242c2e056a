"""Reads the rows of a table that are new or have changed, and turns each into spans.

A database has no bytes that spans could tile. Its records are counted instead: a span is as long as its record's
JSON, offsets go on from record to record in the order of reading, and a record that is read again counts again. So
the ledger's bytes add up to the bytes read, here as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from memento_ingest.formats.shared.database.row_changes import ChangedRows, Query, TableRow
from memento_ingest.formats.shared.database.sqlite import Database, DatabaseDamaged
from memento_ingest.formats.shared.database.tables import text
from memento_ingest.jsonl import decode
from memento_ingest.span import LOOK_AGAIN, SAMPLE_BYTES, Checkpoint, SourceInfo, Span, Title
from memento_policies import Message


class Row(NamedTuple):
    """One record."""

    id: str
    value: Any
    """Its decoded JSON."""
    context: Mapping[str, str]
    """The query's other columns as text, empty where the database has no value or no such column."""


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
        self._info = info
        self._choose = choose
        self._offset = checkpoint.offset if checkpoint else 0
        state = checkpoint.state if checkpoint else {}
        self._marks: dict[str, Any] = {table: mark for table, mark in state.items() if isinstance(mark, dict)}
        self._compare_at = 0

    def spans(self) -> Iterator[Span]:
        """Yield the spans of every record that is new or has changed. Raises OSError."""
        with Database(self._info.path) as database:
            chosen = self._choose(database)
            for query, convert in chosen:
                changed = ChangedRows(database, query, self._marks.get(query.table, {}), live=self._info.live)
                try:
                    for row in changed.rows():
                        yield from self._record(query, convert, row)
                except DatabaseDamaged:
                    sample = f"{query.table}, behind the row {changed.last}".encode()
                    yield Span(self._offset, 0, defect="damaged_database", sample=sample)
                self._marks[query.table] = changed.mark
                self._compare_at = max(self._compare_at, changed.compare_at)
            read = {query.table for query, _ in chosen}
            self._marks = {table: mark for table, mark in self._marks.items() if table in read and mark}

    def checkpoint(self) -> Checkpoint:
        """Return the bytes read so far, and the marks of the tables that were read to their end."""
        pending = {LOOK_AGAIN: self._compare_at} if self._compare_at else {}
        return Checkpoint(self._offset, {**self._marks, **pending})

    def waiting(self) -> int:
        """Return about how many rows the next run would read as new or changed. Raises OSError."""
        with Database(self._info.path) as database:
            return sum(
                ChangedRows(database, query, self._marks.get(query.table, {}), live=self._info.live).count()
                for query, _ in self._choose(database)
            )

    def _record(self, query: Query, convert: Convert, row: TableRow) -> Iterator[Span]:
        offset, size = self._offset, row.size
        value, defect = decode(row.data) if row.data is not None else (None, "too_long" if size else "")
        if defect:
            sample = f"{query.table} {row.id}: ".encode() + (row.data or b"")
            yield Span(offset, size, defect=defect, sample=sample[:SAMPLE_BYTES])
        else:
            context = dict(zip(query.context, map(text, row.context), strict=True))
            yield from convert(Row(row.id, value, context)).spans(offset, size)
        self._offset = offset + size
