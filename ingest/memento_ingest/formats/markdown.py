"""Transcripts as Markdown or plain text: `User:`, `## Assistant`, `**You:**`, `### Claude (2026-01-02 10:00)`.

A marker stands at the beginning of a line, outside fences. The last message is open: `finish` yields it, and it is
read again from its marker when the source has grown. Its key must not change while it grows, so it is made of all
that was said before and of the message's first line.
"""

from __future__ import annotations

import codecs
import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, Final, NamedTuple

from memento_ingest.formats.base import LineParser
from memento_ingest.formats.sniffing import is_foreign
from memento_ingest.formats.thread import chain_key, file_session
from memento_ingest.span import Checkpoint, Line, SourceInfo, Span
from memento_ingest.times import to_unix_ms
from memento_policies import Message, Role

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

MAX_MESSAGE: Final = 4 * 1024 * 1024
"""Characters of one message; the lines after them are skipped up to the next marker."""

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


class _Marker(NamedTuple):
    role: Role
    time: int | None
    rest: str
    plain: bool
    """Whether it is a bare `Name:`, which ordinary text may hold as well."""


class Markdown:
    """A conversation written down for people."""

    name = "markdown"

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether a text file's head has a marker of the user and one of the assistant, and has one early."""
        if PurePath(info.name).suffix.lower() not in _SUFFIXES or is_foreign(info) or b"\0" in head:
            return False
        scan = _Scan()
        roles: set[Role] = set()
        lines = [text for raw in head.split(b"\n") if (text := _text(raw)).strip()]
        for number, text in enumerate(lines):
            if marker := scan.marker(text):
                roles.add(marker.role)
            if not roles and number >= _MARKER_WITHIN:
                return False
        return {"user", "assistant"} <= roles

    def parser(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> LineParser:
        """Return a parser that begins at the checkpoint, or at offset 0."""
        return _Parser(self.name, info, checkpoint or Checkpoint(0, {}))


class _Scan:
    """Recognises markers line by line, knowing fences and which style the transcript uses."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        state = state or {}
        self.fence = str(state.get("fence", ""))
        self.plain = bool(state.get("plain", True))
        """Whether a bare `Name:` counts: only until the first heading or bold marker, since in a transcript marked by
        those it is ordinary text."""

    def marker(self, text: str) -> _Marker | None:
        fence = _FENCE.match(text)
        if self.fence:
            if fence and fence["fence"].startswith(self.fence) and not fence["info"].strip():
                self.fence = ""
            return None
        if fence:
            self.fence = fence["fence"]
            return None
        marker = _read_marker(text)
        if marker is None or (marker.plain and not self.plain):
            return None
        self.plain = marker.plain
        return marker


def _read_marker(text: str) -> _Marker | None:
    match = _HEADING.fullmatch(text) or _BOLD.fullmatch(text) or _PLAIN.fullmatch(text)
    if not match:
        return None
    named = match.groupdict()
    time = to_unix_ms(named["time"] or named.get("late"))
    return _Marker(SPEAKERS[named["name"].lower()], time, named["rest"], plain=match.re is _PLAIN)


def _may_become_marker(text: str) -> bool:
    core = text.lstrip("#*_ \t").rstrip("*_")
    begun = any(f"{name} said".startswith(core.lower()) for name in SPEAKERS)
    return begun or _STAMP_BEGUN.fullmatch(core) is not None


def _text(raw: bytes) -> str:
    # Not final: a character that the end of a growing source cuts in two is left for the next reading.
    text, _ = codecs.utf_8_decode(raw, "replace", False)
    return text.removeprefix("\ufeff").replace("\0", "").rstrip("\r\n")


class _Open(NamedTuple):
    """The message that is being read."""

    offset: int
    role: Role
    time: int
    lines: list[str]


class _Parser:
    def __init__(self, source: str, info: SourceInfo, checkpoint: Checkpoint) -> None:
        state = checkpoint.state
        self._source = source
        self._info = info
        self._offset = checkpoint.offset
        self._scan = _Scan(state)
        self._chain = str(state.get("chain", ""))
        self._time = int(state.get("time", 0))
        self._skipping = str(state.get("skipping", "preamble"))
        self._open: _Open | None = None
        self._size = 0
        self._resume = Checkpoint(self._offset, self._state())
        self._tail: Line | None = None

    def feed(self, line: Line) -> Iterator[Span]:
        if not line.data.endswith(b"\n"):
            self._tail = line
            return
        self._tail = None
        yield from self._take(line)

    def finish(self) -> Iterator[Span]:
        ahead = copy.copy(self)
        ahead._scan = copy.copy(self._scan)
        if self._open:
            ahead._open = self._open._replace(lines=[*self._open.lines])
        tail = self._tail
        # Half a marker is not yet part of a message: the message would be shorter once the marker is complete.
        begun = tail is not None and _may_become_marker(_text(tail.data))
        if tail is not None and not begun:
            yield from ahead._take(tail)
        yield from ahead._close()
        if tail is not None and begun:
            yield Span(tail.offset, len(tail.data), skipped="unterminated")

    def checkpoint(self) -> Checkpoint:
        return self._resume if self._open else Checkpoint(self._offset, self._state())

    def _state(self) -> dict[str, Any]:
        scan = self._scan
        return {
            "chain": self._chain,
            "time": self._time,
            "skipping": self._skipping,
            "fence": scan.fence,
            "plain": scan.plain,
        }

    def _take(self, line: Line) -> Iterator[Span]:
        if line.offset != self._offset:
            # A line too long to hold lay between.
            yield from self._close()
            self._offset = line.offset
            self._skipping = "too_long"
        text = _text(line.data)
        plain_before = self._scan.plain
        marker = self._scan.marker(text)
        if marker:
            yield from self._close()
            self._resume = Checkpoint(line.offset, {**self._state(), "plain": plain_before})
            self._open = _Open(line.offset, marker.role, marker.time or self._time, [marker.rest])
            self._size = len(marker.rest)
        elif self._open and self._size + len(text) <= MAX_MESSAGE:
            self._open.lines.append(text)
            self._size += len(text) + 1
        else:
            if self._open:
                yield from self._close()
                self._skipping = "too_long"
            yield Span(line.offset, len(line.data), skipped=self._skipping)
        self._offset = line.end

    def _close(self) -> Iterator[Span]:
        """Yield the open message, if there is one, and take it into the chain."""
        opened, self._open = self._open, None
        if opened is None:
            return
        length = self._offset - opened.offset
        text = "\n".join(opened.lines).strip()
        if not text:
            yield Span(opened.offset, length, skipped="empty")
            return
        key = chain_key(self._chain, opened.role, text.partition("\n")[0])
        self._chain = chain_key(key, opened.role, text)
        self._time = opened.time
        message = Message(
            role=opened.role,
            text=text,
            timestamp=opened.time or self._info.modified,
            source=self._source,
            session_id=file_session(self._info),
            key=key,
            kind="tool_call" if opened.role == "tool" else "turn",
        )
        yield Span(opened.offset, length, messages=(message,))
