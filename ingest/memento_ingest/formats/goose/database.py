"""Goose's database, `sessions.db`: one row a message, in the order they were said.

Rows are added and never changed; a conversation that is replaced gets new rows. Pairs and keys are those of the line
format before it, so a session that moved into the database is not stored twice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from memento_ingest.formats.goose.lines import SOURCE, GooseDialect
from memento_ingest.formats.shared.agent_lines import AgentParser
from memento_ingest.formats.shared.database.session_rows import Session, SessionRowsReader, SessionTable
from memento_ingest.formats.shared.database.sqlite import Database, has_columns
from memento_ingest.formats.shared.database.tables import as_text, text
from memento_ingest.formats.shared.statement import State
from memento_ingest.jsonl import decode
from memento_ingest.span import Checkpoint, SourceInfo

_TABLE: Final = "messages"
_DATA: Final = ("content_json", "role", "created_timestamp", "metadata_json")
_DIALECT: Final = GooseDialect()


class Goose:
    """Goose's sessions since it keeps them in SQLite."""

    name = "goose"
    source = SOURCE

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether it is a database with Goose's messages."""
        return has_columns(head, info, {_TABLE: "content_json", "sessions": "id"})

    def reader(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> SessionRowsReader:
        """Return a reader of the new messages."""

        def parser(session: Session, start: Checkpoint | None) -> AgentParser[State]:
            known = {"session": session.id, "project": session.project}
            return AgentParser(_DIALECT, info, start or Checkpoint(0, known), session.id)

        table = SessionTable(_TABLE, "session_id", "id", _DATA, _line, _describe, parser)
        return SessionRowsReader(info, checkpoint, table)


def _line(data: Sequence[bytes]) -> bytes:
    """Return a row as the line it would be in a session's file; broken content makes a broken line."""
    content, role, created, metadata = data
    known, defect = decode(metadata) if metadata else (None, "")
    head: dict[str, Any] = {"role": text(role), "created": text(created), "metadata": None if defect else known}
    return json.dumps(head).encode()[:-1] + b', "content": ' + content.replace(b"\n", b" ") + b"}"


def _describe(database: Database, session: str) -> Session:
    """Return the session's folder and title: the name it was given, else Goose's description of it."""
    known = database.columns("sessions")
    columns = [as_text(f'"{name}"') if name in known else "NULL" for name in ("working_dir", "name", "description")]
    row = None
    if "id" in known:
        row = database.first(f"SELECT {', '.join(columns)} FROM sessions WHERE id = :id", {"id": session})  # noqa: S608
    project, name, description = map(text, row or (None, None, None))
    return Session(session, title=name or description, project=project)
