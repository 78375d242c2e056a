"""What a parser remembers of the lines behind it.

Invariant: the state is a function of the bytes before its offset alone, so that a run resumed there goes on exactly
like one that never stopped. It is written to the database before any redaction, so it holds no message text: only
ids, digests, times, tool names and the working directory. All of it is bounded.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import msgspec

from memento_ingest.times import to_unix_ms

MAX_CALLS: Final = 64
"""Tool calls that wait for their result; beyond that the oldest is given up."""
MAX_MESSAGES: Final = 64
"""Assistant messages whose blocks are remembered, so that a copy of a block is recognised."""
WINDOW: Final = 256
"""Records among which an abandoned branch is recognised."""
_MAX_ID: Final = 128


class Call(msgspec.Struct, frozen=True, array_like=True):
    """A tool call without result so far: its tool's name, and the number and offset of its line."""

    name: str
    line: int
    offset: int


class Said(msgspec.Struct, frozen=True, array_like=True):
    """What an assistant message has said so far: how often it was closed, and digests of its text blocks."""

    groups: int = 0
    blocks: tuple[str, ...] = ()


class Link(msgspec.Struct, frozen=True, array_like=True):
    """A record's place in the tree of records, and the key of its message if it has one."""

    uuid: str
    parent: str
    key: str


class State(msgspec.Struct, omit_defaults=True):
    """The state before one line."""

    line: int = 0
    """How many lines lie before it."""
    cwd: str = ""
    session: str = ""
    time: int = 0
    """Unix milliseconds of the latest record that states its time."""
    chain: str = ""
    """Key of the latest message without any id of its own."""
    calls: dict[str, Call] = {}
    said: dict[str, Said] = {}
    links: list[Link] = []

    def copy(self) -> State:
        """Return a copy that later lines don't change."""
        return State(
            self.line,
            self.cwd,
            self.session,
            self.time,
            self.chain,
            self.calls.copy(),
            self.said.copy(),
            self.links[-WINDOW:],
        )

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain JSON values."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def carry(self, cwd: str | None, session: str | None, timestamp: str | float | None) -> None:
        """Take over what a record states, and keep what it leaves out."""
        if cwd:
            self.cwd = cwd
        if session:
            self.session = short_id(session)
        if timestamp is not None and (time := _milliseconds(timestamp)):
            self.time = time

    def call(self, call_id: str, call: Call) -> None:
        """Remember a tool call."""
        self.calls[call_id] = call
        if len(self.calls) > MAX_CALLS:
            del self.calls[next(iter(self.calls))]

    def close(self, message_id: str, blocks: list[str]) -> None:
        """Remember what a group of an assistant message has said."""
        said = self.said.pop(message_id, _NOTHING)
        digests = dict.fromkeys((*said.blocks, *map(digest, blocks)))
        self.said[message_id] = Said(said.groups + 1, tuple(digests)[-MAX_MESSAGES:])
        if len(self.said) > MAX_MESSAGES:
            del self.said[next(iter(self.said))]

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
        self.links.append(Link(short_id(uuid), short_id(parent or ""), key))
        if len(self.links) > 4 * WINDOW:
            del self.links[:-WINDOW]

    def abandoned(self, uuid: str | None, parent: str | None) -> tuple[str, ...]:
        """Return the keys of the messages that a new human turn leaves on an abandoned branch.

        A turn whose parent is an earlier record than the latest one starts a new branch there: what descends from
        that parent is abandoned. Siblings are not, for parallel tool calls have results side by side.
        """
        parent, uuid = short_id(parent or ""), short_id(uuid or "")
        if not parent or not self.links or self.links[-1].uuid == parent:
            return ()
        window = self.links[-WINDOW:]
        places = {link.uuid: place for place, link in enumerate(window)}
        if parent not in places or uuid in places:  # a record seen before is a copy and starts nothing
            return ()
        branch = {parent}
        keys: dict[str, None] = {}
        for link in window[places[parent] + 1 :]:
            if link.parent in branch:
                branch.add(link.uuid)
                keys[link.key] = None
        keys.pop("", None)
        return tuple(keys)


_NOTHING: Final = Said()


def restore(state: Any) -> State:
    """Return the state of a checkpoint; one written by a version that kept another state begins anew."""
    try:
        return msgspec.convert(state, State)
    except msgspec.ValidationError:
        return State()


def short_id(value: str) -> str:
    """Return an id as it is, or the digest of one that is too long to be an id."""
    return value if len(value) <= _MAX_ID else digest(value)


def digest(text: str) -> str:
    """Return BLAKE2b-64 of the text, in hex."""
    return blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _milliseconds(value: str | float) -> int | None:
    """Return Unix milliseconds, fast for the form Claude Code writes: 2026-09-01T00:00:00.000Z."""
    if isinstance(value, str) and len(value) == 24 and value[16] == ":" and value[19] == "." and value[23] == "Z":
        second, fraction = value[17:19], value[20:23]
        if second.isdecimal() and fraction.isdecimal() and (minute := _minute(value[:16])):
            return minute + 1000 * int(second) + int(fraction)
    return to_unix_ms(value)


@lru_cache(maxsize=256)
def _minute(text: str) -> int | None:
    return to_unix_ms(f"{text}:00Z")
