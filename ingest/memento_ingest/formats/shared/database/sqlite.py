"""Another program's SQLite database, read and never written.

Invariant: nothing is asked of it but what a format names, and no read transaction outlives one page of rows, so the
program that owns it is never kept waiting. Only apsw opens it: a second SQLite library in the process would break the
locks of the first.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import apsw

from memento_ingest.span import SourceInfo

MAGIC: Final = b"SQLite format 3\0"
PAGE_ROWS: Final = 256
PAGE_BYTES: Final = 4 * 1024 * 1024
_BUSY_TIMEOUT_MS: Final = 250

# No table of the file may run code or be mapped into memory, where a shrinking file would kill the process.
_PRAGMAS: Final = """
PRAGMA query_only = ON;
PRAGMA trusted_schema = OFF;
PRAGMA cell_size_check = ON;
PRAGMA mmap_size = 0;
PRAGMA cache_size = -4000;
"""
_CREATE: Final = re.compile(rb"CREATE TABLE\s+[\"`\[]?(\w+)", re.IGNORECASE)
_TABLES: Final = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"

Stamp = tuple[int, int]
"""Size in bytes and modification time in nanoseconds."""


class DatabaseDamaged(OSError):
    """A page of the database cannot be read; what came before it was."""


class Database:
    """A connection for reading. Raises OSError, saying why, where the file cannot be read as a database."""

    def __init__(self, path: str) -> None:
        self._path = path
        with _translated():
            self._connection = _connect(path)
        self._columns: dict[str, frozenset[str]] = {}

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; a second time does nothing."""
        self._connection.close()

    def tables(self) -> frozenset[str]:
        """Return the names of its ordinary tables: neither views nor virtual ones."""
        with _translated():
            return frozenset(str(name) for (name,) in self._connection.execute(_TABLES))

    def columns(self, table: str) -> frozenset[str]:
        """Return the names of a table's columns, nothing if there is no such table."""
        if table not in self._columns:
            with _translated():
                rows = self._connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
                self._columns[table] = frozenset(str(name) for (name,) in rows)
        return self._columns[table]

    def first(self, sql: str, parameters: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Return the query's first row."""
        with _translated():
            cursor = self._connection.execute(sql, parameters)
            try:
                row: tuple[Any, ...] | None = cursor.fetchone()
            finally:
                cursor.close()
        return row

    def page(self, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Return the query's first rows, up to `PAGE_ROWS` or about `PAGE_BYTES`, or those before a damaged page."""
        rows: list[tuple[Any, ...]] = []
        size = 0
        with _translated():
            cursor = self._connection.execute(sql, parameters)
            try:
                for row in cursor:
                    rows.append(row)
                    for value in row:
                        if type(value) is bytes:
                            size += len(value)
                    if len(rows) == PAGE_ROWS or size >= PAGE_BYTES:
                        break
            except apsw.CorruptError:
                if not rows:
                    raise
            finally:
                cursor.close(force=True)
        return rows


def has_columns(head: bytes, info: SourceInfo, wanted: Mapping[str, str]) -> bool:
    """Tell whether a source is a SQLite database with these tables, each with this column.

    A file that cannot be opened as a database now is judged by the schema in its head.
    """
    if not head.startswith(MAGIC):
        return False
    if info.path:
        try:
            with Database(info.path) as database:
                tables = database.tables()
                return all(name in tables and column in database.columns(name) for name, column in wanted.items())
        except OSError:
            pass
    created = {match[1].decode() for match in _CREATE.finditer(head)}
    return all(name in created and column.encode() in head for name, column in wanted.items())


def wal_stamp(path: str) -> Stamp:
    """Return size and time of the database's write-ahead log, zeros for one that is empty or absent."""
    try:
        status = Path(os.path.realpath(path) + "-wal").stat()
    except OSError:
        return 0, 0
    return (status.st_size, status.st_mtime_ns) if status.st_size else (0, 0)


def _connect(path: str) -> apsw.Connection:
    """Open the file as its owner left it.

    A reader of a database in WAL mode needs the `-shm` file beside it. Where that is missing and the folder is closed
    to us, no one else can be at work on it: without a log the file stands alone, with one the log is read into memory.
    """
    uri = Path(path).absolute().as_uri() + "?mode=ro"
    try:
        return _opened(uri)
    except (apsw.ReadOnlyError, apsw.CantOpenError):
        if not wal_stamp(path)[0]:
            return _opened(f"{uri}&immutable=1")
        if Path(os.path.realpath(path) + "-shm").exists() or "unix-none" not in apsw.vfs_names():
            raise
        return _opened(uri, vfs="unix-none", prepare="PRAGMA locking_mode = EXCLUSIVE;")


def _opened(uri: str, vfs: str | None = None, prepare: str = "") -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    connection = apsw.Connection(uri, flags=flags, vfs=vfs)
    try:
        connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
        connection.execute(prepare + _PRAGMAS).fetchall()
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except BaseException:
        with suppress(apsw.Error):
            connection.close()
        raise
    return connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (apsw.BusyError, apsw.LockedError):
        raise OSError(errno.EBUSY, "another program holds this database locked: read it again later") from None
    except apsw.NotADBError:
        raise OSError(errno.EINVAL, "not a SQLite database, or an encrypted one") from None
    except apsw.CorruptError:
        raise DatabaseDamaged(errno.EIO, "this SQLite database is damaged") from None
    except apsw.ReadOnlyError:
        problem = "this database was left in the middle of a write: let its own program open it once"
        raise OSError(errno.EROFS, problem) from None
    except (apsw.Error, MemoryError, OverflowError, UnicodeError) as error:
        raise OSError(errno.EIO, f"SQLite cannot read this database: {error}") from None
