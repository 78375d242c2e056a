"""What one JSON record of a generic transcript or an export says: a whole conversation, or its next messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from memento_ingest.formats.shared.tool_text import seam_before
from memento_policies import Kind, Role

MAX_ARGUMENTS: Final = 2000
"""Characters of a tool call's arguments that are kept: enough to recognise the call, not the file it wrote."""

NO_META: Final[Mapping[str, Any]] = MappingProxyType({})


class Turn(NamedTuple):
    """One message as its record states it, before it has a place in a conversation."""

    role: Role
    text: str
    timestamp: int | None = None
    """Unix milliseconds."""
    key: str = ""
    """The key that follows from the record's own id; empty where it has none, so that its place gives the key."""
    kind: Kind = "turn"
    meta: Mapping[str, Any] = NO_META
    keyed: str = ""
    """The text that its key is made of, where that is not its own."""
    is_aside: bool = False
    """Said through a tool: the chain of keys goes on as without it."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The turns of one record, in the order they were said."""

    turns: Sequence[Turn]
    skipped: Sequence[str] = ()
    """One reason word for each record inside that holds nothing to keep."""
    whole: bool = True
    """Whether this is a conversation from its first turn; else it continues the source's running conversation."""
    session_id: str = ""
    source: str = ""
    """The export format it is of, wherever it was found; empty for generic shapes."""
    title: str = ""
    project: str = ""
    """The working directory, where the record or its surroundings state it."""
    started: int | None = None
    """Unix milliseconds."""


Reader = Callable[[object], Excerpt | None]
"""Reads a decoded JSON value, or returns None where it has not the shape this reader knows."""


def tool_call(name: object, arguments: object) -> str:
    """Return a tool call as text, `name: arguments`, with the arguments as JSON and cut to `MAX_ARGUMENTS`."""
    if not isinstance(arguments, str):
        try:
            arguments = json.dumps(arguments, ensure_ascii=False, separators=(", ", ": "))
        except (TypeError, ValueError, RecursionError):
            arguments = "..."
    if len(arguments) > MAX_ARGUMENTS:
        arguments = arguments[: seam_before(arguments, MAX_ARGUMENTS)] + "..."
    return f"{string(name) or 'tool'}: {arguments}"


def string(value: object) -> str:
    """Return the value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def block_text(content: object) -> str:
    """Return the text of a tool result: a string, or blocks of which those with a `text` count."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "\n".join(text for block in blocks if isinstance(block, dict) and (text := string(block.get("text"))))


def active_path(leaf: str, parents: Mapping[str, str]) -> list[str]:
    """Return the ids from the root down to `leaf`, following `parents`; ids it does not hold end the walk."""
    path: dict[str, None] = {}
    while leaf in parents and leaf not in path:
        path[leaf] = None
        leaf = parents[leaf]
    return list(reversed(path))
