"""Upkeep of the file: the log's size, and the table of jobs."""

from __future__ import annotations

from typing import NamedTuple

import apsw


class JobState(NamedTuple):
    """What is known of a job's runs."""

    last_success: int = 0
    """When the last good run began, Unix milliseconds; 0 = never."""
    last_error: str = ""
    """Why the last run failed; empty when it did not."""


def checkpoint(connection: apsw.Connection) -> int:
    """Write the log back and truncate it; return the pages that readers keep in it."""
    pages, moved = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    if pages == moved:
        pages, moved = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    return max(0, pages - moved)


def job_states(connection: apsw.Connection) -> dict[str, JobState]:
    """Return the state of every job that ever ran."""
    rows = connection.execute("SELECT name, coalesce(last_success, 0), coalesce(last_error, '') FROM jobs").fetchall()
    return {str(name): JobState(int(str(success)), str(error)) for name, success, error in rows}


def job_succeeded(connection: apsw.Connection, name: str, at: int) -> None:
    """Take note of a good run inside the caller's transaction."""
    connection.execute(
        "INSERT INTO jobs (name, last_success, last_error) VALUES (?, ?, NULL) "
        "ON CONFLICT (name) DO UPDATE SET last_success = excluded.last_success, last_error = NULL",
        (name, at),
    )


def job_failed(connection: apsw.Connection, name: str, error: str) -> None:
    """Take note of a failed run inside the caller's transaction."""
    connection.execute(
        "INSERT INTO jobs (name, last_error) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET last_error = excluded.last_error",
        (name, error),
    )
