"""Making anew what is derived from the rows, each inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw

from memento.storage import counters

_BEYOND: Final = 1 << 32
"""More than any counter grew since a backup: no number that another process knows comes again."""


def rebuild_words(connection: apsw.Connection) -> None:
    """Make the full-text index from the rows."""
    connection.execute("INSERT INTO memories_fts (memories_fts) VALUES ('rebuild')")


def rebuild_tags(connection: apsw.Connection) -> None:
    """Make the table of tags from the rows."""
    connection.execute("DELETE FROM memory_tags")
    connection.execute(
        "INSERT INTO memory_tags (tag, num) SELECT DISTINCT value, memories.num FROM memories, json_each(memories.tags)"
    )


def rebuild_indexes(connection: apsw.Connection) -> None:
    """Make every index of the tables anew."""
    connection.execute("REINDEX")


def drop_embeddings(connection: apsw.Connection, nums: Sequence[int]) -> None:
    """Take embeddings away: the rows wait for new ones, and indexes that hold the old ones are void."""
    connection.executemany(
        "UPDATE memories SET model = NULL, embedding_seq = NULL, embedding_hash = NULL, embedding = NULL WHERE num = ?",
        [(num,) for num in nums],
    )
    counters.add(connection, counters.DELETIONS, 1)


def void_indexes(connection: apsw.Connection) -> None:
    """Have every index of vectors, in any process, read all rows again: these are older rows than it knows."""
    counters.add(connection, counters.DELETIONS, _BEYOND)
    counters.add(connection, counters.EMBEDDINGS, _BEYOND)


def empty_cache(connection: apsw.Connection) -> None:
    """Empty the cache of query embeddings."""
    connection.execute("DELETE FROM embedding_cache")
