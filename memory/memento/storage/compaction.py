"""Compaction of the store's file, so that no page and no log holds deleted or replaced text.

Deleted rows are overwritten at once, but earlier versions of a text may remain in free pages, in gaps of split pages,
in old segments of the full-text index, and in the log. Each step waits a bounded time for its locks and reports when it
did not get them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import apsw

from memento.errors import StoreError
from memento.storage import meta
from memento.storage.database import BUSY_SECONDS, Database, translated_errors

LOG_SECONDS: Final = 20.0
"""How long to wait for readers of the log."""
_PAGES: Final = 500
"""Pages of the full-text index merged in one transaction, so that other writers can write in between."""
_IN_MEMORY: Final = 64 * 1024 * 1024
"""Database size up to which VACUUM builds the new file in memory instead of a temporary file."""


def compact(database: Database, within: float = BUSY_SECONDS) -> str:
    """Rebuild the file; return the reason if that was not possible, else an empty text. It can be repeated."""
    try:
        _merge_fulltext(database, within)
        _vacuum(database, within)
        return truncate_log(database)
    except StoreError as error:
        return str(error)


@contextmanager
def compact_after_deletions(database: Database) -> Iterator[None]:
    """Rebuild the file afterwards if the body deleted memories. If that fails, a note records that it is due."""
    with database.read() as connection:
        before = meta.read_counter(connection, meta.DELETIONS)
    yield
    with database.read() as connection:
        after = meta.read_counter(connection, meta.DELETIONS)
    if after != before:
        compact(database)


def truncate_log(database: Database, within: float = LOG_SECONDS) -> str:
    """Checkpoint and truncate the log; return the reason if that was not possible, else "". Raises StoreError."""
    give_up = time.monotonic() + within
    with database.read() as connection, _busy_timeout(connection, min(within, 1.0)):
        while True:
            try:
                pages, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except (apsw.BusyError, apsw.LockedError):
                pages = 1
            if pages <= 0:  # -1 without a log
                return ""
            if time.monotonic() > give_up:
                return f"other processes read {database.path} all the time, and keep its log from being emptied"
            time.sleep(0.02)


def checkpoint(connection: apsw.Connection) -> int:
    """Checkpoint and truncate the log; return how many pages readers keep in it."""
    pages, moved = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    if pages == moved:
        pages, moved = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    return max(0, pages - moved)


def _merge_fulltext(database: Database, within: float) -> None:
    """Merge the full-text index into one segment, in several transactions so that others can write in between."""
    wanted = -_PAGES  # a negative number begins a merge of all segments, a positive one goes on with it
    while True:
        with database.write(within=within, derived=True) as connection:
            connection.pragma("secure_delete", "on")
            try:
                before = connection.total_changes()
                connection.execute("INSERT INTO memories_fts (memories_fts, rank) VALUES ('merge', ?)", (wanted,))
                done = connection.total_changes() - before < 2
            finally:
                connection.pragma("secure_delete", "fast")
        if done:
            return
        wanted = _PAGES


def _vacuum(database: Database, within: float) -> None:
    with database.read() as connection:
        size = int(connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").get)
        connection.pragma("temp_store", "memory" if size <= _IN_MEMORY else "file")
        try:
            _vacuum_with_retries(database, connection, within)
        finally:
            connection.pragma("temp_store", "memory")


def _vacuum_with_retries(database: Database, connection: apsw.Connection, within: float) -> None:
    """Run VACUUM, retrying: SQLite refuses it at once, without the busy timeout, while another process writes."""
    give_up = time.monotonic() + within
    with translated_errors(database.path), _busy_timeout(connection, within):
        while True:
            try:
                connection.execute("VACUUM")
            except (apsw.BusyError, apsw.LockedError):
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.01)
            else:
                return


@contextmanager
def _busy_timeout(connection: apsw.Connection, seconds: float) -> Iterator[None]:
    connection.set_busy_timeout(int(seconds * 1000))
    try:
        yield
    finally:
        connection.set_busy_timeout(int(BUSY_SECONDS * 1000))
