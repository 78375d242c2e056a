"""Making anew what is derived from the rows, each inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from memento.storage import counters


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


def rename_store(connection: apsw.Connection) -> None:
    """Give the store another identity: what was derived from the rows it had until now is void in every process."""
    connection.execute("UPDATE meta SET value = lower(hex(randomblob(16))) WHERE key = 'store'")


def empty_cache(connection: apsw.Connection) -> None:
    """Empty the cache of query embeddings."""
    connection.execute("DELETE FROM embedding_cache")
