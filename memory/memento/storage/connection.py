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
    """Run the body in one read transaction: the caller's, or else a new one."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def choose_journal_mode(connection: apsw.Connection, path: Path, seconds: float) -> None:
    """Use a write-ahead log, except on a network file system: its index is memory shared on one machine only.

    SQLite does not call the busy handler for this lock, so wait here for up to `seconds`.
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
