"""What every reading of a table needs: its marked row, its last row, and texts of any bytes."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from memento_ingest.formats.shared.database.row_digests import row_digest
from memento_ingest.formats.shared.database.sqlite import Database, DatabaseDamaged

LOWEST_ROWID: Final = -(2**63)
HIGHEST_ROWID: Final = 2**63 - 1
_MAX_TEXT: Final = 4096


def marked_rowid(database: Database, table: str, identity: Sequence[str], mark: Mapping[str, Any]) -> int | None:
    """Return the number of the row a mark was taken at; None where that row is gone or is another one now.

    The number of a deleted row may be given out again, and VACUUM gives out all numbers again.
    """
    rowid = mark.get("rowid")
    if not isinstance(rowid, int) or _identity_digest(database, table, identity, rowid) != mark.get("id"):
        return None
    return rowid


def behind(after: int, number: object) -> int:
    """Return the number of the next row. Raises DatabaseDamaged where the order is broken: reading would never end."""
    if not isinstance(number, int) or number <= after:
        raise DatabaseDamaged(errno.EIO, "this SQLite database is damaged: its rows are out of order")
    return number


def newest(database: Database, table: str, identity: Sequence[str]) -> dict[str, Any]:
    """Return the mark of the table's last row, empty for an empty table."""
    row = database.first(f'SELECT max(rowid) FROM "{table}"', {})  # noqa: S608
    if not row or row[0] is None:
        return {}
    return {"rowid": row[0], "id": _identity_digest(database, table, identity, row[0])}


def identity_text(columns: Sequence[str]) -> str:
    """Return the SQL of what identifies a row of the table `t`."""
    return as_text(" || '/' || ".join(f't."{column}"' for column in columns))


def _identity_digest(database: Database, table: str, identity: Sequence[str], rowid: int) -> int | None:
    """Return the digest of a row's identity, None without such a row: a mark holds nothing that a row says."""
    sql = f'SELECT {identity_text(identity)} FROM "{table}" AS t WHERE t.rowid = :rowid'  # noqa: S608
    row = database.first(sql, {"rowid": rowid})
    return row_digest([row[0]]) if row else None


def require(database: Database, table: str, columns: Iterable[str]) -> None:
    """Raise OSError where the table, or one of its columns, is missing."""
    missing = [column for column in columns if column not in database.columns(table)]
    if missing:
        raise OSError(0, f"its table {table} has no column {missing[0]}: another version wrote this database")


def as_text(expression: str) -> str:
    """Return the SQL of a short text as bytes: a database may hold text of any length that is not UTF-8."""
    return f"CAST(substr({expression}, 1, {_MAX_TEXT}) AS BLOB)"


def text(value: bytes | None) -> str:
    """Return a column's bytes as text without NULs."""
    return value.decode("utf-8", "replace").replace("\0", "") if value else ""
