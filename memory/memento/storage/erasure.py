"""The SQL of forgetting: deleting so that the bytes go too, and looking whether they did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import apsw

from memento.storage import counters, rows

_WORDS: Final = "INSERT INTO memories_fts (memories_fts, rank) VALUES ('secure-delete', ?)"
"""Without it FTS5 only marks what is deleted, until its segments are merged some day."""


@contextmanager
def overwriting(connection: apsw.Connection) -> Iterator[None]:
    """Overwrite what is deleted meanwhile, whatever it costs, in the full-text index too; not inside a transaction."""
    connection.pragma("secure_delete", "on")
    connection.execute(_WORDS, (1,))
    try:
        yield
    finally:
        connection.execute(_WORDS, (0,))
        connection.pragma("secure_delete", "fast")


def empty_quarantine(connection: apsw.Connection, needles: Iterable[str]) -> int:
    """Remove quarantined samples that hold one of these texts, inside the caller's transaction; return how many."""
    removed = 0
    for needle in needles:
        connection.execute("DELETE FROM quarantine WHERE instr(sample, ?) > 0", (needle,))
        removed += connection.changes()
    return removed


def holders(connection: apsw.Connection, needle: str) -> int:
    """Count the memories that hold a text: it may be part of others, which stay."""
    return int(connection.execute("SELECT count(*) FROM memories WHERE instr(text, ?) > 0", (needle,)).get or 0)


def compact(connection: apsw.Connection) -> None:
    """Write the file anew without its free pages."""
    connection.execute("VACUUM")


def erase_from_copy(connection: apsw.Connection, tombstones: Sequence[str], needles: Iterable[str]) -> int:
    """Forget in a copy that nobody else uses, and write it anew without the bytes; return how many there were."""
    with overwriting(connection):
        connection.execute("BEGIN IMMEDIATE")
        gone = rows.delete(connection, tombstones)
        gone += empty_quarantine(connection, needles)
        if gone:
            rows.bury(connection, tombstones)
            counters.add(connection, counters.DELETIONS, 1)
        connection.execute("COMMIT")
        if gone:
            compact(connection)
    return gone
