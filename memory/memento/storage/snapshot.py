"""Snapshots: a consistent copy of the store, and a hash that tells whether two stores have the same contents.

`cp` of a database in use yields a damaged or incomplete file; SQLite's backup API copies from a read transaction.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

import apsw

from memento.base.durable import create_private_file
from memento.storage import meta, schema, untrusted_file
from memento.storage.migrations import migrate, refuse_foreign
from memento.storage.rows import HASHED

_COVERED: Final = frozenset((*HASHED[1:], "embedding"))
"""Columns of `memories` that `content_hash` and `embedding_hash` cover, so that hashing those is enough."""
_DERIVED: Final = frozenset(
    (
        "embedded_segments",
        "embedding_cache",
        "embeddings_next",
        "faded",
        "memory_sources",
        "memory_tags",
        "repeats",
        "token_codes",
        "writes",
    )
)
ONLY_COPIES: Final = ("hook-spool",)
"""Formats of sources that are removed after ingestion, once backups hold their rows."""


@dataclass(frozen=True, slots=True)
class StoreContents:
    """The comparable contents of a store."""

    hash: str
    """BLAKE2b-128, in hex, of every row of every table that is not derived."""
    counts: dict[str, int]
    """Rows by table."""
    schema: int
    spool: dict[str, str]
    """How far sources were read that are removed after ingestion: {path: `file_position`}."""
    journal: str
    """How far the journal was applied (storage.meta)."""


def read_contents(connection: apsw.Connection) -> StoreContents:
    """Hash and count everything in the caller's transaction."""
    total = blake2b(digest_size=16)
    counts: dict[str, int] = {}
    version = schema.user_version(connection)
    for table, columns, keys in _tables(version):
        total.update(f"\0{table}\0{','.join(columns)}\0".encode())
        counts[table] = 0
        select = f"SELECT {_listed(columns)} FROM {schema.quoted(table)} ORDER BY {_listed(keys)}"
        for row in connection.execute(select):
            total.update(repr(row).encode())
            counts[table] += 1
    spool = connection.execute(
        "SELECT path, offset, head_hash, marker_hash FROM sources "
        f"WHERE format IN ({', '.join('?' * len(ONLY_COPIES))})",
        ONLY_COPIES,
    )
    read = {str(path): file_position(offset, head, marker) for path, offset, head, marker in spool}
    return StoreContents(total.hexdigest(), counts, version, read, meta.read_journal_note(connection))


def file_position(offset: int, head_hash: bytes, marker_hash: bytes) -> str:
    """Return a text that identifies a file and how far it was read."""
    return f"{offset} {head_hash.hex()} {marker_hash.hex()}"


def copy(connection: apsw.Connection, target: Path) -> StoreContents:
    """Copy the database into a new file (0600) and return its contents, both as of the same instant."""
    os.close(create_private_file(target))
    connection.execute("BEGIN")
    try:
        held = read_contents(connection)
        with closing(apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)) as copied:
            with copied.backup("main", connection, "main") as steps:
                while not steps.done:
                    steps.step(-1)
            copied.pragma("journal_mode", "delete")  # one file, without a log beside it
    finally:
        connection.execute("ROLLBACK")
    return held


def open_copy(path: Path) -> apsw.Connection:
    """Open an untrusted copy that nobody else uses.

    Raises StoreTooNew for a newer schema, StoreCorrupt for one that is not Memento's, apsw.Error for a damaged file.
    """
    connection = untrusted_file.connect(path, writable=True)
    try:
        refuse_foreign(connection)
        schema.check(connection)
        untrusted_file.allow_triggers(connection)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def closing(connection: apsw.Connection) -> Iterator[apsw.Connection]:
    """Close the connection on exit."""
    try:
        yield connection
    finally:
        connection.close()


def upgrade_copy(path: Path) -> None:
    """Migrate a copy that `open_copy` accepted. Raises StoreCorrupt if its schema is not a new store's afterwards."""
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
        migrate(connection)
        schema.check(connection)


def _tables(version: int) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield every table of a version that is not derived: name, columns to hash, primary key.

    The names come from the migrations, never from the file.
    """
    for table, columns in schema.ordinary_tables(version).items():
        if table not in _DERIVED:
            covered = _COVERED if table == "memories" else frozenset()
            yield table, [name for name in columns.names if name not in covered], [*columns.keys] or ["rowid"]


def _listed(names: list[str]) -> str:
    return ", ".join(map(schema.quoted, names))
