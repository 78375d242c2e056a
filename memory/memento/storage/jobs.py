"""Upkeep of the file: the cache's size, the log's, and the table of jobs."""

from __future__ import annotations

from typing import NamedTuple

import apsw


class JobState(NamedTuple):
    """What is known of a job's runs."""

    last_success: int = 0
    """When the last good run began, Unix milliseconds; 0 = never."""
    last_error: str = ""
    """Why the last run failed; empty when it did not."""


def trim_cache(connection: apsw.Connection, keep: int) -> int:
    """Remove the query embeddings beyond `keep` that were not used for longest; return how many.

    Inside the caller's transaction.
    """
    connection.execute(
        "DELETE FROM embedding_cache WHERE text_hash NOT IN "
        "(SELECT text_hash FROM embedding_cache ORDER BY timestamp DESC LIMIT ?)",
        (keep,),
    )
    return int(connection.changes())


def checkpoint(connection: apsw.Connection) -> int:
    """Write the log back and truncate it; return the pages that readers keep in it."""
    pages, moved = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    if pages == moved:
        pages, moved = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    return max(0, pages - moved)


def read_states(connection: apsw.Connection) -> dict[str, JobState]:
    """Return the state of every job that ever ran."""
    rows = connection.execute("SELECT name, coalesce(last_success, 0), coalesce(last_error, '') FROM jobs").fetchall()
    return {str(name): JobState(int(str(success)), str(error)) for name, success, error in rows}


def record_success(connection: apsw.Connection, name: str, at: int) -> None:
    """Take note of a good run inside the caller's transaction."""
    connection.execute(
        "INSERT INTO jobs (name, last_success, last_error) VALUES (?, ?, NULL) "
        "ON CONFLICT (name) DO UPDATE SET last_success = excluded.last_success, last_error = NULL",
        (name, at),
    )


def record_failure(connection: apsw.Connection, name: str, error: str) -> None:
    """Take note of a failed run inside the caller's transaction."""
    connection.execute(
        "INSERT INTO jobs (name, last_error) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET last_error = excluded.last_error",
        (name, error),
    )
