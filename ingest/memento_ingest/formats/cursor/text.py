"""Cursor CLI's older transcripts, as text: `agent-transcripts/<id>.txt`.

`user:` and `assistant:` stand alone on their lines; the prompt is wrapped in `<user_query>`. Among the assistant's
lines `[Thinking]`, `[Tool call]` and `[Tool result]` begin paragraphs that are not its answer.
"""

from __future__ import annotations

import re
from typing import Final

from memento_ingest.formats.base import LineParser
from memento_ingest.formats.cursor.cli import SOURCE, user_query
from memento_ingest.formats.shared.growing_text import Marker, Scan, TextParser, line_text
from memento_ingest.span import Checkpoint, SourceInfo
from memento_policies import Role

_SPEAKERS: Final[dict[str, Role]] = {"user:": "user", "assistant:": "assistant"}
_QUERY: Final = b"<user_query>"
# A paragraph of the assistant's that is not its answer: to the next blank line, or for a call to the end of its
# indented arguments.
_ASIDE: Final = re.compile(r"(?m)^\[(?:Thinking|Tool call|Tool result)\][^\n]*(?:\n[^\n\[][^\n]*)*\n?")


class _Scan(Scan):
    """Knows the speakers' lines; within a query they are text."""

    def __init__(self) -> None:
        self.quoted = False
        """Whether a `<user_query>` is open."""

    def marker(self, text: str) -> Marker | None:
        role = _SPEAKERS.get(text.strip())
        if role and not self.quoted:
            return Marker(role)
        if "<user_query>" in text:
            self.quoted = True
        if "</user_query>" in text:
            self.quoted = False
        return None

    def may_become_marker(self, text: str) -> bool:
        return any(speaker.startswith(text.strip()) for speaker in _SPEAKERS)

    def read(self, role: Role, text: str) -> str:
        return user_query(text) if role == "user" else _ASIDE.sub("", text)


class CursorText:
    """The text format of Cursor CLI."""

    name = "cursor-text"
    source = SOURCE

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether the first line is a speaker's and a wrapped prompt follows."""
        first, _, rest = head.lstrip().partition(b"\n")
        return line_text(first).strip() == "user:" and rest.lstrip().startswith(_QUERY)

    def parser(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> LineParser:
        """Return a parser that begins at the checkpoint, or at offset 0."""
        return TextParser(SOURCE, _Scan(), info, checkpoint or Checkpoint(0, {}))
