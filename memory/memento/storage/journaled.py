"""How far the journal was applied to these rows: committed with them, so a restored backup knows its own position."""

from __future__ import annotations

from typing import Final, NamedTuple

import apsw

from memento.storage import notes

_KEY: Final = "journal"


class Position(NamedTuple):
    """A place in a journal."""

    journal: str
    """The name on its first line."""
    offset: int
    """Bytes from its beginning."""
    is_start: bool = False
    """True where no entry comes before it."""


def position(connection: apsw.Connection) -> Position:
    """Return up to where entries were applied."""
    return parsed(written(connection))


def written(connection: apsw.Connection) -> str:
    """Return the position as it is stored."""
    return notes.read(connection, _KEY)


def parsed(text: str) -> Position:
    """Return the position that a store or a manifest holds."""
    journal, _, offset = text.partition(" ")
    return Position(journal, int(offset)) if offset.isdigit() else Position("", 0)


def set_position(connection: apsw.Connection, at: Position) -> None:
    """Take note inside the caller's transaction that all before it was applied."""
    notes.put(connection, _KEY, f"{at.journal} {at.offset}")
