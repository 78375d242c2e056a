"""The header of a database file, checked before anything (a lock, a log) is written beside it.

It is read through SQLite's own file layer: closing another descriptor of a database would drop this process's locks.
"""

from __future__ import annotations

import stat
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import apsw

from memento.errors import StoreError, StoreTooNew
from memento.storage import swap, untrusted_file
from memento.storage.migrations import APPLICATION_ID, refuse_foreign

_MAGIC: Final = b"SQLite format 3\0"
_SIZE: Final = 100
_COOKIE, _VERSION, _APPLICATION = 40, 60, 68
"""Offsets of the schema cookie, which grows with every table, of `user_version` and of `application_id`."""
_TRACES: Final = (".swap.lock", ".journal.jsonl", ".vectors")
"""Files that prove that a file with a damaged header was a store."""


def refuse_foreign_file(path: Path, *, may_be_damaged: bool = False) -> None:
    """Raise StoreTooNew for a file of another program, StoreError for what is not a file; write nothing.

    A missing or empty file and a damaged store are not refused. With `may_be_damaged`, any file that is not a database
    counts as a damaged store.
    """
    place = swap.real_path(path)
    if path.is_symlink() and not place.exists() and not swap.is_swapping(path):
        raise StoreError(f"{path} leads to {place}, which does not exist: mount its disk, or remove the link")
    try:
        status = path.stat()
    except OSError:
        return  # opening it reports the reason
    if stat.S_ISDIR(status.st_mode):
        raise StoreError(f"cannot open the store {path}: it is a folder. Name a file with --db or MEMORY_DB_PATH")
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(f"cannot open the store {path}: it is not a file. Name one with --db or MEMORY_DB_PATH")
    if not status.st_size:
        return
    with suppress(apsw.Error):  # unreadable: opening it reports the reason
        head = _head(path)
        if not head.startswith(_MAGIC):
            if not may_be_damaged and not _was_store(path):
                raise StoreTooNew(
                    f"{path} is not a SQLite database: name another file with --db or MEMORY_DB_PATH. "
                    "If it was a store, move it aside: then `memento restore BACKUP` can take its place"
                )
        elif _is_blank(head) and _has_log(path) and not _was_store(path):
            with closing(untrusted_file.connect(path)) as connection:  # its tables are still in the log
                refuse_foreign(connection)
        elif not _is_blank(head) and _number(head, _APPLICATION) != APPLICATION_ID:
            raise StoreTooNew(
                f"{path} is a SQLite database of another program: name another file with --db or MEMORY_DB_PATH"
            )


def _head(path: Path) -> bytes:
    file = apsw.VFSFile("", str(path.absolute()), [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0])
    try:
        return file.xRead(_SIZE, 0)
    finally:
        file.xClose()


def _is_blank(head: bytes) -> bool:
    """Tell whether the file has neither tables nor a program's marks."""
    return not any(_number(head, offset) for offset in (_COOKIE, _VERSION, _APPLICATION))


def _number(head: bytes, offset: int) -> int:
    return int.from_bytes(head[offset : offset + 4])


def _has_log(path: Path) -> bool:
    log = Path(f"{path.resolve()}-wal")
    return log.exists() and log.stat().st_size > 0


def _was_store(path: Path) -> bool:
    names = (path, swap.real_path(path))
    return any(name.with_name(name.name + trace).exists() for name in names for trace in _TRACES)
