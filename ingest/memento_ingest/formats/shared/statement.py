"""What one record of an agent's transcript says, and what its parser remembers from record to record."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Self

import msgspec

from memento_ingest.formats.shared.dialogue import Dialogue
from memento_ingest.formats.shared.excerpt import NO_META, Turn
from memento_ingest.formats.shared.ids import digest, short_id
from memento_ingest.times import inheritable, to_unix_ms

MAX_CALLS: Final = 64
"""Tool calls that wait for their result; beyond that the oldest is given up."""
WINDOW: Final = 256
"""Messages among which a rewind or a rollback is recognised."""


class Call(NamedTuple):
    """A tool call; its text waits for the result."""

    id: str
    name: str
    given: str
    """The telling part of its arguments."""
    dialogue: Dialogue | None = None
    """What it says to the person."""
    meta: Mapping[str, Any] = NO_META
    """Facts about whoever calls."""


class Result(NamedTuple):
    """A tool call's result."""

    id: str
    output: str
    is_error: bool = False
    name: str = ""
    """The tool's name where the result repeats it; used when the call is not known."""
    scope: str = ""
    """What makes the id unique, where it is not by itself; the session by default."""
    details: object = None
    """The structured form of the output, where the transcript has one."""
    meta: Mapping[str, Any] = NO_META


@dataclass(frozen=True, slots=True)
class Statement:
    """What one record says. Without turns and results it is skipped, for the reason `skipped`."""

    turns: Sequence[Turn] = ()
    calls: Sequence[Call] = ()
    results: Sequence[Result] = ()
    skipped: str = "metadata"
    unknown_type: str = ""
    title: str = ""
    title_rank: int = 0
    inactive: Sequence[str] = ()
    """Keys of earlier messages that are on an abandoned branch from here on."""
    place: str = ""
    """Where its messages stand, for formats that take messages back; remembered with their keys in `State.recent`."""
    provisional: str = ""
    """Set when the turns count only if no record says otherwise: the reason to skip them if one does."""
    verdict: Literal["", "keep", "drop"] = ""
    """What this record says about the provisional turns before it."""


METADATA: Final = Statement()


def unknown(kind: object) -> Statement:
    """Return the statement of a record whose type this version does not know."""
    name = kind if isinstance(kind, str) and kind else "(none)"
    return Statement(skipped="unknown_type", unknown_type=name[:64].replace("\0", ""))


class OpenCall(msgspec.Struct, frozen=True, array_like=True):
    """A tool call without result so far: its tool's name, and the number and offset of its line."""

    name: str
    line: int
    offset: int


class State(msgspec.Struct, omit_defaults=True):
    """The state before one line; formats add fields of their own.

    It holds ids, digests, times, tool names and the working directory, never text. Its containers are shared between
    copies, so they are replaced when they change, and all are bounded.
    """

    line: int = 0
    """How many lines lie before it."""
    session: str = ""
    """The session id the file states; empty until it does."""
    project: str = ""
    time: int = 0
    """Unix milliseconds of the record at hand, or of the latest before it whose time may be taken over."""
    carried: int = -1
    """Unix milliseconds that a record which states no time takes over; -1 in a state of an older version: `time`."""
    model: str = ""
    chain: str = ""
    """Key of the latest message without an id of its own."""
    calls: dict[str, OpenCall] = {}
    recent: tuple[tuple[str, str], ...] = ()
    """Place and key of the latest messages."""

    def copy(self) -> Self:
        """Return a copy that later lines don't change."""
        return copy.copy(self)

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain JSON values."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def at(self, timestamp: object) -> int | None:
        """Take over a record's time if it states one, and return it in Unix milliseconds."""
        time = to_unix_ms(timestamp)
        self.carried = inheritable(time, inheritable(self.time) if self.carried < 0 else self.carried)
        self.time = time or self.carried
        return time

    def belongs_to(self, session: object) -> None:
        """Take over the session id, once."""
        if not self.session and isinstance(session, str) and session:
            self.session = short_id(session).replace("\0", "")

    def works_in(self, folder: object) -> None:
        """Take over the working directory."""
        if isinstance(folder, str) and folder:
            self.project = folder.replace("\0", "") if len(folder) <= _MAX_PATH else digest(folder)

    def call(self, call_id: str, call: OpenCall) -> None:
        """Remember a tool call."""
        calls = {name: known for name, known in self.calls.items() if name != call_id} | {call_id: call}
        if len(calls) > MAX_CALLS:
            del calls[next(iter(calls))]
        self.calls = calls

    def answered(self, call_id: str) -> OpenCall | None:
        """Return a call that waited for its result, and forget it."""
        call = self.calls.get(call_id)
        if call:
            self.calls = {name: known for name, known in self.calls.items() if name != call_id}
        return call

    def remember(self, place: str, keys: Sequence[str]) -> None:
        """Remember where messages stand."""
        self.recent = (*self.recent, *((place, key) for key in keys))[-WINDOW:]


_MAX_PATH: Final = 4096
