"""Repairs: rebuild what is derived from the rows, each inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import apsw

from memento.storage import fulltext, meta, schema
from memento.storage.schema import SchemaDifference

_FILLED_BY_TRIGGERS = ("embeddings_next", "faded", "repeats")


def rebuild_tags(connection: apsw.Connection) -> None:
    """Rebuild the table of tags from the rows."""
    connection.execute("DELETE FROM memory_tags")
    connection.execute(
        "INSERT INTO memory_tags (tag, num) SELECT DISTINCT value, memories.num FROM memories, json_each(memories.tags)"
    )


def rebuild_indexes(connection: apsw.Connection) -> None:
    """Rebuild every index of the tables."""
    connection.execute("REINDEX")


def drop_embeddings(connection: apsw.Connection, nums: Sequence[int]) -> None:
    """Drop embeddings, so that the rows are embedded again; indexes that hold the old ones are invalidated."""
    connection.executemany(
        "UPDATE memories SET model = NULL, embedding_seq = NULL, embedding_hash = NULL, embedding = NULL WHERE num = ?",
        [(num,) for num in nums],
    )
    meta.add_to_counter(connection, meta.DELETIONS, 1)


def renew_store_id(connection: apsw.Connection) -> None:
    """Give the store a new identity, which invalidates everything derived from its previous rows in every process."""
    connection.execute("UPDATE meta SET value = lower(hex(randomblob(16))) WHERE key = 'store'")


def clear_query_cache(connection: apsw.Connection) -> None:
    """Empty the cache of query embeddings."""
    connection.execute("DELETE FROM embedding_cache")


def repair_schema(path: Path) -> str:
    """Drop foreign triggers, views and indexes from a store, and recreate those that are missing.

    Return the first difference as a text; empty if the schema is sound, or differs in tables, where rows are at risk.
    What missing triggers should have maintained is rebuilt or emptied. Raises apsw.Error.
    """
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        for flag in (apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER):
            connection.config(flag, 0)
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_VIEW, 0)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.set_busy_timeout(60_000)
        connection.execute("BEGIN IMMEDIATE")
        try:
            found = _repair_schema(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return found
    finally:
        connection.close()


def _repair_schema(connection: apsw.Connection) -> str:
    differing = schema.differences(connection)
    if not differing or not all(one.is_derived for one in differing):
        return ""
    schema.repair(connection, differing)
    if any(one.is_missing and one.item.type == "trigger" for one in differing):
        _rebuild_derived(connection, differing)
    return str(differing[0])


def _rebuild_derived(connection: apsw.Connection, differing: Iterable[SchemaDifference]) -> None:
    """Rebuild or empty what missing triggers did not maintain."""
    fulltext.rebuild(connection)
    rebuild_tags(connection)
    there = schema.ordinary_tables(schema.user_version(connection))
    for table in _FILLED_BY_TRIGGERS:
        if table in there:
            connection.execute(f"DELETE FROM {table}")
    if any(one.item.name.endswith("_codes") for one in differing):
        connection.execute("DELETE FROM token_codes")  # they are built together with the embeddings
        nums = [int(str(num)) for (num,) in connection.execute("SELECT num FROM memories")]
        drop_embeddings(connection, nums)
