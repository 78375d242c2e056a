"""Transcripts written as text, in which a message may still grow: the parser they share.

A scan tells which lines begin a message. The last message is open: `finish` yields it, and it is read again from its
first line when the source has grown. Its key must not change while it grows, so it is made of all that was said before
and of the message's first line.
"""

from __future__ import annotations

import codecs
import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, Self

from memento_ingest.formats.shared.thread import chain_key, file_session
from memento_ingest.span import Checkpoint, Line, SourceInfo, Span
from memento_ingest.times import inheritable
from memento_policies import Message, Role

MAX_MESSAGE: Final = 4 * 1024 * 1024
"""Characters of one message; the lines after them are skipped up to the next marker."""


class Marker(NamedTuple):
    """A line that begins a message, or with no role one that begins another conversation."""

    role: Role | None
    time: int | None = None
    """Unix milliseconds."""
    rest: str = ""
    """What the line says of the message."""


class Scan:
    """Recognises markers. Its attributes are its state: strings, numbers and flags, never text of a message."""

    def marker(self, text: str) -> Marker | None:
        """Return what the line begins, or None if it goes on with what was begun."""
        raise NotImplementedError

    def may_become_marker(self, text: str) -> bool:
        """Tell whether an unfinished line may turn out to be a marker, or the first line of a message."""
        raise NotImplementedError

    def read(self, role: Role, text: str) -> str:
        """Return what the speaker said, out of the message's lines."""
        return text

    def state(self) -> dict[str, Any]:
        """Return the attributes."""
        return vars(self).copy()

    def at(self, state: Mapping[str, Any]) -> Self:
        """Return a scan with the attributes a state has; those of another type are as at the beginning."""
        found = copy.copy(self)
        for name, value in vars(self).items():
            if type(state.get(name)) is type(value):
                setattr(found, name, state[name])
        return found


def line_text(raw: bytes) -> str:
    """Return a line without its end."""
    # Not final: a character that the end of a growing source cuts in two is left for the next reading.
    text, _ = codecs.utf_8_decode(raw, "replace", False)
    return text.removeprefix("\ufeff").replace("\0", "").rstrip("\r\n")


class _Open(NamedTuple):
    """The message that is being read."""

    offset: int
    role: Role
    time: int
    lines: list[str]


class TextParser:
    """A `LineParser` of one transcript."""

    def __init__(self, source: str, scan: Scan, info: SourceInfo, checkpoint: Checkpoint, project: str = "") -> None:
        state = checkpoint.state
        self._source = source
        self._info = info
        self._project = project
        self._offset = checkpoint.offset
        self._scan = scan.at(state)
        self._chain = str(state.get("chain", ""))
        self._time = int(state.get("time", 0))
        self._session = str(state.get("session", ""))
        self._skipping = str(state.get("skipping", "preamble"))
        self._open: _Open | None = None
        self._size = 0
        self._resume = Checkpoint(self._offset, self._state())
        self._tail: Line | None = None

    def feed(self, line: Line) -> Iterator[Span]:
        """Take a line; an unfinished one waits for the end of the source."""
        if not line.data.endswith(b"\n"):
            self._tail = line
            return
        self._tail = None
        yield from self._take(line)

    def finish(self) -> Iterator[Span]:
        """Yield the open message as far as it goes."""
        ahead = copy.copy(self)
        ahead._scan = copy.copy(self._scan)
        if self._open:
            ahead._open = self._open._replace(lines=[*self._open.lines])
        tail = self._tail
        # Half a marker is not yet part of a message: the message would be shorter once the marker is complete.
        begun = tail is not None and self._scan.may_become_marker(line_text(tail.data))
        if tail is not None and not begun:
            yield from ahead._take(tail)
        yield from ahead._close()
        if tail is not None and begun:
            yield Span(tail.offset, len(tail.data), skipped="unterminated")

    def checkpoint(self) -> Checkpoint:
        """Return the first line of the open message, or the end of what was fed."""
        return self._resume if self._open else Checkpoint(self._offset, self._state())

    def _state(self) -> dict[str, Any]:
        return {
            **self._scan.state(),
            "chain": self._chain,
            "time": self._time,
            "session": self._session,
            "skipping": self._skipping,
        }

    def _take(self, line: Line) -> Iterator[Span]:
        if line.offset != self._offset:
            # A line too long to hold lay between.
            yield from self._close()
            self._offset = line.offset
            self._skipping = "too_long"
        text = line_text(line.data)
        before = self._scan.state()
        marker = self._scan.marker(text)
        if marker and marker.role:
            yield from self._close()
            self._resume = Checkpoint(line.offset, {**self._state(), **before})
            self._open = _Open(line.offset, marker.role, marker.time or self._time, [marker.rest])
            self._size = len(marker.rest)
        elif marker:
            yield from self._close()
            self._begin(marker)
            yield Span(line.offset, len(line.data), skipped="metadata")
        elif self._open and self._size + len(text) <= MAX_MESSAGE:
            self._open.lines.append(text)
            self._size += len(text) + 1
        else:
            if self._open:
                yield from self._close()
                self._skipping = "too_long"
            yield Span(line.offset, len(line.data), skipped=self._skipping)
        self._offset = line.end

    def _begin(self, marker: Marker) -> None:
        """Begin another conversation: nothing said before is part of its keys."""
        self._chain = chain_key("", "", marker.rest)
        self._session = self._chain
        self._time = inheritable(marker.time)

    def _close(self) -> Iterator[Span]:
        """Yield the open message, if there is one, and take it into the chain."""
        opened, self._open = self._open, None
        if opened is None:
            return
        length = self._offset - opened.offset
        text = self._scan.read(opened.role, "\n".join(opened.lines)).strip()
        if not text:
            yield Span(opened.offset, length, skipped="empty")
            return
        key = chain_key(self._chain, opened.role, text.partition("\n")[0])
        self._chain = chain_key(key, opened.role, text)
        self._time = inheritable(opened.time, self._time)
        message = Message(
            role=opened.role,
            text=text,
            timestamp=opened.time or self._info.modified,
            source=self._source,
            session_id=self._session or file_session(self._info),
            key=key,
            project=self._project,
            kind="tool_call" if opened.role == "tool" else "turn",
        )
        yield Span(opened.offset, length, messages=(message,))
