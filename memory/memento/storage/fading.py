"""Memories that have faded: they stay, and stand behind others in recall."""

from __future__ import annotations

from collections.abc import Iterable

import apsw


def fade(connection: apsw.Connection, memories: Iterable[str]) -> None:
    """Say of memories, by id, that they have faded, inside the caller's transaction."""
    connection.executemany(
        "INSERT OR IGNORE INTO faded SELECT num FROM memories WHERE id = ?", ((one,) for one in memories)
    )


def revive(connection: apsw.Connection, memories: Iterable[str]) -> None:
    """Say of memories, by id, that they have not, inside the caller's transaction."""
    connection.executemany(
        "DELETE FROM faded WHERE num = (SELECT num FROM memories WHERE id = ?)", ((one,) for one in memories)
    )
