"""Counters in `meta` that only ever grow: what tells an index in another process that it is behind."""

from __future__ import annotations

from typing import Final

import apsw

DELETIONS: Final = "deletions"
EMBEDDINGS: Final = "embeddings"


def add(connection: apsw.Connection, name: str, amount: int) -> int:
    """Add to a counter inside the caller's transaction; return its new value."""
    value = connection.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) "
        "ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + CAST(excluded.value AS INTEGER) "
        "RETURNING value",
        (name, str(amount)),
    ).get
    return int(value)


def read(connection: apsw.Connection, name: str) -> int:
    """Return a counter's value, 0 before it was ever added to."""
    return int(connection.execute("SELECT value FROM meta WHERE key = ?", (name,)).get or 0)
