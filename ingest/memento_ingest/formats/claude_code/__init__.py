"""Claude Code transcripts: `~/.claude/projects/<slug>/<session>.jsonl` and the files of its subagents.

The format is undocumented; it follows what released versions up to 2.1 write and what public parsers know of them.
"""

from __future__ import annotations

import re
from typing import Final

from memento_ingest.formats.claude_code.items import KNOWN_TYPES
from memento_ingest.formats.claude_code.parser import SOURCE, ClaudeCodeParser
from memento_ingest.jsonl import records
from memento_ingest.span import Checkpoint, Line, SourceInfo

__all__ = ["ClaudeCode", "ClaudeCodeParser"]

_SNIFFED_LINES: Final = 50
_TREE_FIELDS: Final = frozenset({"sessionId", "uuid", "parentUuid", "leafUuid", "messageId"})
# For a first line longer than the head: the fields Claude Code puts first.
_BEGINNING: Final = re.compile(rb'\s*\{\s*"(?:parentUuid|type)"\s*:.{0,600}?"(?:isSidechain|sessionId)"\s*:', re.DOTALL)


class ClaudeCode:
    """The line format of Claude Code."""

    name = SOURCE

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether one of the first lines is a record of Claude Code's."""
        lines = head.split(b"\n")
        if len(lines) == 1:
            return _is_record(lines[0]) or _BEGINNING.match(head) is not None
        return any(_is_record(line) for line in lines[:_SNIFFED_LINES])

    def parser(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> ClaudeCodeParser:
        """Return a parser that begins at the checkpoint, or at offset 0."""
        return ClaudeCodeParser(info, checkpoint)


def _is_record(data: bytes) -> bool:
    for record in records(Line(0, data)):
        value = record.value
        if not isinstance(value, dict):
            continue
        if value.get("type") in ("user", "assistant"):
            if isinstance(value.get("message"), dict) and "parts" not in value["message"]:
                return True
        elif value.get("type") in KNOWN_TYPES and not _TREE_FIELDS.isdisjoint(value):
            return True
    return False
