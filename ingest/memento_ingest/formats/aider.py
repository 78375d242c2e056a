"""Aider's `.aider.chat.history.md`, to which every run is appended.

A run begins with `# aider chat started at <local time>`; lines of `#### ` are the user's, lines of `> ` Aider's own
(what it applied, committed, asked), and all others the assistant's. Aider ends its own lines with two spaces: once a
user's line of a run has them, a heading of the assistant's is told from a prompt.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import PurePath
from typing import Final

from memento_ingest.formats.base import LineParser
from memento_ingest.formats.shared.growing_text import Marker, Scan, TextParser, line_text
from memento_ingest.span import Checkpoint, SourceInfo
from memento_policies import Role

SOURCE: Final = "aider"
_NAME: Final = ".aider.chat.history.md"
_RUN: Final = re.compile(r"# aider chat started at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\s*")
_USER: Final = "#### "
_TOOL: Final = "> "
_FENCE: Final = re.compile(r"(`{3,}|~{3,})")
_MAX_BLANKS: Final = 5


class _Scan(Scan):
    """Tells who speaks by how a line begins; what a fence holds is the assistant's."""

    def __init__(self) -> None:
        self.role = ""
        self.fence = ""
        self.ends_marked = False
        """Whether the run's prompts end with two spaces."""

    def marker(self, text: str) -> Marker | None:
        if run := _RUN.fullmatch(text):
            self.role, self.fence, self.ends_marked = "", "", False
            return Marker(None, _local_time(run[1]), text.strip())
        role = self._role(text)
        if role is None or role == self.role:
            return None
        self.role = role
        return Marker(role, rest=text)

    def _role(self, text: str) -> Role | None:
        """Return who speaks in the line, or None where a blank line lets the last one go on."""
        is_marked = text.endswith("  ")
        if text.startswith(_USER) and (is_marked or not (self.ends_marked or self.fence)):
            self.ends_marked, self.fence = self.ends_marked or is_marked, ""
            return "user"
        if self.role == "assistant" and (fence := _FENCE.match(text)):
            if not self.fence:
                self.fence = fence[1]
            elif fence[1].startswith(self.fence):
                self.fence = ""
            return "assistant"
        if self.fence or not text.strip():
            return None
        if text.startswith(_TOOL) and not (self.ends_marked and self.role == "assistant" and not is_marked):
            return "tool"
        if fence := _FENCE.match(text):
            self.fence = fence[1]
        return "assistant"

    def may_become_marker(self, text: str) -> bool:
        # Aider writes whole lines, so what is unfinished now is finished soon.
        return True

    def read(self, role: Role, text: str) -> str:
        prefix = {"user": _USER, "tool": _TOOL}.get(role, "")
        return "\n".join(line.removeprefix(prefix).rstrip() for line in text.split("\n"))


def _local_time(text: str) -> int | None:
    try:
        return max(int(datetime.fromisoformat(text).timestamp() * 1000), 0) or None
    except (ValueError, OverflowError, OSError):
        return None


class Aider:
    """The line format of Aider."""

    name = SOURCE

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether the first line that is not blank begins a run."""
        lines = (line_text(raw) for raw in head.split(b"\n", _MAX_BLANKS)[:_MAX_BLANKS])
        return any(_RUN.fullmatch(line) for line in lines if line.strip())

    def parser(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> LineParser:
        """Return a parser that begins at the checkpoint, or at offset 0."""
        # The history lies in the root of the repository Aider works in.
        project = str(PurePath(info.path).parent) if info.path and info.name == _NAME else ""
        return TextParser(self.name, _Scan(), info, checkpoint or Checkpoint(0, {}), project)
