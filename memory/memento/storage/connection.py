"""How a connection reads and writes: read transactions, and the journal mode."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from memento.base.filesystem import REMOTE_KINDS, kind_of


@contextmanager
def read_transaction(connection: apsw.Connection) -> Iterator[None]:
    """Show the body the database as it was when this began, or as the caller's transaction sees it if there is one."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def choose_journal_mode(connection: apsw.Connection, path: Path, seconds: float) -> None:
    """Use a write-ahead log, but not where machines share the file: its index is memory that only one machine sees.

    SQLite does not call the busy handler for this lock, so wait here for that many seconds.
    """
    mode = "DELETE" if kind_of(path) in REMOTE_KINDS else "WAL"
    give_up = time.monotonic() + seconds
    while True:
        try:
            connection.execute(f"PRAGMA journal_mode = {mode}")
        except apsw.BusyError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return
