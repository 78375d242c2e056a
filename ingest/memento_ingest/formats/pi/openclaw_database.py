"""OpenClaw's database since 2026.8, `agents/<agent>/agent/openclaw-agent.sqlite`: each row is a line of a session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from memento_ingest.formats.pi.transcript import OpenClaw, PiDialect, PiState
from memento_ingest.formats.shared.agent_lines import AgentParser
from memento_ingest.formats.shared.database.session_rows import Session, SessionRowsReader, SessionTable
from memento_ingest.formats.shared.database.sqlite import Database, has_columns
from memento_ingest.span import Checkpoint, SourceInfo

_TABLE: Final = "transcript_events"
_DIALECT: Final = PiDialect(OpenClaw.name)


class OpenClawDatabase:
    """OpenClaw's sessions in SQLite."""

    name = "openclaw-sqlite"
    source = OpenClaw.name

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether it is a database with OpenClaw's events."""
        return has_columns(head, info, {_TABLE: "event_json"})

    def reader(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> SessionRowsReader:
        """Return a reader of the new events."""

        def parser(session: Session, start: Checkpoint | None) -> AgentParser[PiState]:
            return AgentParser(_DIALECT, info, start, session.id)

        table = SessionTable(_TABLE, "session_id", "seq", ("event_json",), _line, _describe, parser)
        return SessionRowsReader(info, checkpoint, table)


def _line(data: Sequence[bytes]) -> bytes:
    return data[0].replace(b"\n", b" ")


def _describe(_: Database, session: str) -> Session:
    return Session(session)
