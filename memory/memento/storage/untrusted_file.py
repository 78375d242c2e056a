"""Connections to untrusted files: backups, copies, damaged and foreign databases.

Invariant: code inside such a file never takes effect. SQLite runs code that a file contains (triggers, views, virtual
tables, expressions in indexes, checks and defaults), so every connection has an authorizer that allows reading and
writing rows, and refuses attaching files, changing the schema, loading extensions and lasting settings. `schema.check`
then compares the schema before the first row is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw

_FLAGS: Final = (
    (apsw.SQLITE_DBCONFIG_DEFENSIVE, 1),
    (apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
    (apsw.SQLITE_DBCONFIG_ENABLE_VIEW, 0),
    (apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0),
    (apsw.SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, 0),
    (apsw.SQLITE_DBCONFIG_DQS_DML, 0),
    (apsw.SQLITE_DBCONFIG_DQS_DDL, 0),
)
_ROWS: Final = frozenset(
    (
        apsw.SQLITE_SELECT,
        apsw.SQLITE_READ,
        apsw.SQLITE_INSERT,
        apsw.SQLITE_UPDATE,
        apsw.SQLITE_DELETE,
        apsw.SQLITE_TRANSACTION,
        apsw.SQLITE_SAVEPOINT,
        apsw.SQLITE_REINDEX,
    )
)
_READ_PRAGMAS: Final = frozenset(
    ("application_id", "user_version", "data_version", "foreign_key_check", "integrity_check", "quick_check")
)
"""Pragmas that only read. FTS5 itself reads data_version."""
_SET_PRAGMAS: Final = frozenset(
    (
        ("cell_size_check", "on"),
        ("foreign_keys", "on"),
        ("journal_mode", "delete"),
        ("mmap_size", "0"),
        ("secure_delete", "fast"),
        ("secure_delete", "on"),
        ("trusted_schema", "off"),
    )
)
_REFUSED_FUNCTIONS: Final = frozenset(("load_extension", "fts3_tokenizer"))
_SCHEMA_TABLES: Final = frozenset(("sqlite_master", "sqlite_schema"))
_VACUUM: Final = "vacuum_"
"""Prefix of the scratch database in which VACUUM builds the new file."""


def connect(path: Path, *, writable: bool = False) -> apsw.Connection:
    """Open an untrusted file. Its triggers are off until `allow_triggers`. Raises apsw.Error."""
    if writable:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    else:
        uri = f"file:{quote(str(path))}?mode=ro"
        connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        _guard(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def allow_triggers(connection: apsw.Connection) -> None:
    """Enable triggers, once the schema was compared and they are known to be Memento's own."""
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 1)


def _guard(connection: apsw.Connection) -> None:
    for flag, value in _FLAGS:
        connection.config(flag, value)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
    connection.authorizer = _authorize
    for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _authorize(operation: int, first: str | None, second: str | None, database: str | None, _: str | None) -> int:
    """Return SQLite's verdict on an operation, of our statement or of code in the file."""
    in_vacuum = database is not None and database.startswith(_VACUUM)
    if operation in _ROWS:
        writes = operation in (apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE)
        allowed = in_vacuum or not (writes and first in _SCHEMA_TABLES)
    elif operation == apsw.SQLITE_FUNCTION:
        allowed = (second or "").lower() not in _REFUSED_FUNCTIONS
    elif operation == apsw.SQLITE_PRAGMA:
        name, value = (first or "").lower(), second
        allowed = name in _READ_PRAGMAS if value is None else _is_allowed_setting(name, value.lower())
    elif operation == apsw.SQLITE_ATTACH:
        allowed = first == ""  # the scratch file of VACUUM, which has no name; VACUUM INTO has one
    else:
        allowed = in_vacuum and operation in (apsw.SQLITE_CREATE_TABLE, apsw.SQLITE_CREATE_INDEX)
    return apsw.SQLITE_OK if allowed else apsw.SQLITE_DENY


def _is_allowed_setting(name: str, value: str) -> bool:
    return (name, value) in _SET_PRAGMAS or (name in ("integrity_check", "quick_check") and value.isdecimal())
