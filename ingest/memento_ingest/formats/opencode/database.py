"""opencode's database, `opencode*.db`: parts of messages (v1), or messages with all their content (v2).

A part is a record of its own in v1: it is written when it begins and updated in place until it is complete.
Where v2's table holds rows, v1's tables are left alone: they repeat what v2 has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from memento_ingest.formats.opencode.parts import SOURCE, Setting, read_message, read_part
from memento_ingest.formats.shared.database.row_changes import Column, Query
from memento_ingest.formats.shared.database.rows import Convert, Reading, Row, RowsReader
from memento_ingest.formats.shared.database.sqlite import Database, has_columns
from memento_ingest.formats.shared.thread import file_session
from memento_ingest.span import Checkpoint, SourceInfo
from memento_ingest.times import to_unix_ms

_V1: Final = {"message": "session_id", "part": "message_id"}
_V2: Final = {"session_message": "session_id"}

_SESSION: Final[Mapping[str, Column]] = {
    "session": Column("t", "session_id"),
    "created": Column("t", "time_created"),
    "directory": Column("s", "directory"),
    "title": Column("s", "title"),
    "parent": Column("s", "parent_id"),
}
_PARTS: Final = Query(
    table="part",
    id=("id",),
    data="data",
    context={
        **_SESSION,
        "role": Column("m", "data", "$.role"),
        "time": Column("m", "data", "$.time.created"),
        "model": Column("m", "data", "$.modelID"),
        "agent": Column("m", "data", "$.agent"),
        "summary": Column("m", "data", "$.summary"),
    },
    joins=(("message", "m", "m.id = t.message_id"), ("session", "s", "s.id = t.session_id")),
    updated="time_updated",
)
_MESSAGES: Final = Query(
    table="session_message",
    id=("id",),
    data="data",
    context={
        **_SESSION,
        "type": Column("t", "type"),
        "model": Column("t", "data", "$.model.id"),
        "agent": Column("t", "data", "$.agent"),
    },
    joins=(("session_v2", "s", "s.id = t.session_id"),),
    updated="time_updated",
)


class OpenCode:
    """opencode since 1.2."""

    name = SOURCE

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether it is a database with v1's or v2's tables."""
        return has_columns(head, info, _V1) or has_columns(head, info, _V2)

    def reader(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> RowsReader:
        """Return a reader of the new and changed parts or messages."""

        def choose(database: Database) -> Sequence[tuple[Query, Convert]]:
            return [(_MESSAGES, message)] if _has_v2(database) else [(_PARTS, part)]

        def part(row: Row) -> Reading:
            return read_part(row.id, row.value, _setting(row.context, info))

        def message(row: Row) -> Reading:
            return read_message(row.id, row.context["type"], row.value, _setting(row.context, info))

        return RowsReader(info, checkpoint, choose)


def _has_v2(database: Database) -> bool:
    table = _MESSAGES.table
    return table in database.tables() and database.first(f"SELECT 1 FROM {table} LIMIT 1", {}) is not None  # noqa: S608


def _setting(context: Mapping[str, str], info: SourceInfo) -> Setting:
    return Setting(
        session=context["session"] or file_session(info),
        role=context.get("role", ""),
        time=to_unix_ms(context.get("time")) or to_unix_ms(context["created"]) or info.modified,
        project=context["directory"],
        title=context["title"],
        model=context["model"],
        agent=context["agent"],
        is_child=bool(context["parent"]),
        # A user's message has an object under this name, with the changes that followed it.
        is_summary=context.get("summary") == "1",
    )
