"""The table of jobs: when each last succeeded, and why it last failed."""

from __future__ import annotations

from typing import NamedTuple

import apsw


class JobState(NamedTuple):
    """The recorded state of a job."""

    last_success: int = 0
    """When the last successful run began, Unix milliseconds; 0 = never."""
    last_error: str = ""
    """Why the last run failed; empty if it succeeded."""


def read_states(connection: apsw.Connection) -> dict[str, JobState]:
    """Return the state of every job that ever ran."""
    rows = connection.execute("SELECT name, coalesce(last_success, 0), coalesce(last_error, '') FROM jobs").fetchall()
    return {str(name): JobState(int(str(success)), str(error)) for name, success, error in rows}


def record_success(connection: apsw.Connection, name: str, at: int) -> None:
    """Record a successful run inside the caller's transaction."""
    connection.execute(
        "INSERT INTO jobs (name, last_success, last_error) VALUES (?, ?, NULL) "
        "ON CONFLICT (name) DO UPDATE SET last_success = excluded.last_success, last_error = NULL",
        (name, at),
    )


def record_failure(connection: apsw.Connection, name: str, error: str) -> None:
    """Record a failed run inside the caller's transaction."""
    connection.execute(
        "INSERT INTO jobs (name, last_error) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET last_error = excluded.last_error",
        (name, error),
    )
