"""Goose's sessions before it kept them in SQLite: `sessions/<id>.jsonl`, a line of metadata and one a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from memento_ingest.formats.goose.messages import read_message
from memento_ingest.formats.shared.agent_lines import AgentParser, sniff_records
from memento_ingest.formats.shared.excerpt import string
from memento_ingest.formats.shared.statement import State, Statement, unknown
from memento_ingest.span import Checkpoint, SourceInfo

SOURCE: Final = "goose"
_METADATA: Final = ("working_dir", "message_count", "extension_data")


class GooseDialect:
    """Reads a session's lines."""

    source = SOURCE
    state = State

    def is_record(self, value: Mapping[str, Any]) -> bool:
        """Tell whether an object is a session's metadata or a message."""
        if "role" in value:
            return "created" in value and isinstance(value.get("content"), list)
        return "description" in value and any(name in value for name in _METADATA)

    def read(self, value: Mapping[str, Any], state: State) -> Statement:
        """Return what a line says."""
        if "role" in value:
            return read_message(value, state.at(value.get("created")))
        if "description" in value or "working_dir" in value:
            state.belongs_to(value.get("id"))
            state.works_in(value.get("working_dir"))
            state.at(value.get("created_at"))
            return Statement(title=string(value.get("description")))
        return unknown(value.get("type"))


_DIALECT: Final = GooseDialect()


class GooseJsonl:
    """The line format of Goose."""

    name = "goose-jsonl"
    source = SOURCE

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether the first line is a session's metadata: messages alone look like any other's."""
        first = head.partition(b"\n")[0]
        return b'"role"' not in first and sniff_records(_DIALECT, first)

    def parser(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> AgentParser[State]:
        """Return a parser that begins at the checkpoint, or at offset 0."""
        return AgentParser(_DIALECT, info, checkpoint)
