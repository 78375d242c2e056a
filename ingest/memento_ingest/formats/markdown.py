"""Transcripts as Markdown or plain text: `User:`, `## Assistant`, `**You:**`, `### Claude (2026-01-02 10:00)`.

A marker stands at the beginning of a line, outside fences. The last message is open: `finish` yields it, and it is
read again from its marker when the source has grown. Its key must not change while it grows, so it is made of all
that was said before and of the message's first line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Final

from memento_ingest.formats.base import LineParser
from memento_ingest.formats.growing_text import Marker, Scan, TextParser, line_text
from memento_ingest.formats.sniffing import is_foreign
from memento_ingest.span import Checkpoint, SourceInfo
from memento_ingest.times import to_unix_ms
from memento_policies import Role

SPEAKERS: Final[Mapping[str, Role]] = {
    "user": "user",
    "human": "user",
    "me": "user",
    "you": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "claude": "assistant",
    "chatgpt": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "system": "system",
    "tool": "tool",
}
"""Who a marker's name stands for; names are compared without case."""

_SUFFIXES: Final = frozenset({"", ".md", ".markdown", ".txt", ".text"})
_MARKER_WITHIN: Final = 30
"""Lines that are not blank, among which a transcript's first marker is expected."""
# Possessive wherever two runs of blanks meet, so that a long blank line costs linear time.
_NAME: Final = rf"(?P<name>{'|'.join(SPEAKERS)})(?: said)?"
_STAMP: Final = r"(?:[ \t]*+[\[(](?P<time>[^\])]{1,40})[\])])?"
_HEADING: Final = re.compile(
    rf"#{{1,6}}[ \t]++(?:[^\w\s]{{1,4}}[ \t]*+)?{_NAME}{_STAMP}[*_: \t]*+(?P<rest>)", re.IGNORECASE
)
_BOLD: Final = re.compile(
    rf"(?P<bold>\*\*|__){_NAME}{_STAMP}:?(?P=bold){_STAMP.replace('time', 'late')}"
    r"(?:(?<=:\*\*|:__)|:|(?=[ \t]*$))[ \t]*(?P<rest>.*)",
    re.IGNORECASE,
)
_PLAIN: Final = re.compile(rf"{_NAME}{_STAMP}:(?=\s|$)[ \t]*(?P<rest>.*)", re.IGNORECASE)
_STAMP_BEGUN: Final = re.compile(rf"{_NAME}[*_ \t]*[\[(][^\])]{{0,40}}[\])]?[*_]*", re.IGNORECASE)
_FENCE: Final = re.compile(r" {0,3}(?P<fence>`{3,}|~{3,})(?P<info>.*)")


class Markdown:
    """A conversation written down for people."""

    name = "markdown"

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether a text file's head has a marker of the user and one of the assistant, and has one early."""
        if PurePath(info.name).suffix.lower() not in _SUFFIXES or is_foreign(info) or b"\0" in head:
            return False
        scan = _Scan()
        roles: set[Role] = set()
        lines = [text for raw in head.split(b"\n") if (text := line_text(raw)).strip()]
        for number, text in enumerate(lines):
            if (marker := scan.marker(text)) and marker.role:
                roles.add(marker.role)
            if not roles and number >= _MARKER_WITHIN:
                return False
        return {"user", "assistant"} <= roles

    def parser(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> LineParser:
        """Return a parser that begins at the checkpoint, or at offset 0."""
        return TextParser(self.name, _Scan(), info, checkpoint or Checkpoint(0, {}))


class _Scan(Scan):
    """Recognises markers line by line, knowing fences and which style the transcript uses."""

    def __init__(self) -> None:
        self.fence = ""
        self.plain = True
        """Whether a bare `Name:` counts: only until the first heading or bold marker, since in a transcript marked by
        those it is ordinary text."""

    def marker(self, text: str) -> Marker | None:
        fence = _FENCE.match(text)
        if self.fence:
            if fence and fence["fence"].startswith(self.fence) and not fence["info"].strip():
                self.fence = ""
            return None
        if fence:
            self.fence = fence["fence"]
            return None
        found = _read_marker(text)
        if found is None:
            return None
        marker, is_plain = found
        if is_plain and not self.plain:
            return None
        self.plain = is_plain
        return marker

    def may_become_marker(self, text: str) -> bool:
        core = text.lstrip("#*_ \t").rstrip("*_")
        begun = any(f"{name} said".startswith(core.lower()) for name in SPEAKERS)
        return begun or _STAMP_BEGUN.fullmatch(core) is not None


def _read_marker(text: str) -> tuple[Marker, bool] | None:
    """Return the marker and whether it is a bare `Name:`, which ordinary text may hold as well."""
    match = _HEADING.fullmatch(text) or _BOLD.fullmatch(text) or _PLAIN.fullmatch(text)
    if not match:
        return None
    named = match.groupdict()
    time = to_unix_ms(named["time"] or named.get("late"))
    return Marker(SPEAKERS[named["name"].lower()], time, named["rest"]), match.re is _PLAIN
