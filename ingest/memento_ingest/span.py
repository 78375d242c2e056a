"""The two units that ingestion counts in: a line with its byte offset, and the span of bytes a format understood.

Invariant: the spans a parser yields for one source tile it. Every byte belongs to exactly one span, and every span
says what became of it: messages, a skip with its reason, or a defect to quarantine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from memento_policies import Message


class Line(NamedTuple):
    """One physical line of a source, with the newline that ended it, if one did."""

    offset: int
    data: bytes

    @property
    def end(self) -> int:
        """Offset of the first byte after the line."""
        return self.offset + len(self.data)


@dataclass(frozen=True, slots=True)
class Title:
    """A session's title as the transcript states it; the higher rank wins, and among equals the later one."""

    session_id: str
    text: str
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """What a format made of `length` bytes at `offset`.

    Exactly one of three holds: `messages` is not empty; `skipped` names why nothing is kept from these bytes (one
    snake_case word, `metadata` or `hook_output`); `defect` names why they could not be read (they are quarantined).
    """

    offset: int
    length: int
    messages: Sequence[Message] = ()
    skipped: str = ""
    defect: str = ""
    unknown_type: str = ""
    """Set beside `skipped="unknown_type"`: the record type this version does not know, so that it can be counted."""
    titles: Sequence[Title] = ()
    follows: str = ""
    """A transcript that holds what this span only points to: whoever watches must read it."""
    inactive: Sequence[str] = ()
    """Keys of earlier messages that this span shows to lie on an abandoned branch (a rewind, a fork)."""
    sample: bytes = b""
    """The first bytes of a defect, for the quarantine (at most `SAMPLE_BYTES`); redacted before they are written."""


SAMPLE_BYTES = 4096


LOOK_AGAIN = "look_again"
"""In a parser's state: Unix milliseconds from which a source is worth reading again though nothing in it changed."""


class Checkpoint(NamedTuple):
    """Where a later run must begin so that nothing open is lost: an offset and the parser's state at that offset."""

    offset: int
    state: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a parser may know of the source beside its bytes."""

    name: str
    """File name without folder, `<stdin>` for standard input. Only a hint for session ids; never part of a key."""
    path: str = ""
    modified: int = 0
    """Unix milliseconds; the time of a message whose transcript gives none and nothing before it does either."""
    live: bool = False
    """It is followed while its agent writes it: what takes long (comparing a database) is done at intervals."""
    meta: Mapping[str, Any] = field(default_factory=dict)
