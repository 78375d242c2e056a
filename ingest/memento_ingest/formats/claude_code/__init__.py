"""Claude Code transcripts: `~/.claude/projects/<slug>/<session>.jsonl` and the files of its subagents.

The format is undocumented; it follows what released versions up to 2.1 write and what public parsers know of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from memento_ingest.formats.claude_code.items import KNOWN_TYPES
from memento_ingest.formats.claude_code.parser import SOURCE, ClaudeCodeParser
from memento_ingest.formats.shared.sniffing import first_value
from memento_ingest.jsonl import decode, records
from memento_ingest.span import Checkpoint, Line, SourceInfo

__all__ = ["ClaudeCode", "ClaudeCodeParser"]

_SNIFFED_LINES: Final = 50
_TREE_FIELDS: Final = frozenset({"sessionId", "uuid", "parentUuid", "leafUuid", "messageId"})
_SPEAKERS: Final = ("user", "assistant")


class ClaudeCode:
    """The line format of Claude Code."""

    name = SOURCE

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether the first lines have a record of Claude Code's, and none of an agent's that imitates it."""
        lines = head.split(b"\n")
        if len(lines) == 1 and decode(head)[1]:
            return _is_cut_record(first_value(head))
        values = [record.value for data in lines[:_SNIFFED_LINES] for record in records(Line(0, data))]
        found = [value for value in values if isinstance(value, dict)]
        return any(map(_is_record, found)) and not any(map(_is_imitation, found))

    def parser(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> ClaudeCodeParser:
        """Return a parser that begins at the checkpoint, or at offset 0."""
        return ClaudeCodeParser(info, checkpoint)


def _is_record(value: Mapping[str, Any]) -> bool:
    if value.get("type") in _SPEAKERS:
        message = value.get("message")
        return isinstance(message, dict) and isinstance(message.get("content"), str | list)
    return value.get("type") in KNOWN_TYPES and not _TREE_FIELDS.isdisjoint(value)


def _is_cut_record(value: object) -> bool:
    """Tell whether a line too long to be read whole begins a record; of its message there may be no more than that."""
    if not isinstance(value, dict) or _TREE_FIELDS.isdisjoint(value) or _is_imitation(value):
        return False
    return value.get("type") in KNOWN_TYPES and isinstance(value.get("message", {}), dict)


def _is_imitation(value: Mapping[str, Any]) -> bool:
    """Tell the records of agents that took over the envelope and put other messages into it (Qwen Code)."""
    message = value.get("message")
    if isinstance(message, dict) and ("parts" in message or message.get("role") == "model"):
        return True
    return value.get("type") == "tool_result" or "systemPayload" in value
