"""What a parser remembers of the lines behind it.

Invariant: the state is a function of the bytes before its offset alone, so that a run resumed there goes on exactly
like one that never stopped. It is written to the database before any redaction, so it holds no message text: only
ids, digests, times, tool names and the working directory. All of it is bounded.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from memento_ingest.formats.shared import branches
from memento_ingest.formats.shared.branches import Link
from memento_ingest.formats.shared.ids import MAX_ID, digest, short_id
from memento_ingest.times import inheritable, to_unix_ms

MAX_CALLS: Final = 64
"""Tool calls that wait for their result; beyond that the oldest is given up."""
MAX_MESSAGES: Final = 64
"""Assistant messages whose blocks are remembered, so that a copy of a block is recognised."""
WINDOW: Final = 256
"""Records among which an abandoned branch is recognised."""
_ISO_LENGTH: Final = 24


class Call(msgspec.Struct, frozen=True, array_like=True):
    """A tool call without result so far: its tool's name, and the number and offset of its line."""

    name: str
    line: int
    offset: int


class Said(msgspec.Struct, frozen=True, array_like=True):
    """What an assistant message has said so far: how often it was closed, and digests of its text blocks."""

    groups: int = 0
    blocks: tuple[str, ...] = ()


class State(msgspec.Struct, omit_defaults=True):
    """The state before one line.

    The containers are shared between copies: `calls` and `said` are replaced when they change; `links` only grows,
    each copy knows its own length of it, and only the newest copy is added to. So a copy costs next to nothing, and
    one is taken at every other line.
    """

    line: int = 0
    """How many lines lie before it."""
    cwd: str = ""
    session: str = ""
    time: int = 0
    """Unix milliseconds of the record at hand, or of the latest before it whose time may be taken over."""
    chain: str = ""
    """Key of the latest message without any id of its own."""
    calls: dict[str, Call] = {}
    said: dict[str, Said] = {}
    links: list[Link] = []
    linked: int = 0
    carried: int = -1
    """Unix milliseconds that a record which states no time takes over; -1 in a state of an older version: `time`."""

    def copy(self) -> State:
        """Return a copy that later lines don't change."""
        return State(
            self.line, self.cwd, self.session, self.time, self.chain, self.calls, self.said, self.links, self.linked,
            self.carried,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain JSON values."""
        state = self.copy()
        state.links = self._window()
        state.linked = len(state.links)
        plain: dict[str, Any] = msgspec.to_builtins(state)
        return plain

    def carry(self, cwd: str | None, session: str | None, timestamp: str | float | None) -> None:
        """Take over what a record states, and keep what it leaves out."""
        if cwd:
            self.cwd = cwd
        if session:
            self.session = session if len(session) <= MAX_ID else digest(session)
        if isinstance(timestamp, str) and len(timestamp) == _ISO_LENGTH and timestamp[-1] == "Z":
            time = _milliseconds(timestamp)
        else:
            time = to_unix_ms(timestamp) or 0
        self.carried = inheritable(time, inheritable(self.time) if self.carried < 0 else self.carried)
        self.time = time or self.carried

    def call(self, call_id: str, call: Call) -> None:
        """Remember a tool call."""
        calls = {**self.calls, call_id: call}
        if len(calls) > MAX_CALLS:
            del calls[next(iter(calls))]
        self.calls = calls

    def answered(self, call_id: str) -> Call | None:
        """Return a call that waited for its result, and forget it."""
        if call_id not in self.calls:
            return None
        calls = self.calls.copy()
        call = calls.pop(call_id)
        self.calls = calls
        return call

    def close(self, message_id: str, blocks: list[str]) -> None:
        """Remember what a group of an assistant message has said."""
        closed = self.said.copy()
        said = closed.pop(message_id, _NOTHING)
        digests = dict.fromkeys((*said.blocks, *map(digest, blocks)))
        closed[message_id] = Said(said.groups + 1, tuple(digests)[-MAX_MESSAGES:])
        if len(closed) > MAX_MESSAGES:
            del closed[next(iter(closed))]
        self.said = closed

    def is_copy(self, message_id: str, block: str) -> bool:
        """Tell whether an earlier group of the message has said this block."""
        said = self.said.get(message_id)
        return said is not None and digest(block) in said.blocks

    def groups(self, message_id: str) -> int:
        """Return how many groups of the message were closed."""
        return self.said.get(message_id, _NOTHING).groups

    def link(self, uuid: str | None, parent: str | None, key: str) -> None:
        """Remember a record's place in the tree."""
        if not uuid:
            return
        if self.linked >= 8 * WINDOW:  # a new list, for the copies hold the old one
            self.links = self._window()
        parent = parent or ""
        if len(uuid) > MAX_ID or len(parent) > MAX_ID:
            uuid, parent = short_id(uuid), short_id(parent)
        self.links.append((uuid, parent, key))
        self.linked = len(self.links)

    def _window(self) -> list[Link]:
        return self.links[max(self.linked - WINDOW, 0) : self.linked]

    def abandoned(self, uuid: str | None, parent: str | None) -> tuple[str, ...]:
        """Return the keys of the messages that a new human turn leaves on an abandoned branch."""
        return branches.abandoned(self._window(), short_id(uuid or ""), short_id(parent or ""))


_NOTHING: Final = Said()


def restore(state: Any) -> State:
    """Return the state of a checkpoint; one written by a version that kept another state begins anew."""
    try:
        restored = msgspec.convert(state, State)
    except msgspec.ValidationError:
        return State()
    restored.linked = min(restored.linked, len(restored.links))
    return restored


def _milliseconds(value: str) -> int:
    """Return Unix milliseconds of a time in the form Claude Code writes, 2026-09-01T00:00:00.000Z; 0 if it is none."""
    try:
        return max(round(datetime.fromisoformat(value).timestamp() * 1000), 0)
    except (ValueError, OverflowError):
        return to_unix_ms(value) or 0
