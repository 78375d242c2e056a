"""How SQLite makes a database's transactions durable: by a write-ahead log, where one machine uses the file alone."""

from __future__ import annotations

import time
from pathlib import Path

import apsw

from memento.base.filesystem import SILENT, kind_of


def choose_journal(connection: apsw.Connection, path: Path, seconds: float) -> None:
    """Use a write-ahead log, but not where machines share the file: its index is memory that only one machine sees.

    SQLite does not call the busy handler for this lock, so wait here for that many seconds.
    """
    mode = "DELETE" if kind_of(path) in SILENT else "WAL"
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
