"""The schema of a store, which must be exactly what the migrations create.

A trigger, a view in place of a table, an index over an expression and a default are code that SQLite runs when rows are
read or written. An untrusted file can contain any, so the schema is compared as text before the first row is read:
when a store is opened, before a backup is restored or verified, and by `memento doctor`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import closing
from functools import cache
from hashlib import blake2b
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import apsw

from memento.errors import StoreCorrupt
from memento.storage.connection import read_transaction
from memento.storage.migrations import MIGRATIONS

KNOWN: Final[Mapping[int, str]] = MappingProxyType({11: "7abb67e46df92d9aa9ae3d34c4724460"})
"""Hash of the schema by version, so that opening a store need not create one for comparison. A version that is missing
here is compared with a created schema, in 2 ms instead of 0.2 ms.
"""
_DERIVED: Final = frozenset(("trigger", "index", "view"))
"""Types of objects without rows of their own."""
_STATISTICS: Final = re.compile(r"sqlite_stat[1-4]")
"""Tables of statistics that ANALYZE creates; they can be dropped without loss."""
_SHOWN: Final = 60
_TOKEN: Final = re.compile(
    r"""(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])"""
    r"""|(?P<space>(?:--[^\n]*(?:\n|\Z)|/\*.*?\*/|[ \t\n\f\r])+)""",
    re.DOTALL,
)


class SchemaObject(NamedTuple):
    """A row of `sqlite_schema`."""

    type: str
    name: str
    table: str
    has_pages: bool
    sql: str | None


class SchemaDifference(NamedTuple):
    """An object that the schema must not contain, or that is missing from it."""

    item: SchemaObject
    is_missing: bool

    def __str__(self) -> str:
        name = "".join(letter if letter.isprintable() else "\ufffd" for letter in self.item.name[:_SHOWN])
        return f"the {self.item.type} {name} is {'missing or changed' if self.is_missing else 'not of Memento'}"

    @property
    def is_derived(self) -> bool:
        """Whether it can be dropped or recreated without touching a table's rows."""
        if self.item.name.startswith("sqlite_"):
            return self.item.type == "table" and bool(_STATISTICS.fullmatch(self.item.name)) and not self.is_missing
        return self.item.type in _DERIVED


def check(connection: apsw.Connection) -> None:
    """Raise StoreCorrupt unless the schema is that of the version that the file claims; an empty file is sound."""
    with read_transaction(connection):  # another process may be creating the schema
        if digest(connection) == KNOWN.get(user_version(connection)):
            return
        differing = differences(connection)
    for problem in differing[:1]:
        raise StoreCorrupt(
            f"the schema of {connection.filename} is not the one that Memento makes ({problem}): "
            "restore a backup with `memento restore --latest`, or keep its rows with `memento restore --salvage`"
        )


def differences(connection: apsw.Connection) -> list[SchemaDifference]:
    """Return how the schema differs from that of its version, irreparable differences first."""
    version = user_version(connection)
    if not 0 <= version <= len(MIGRATIONS):
        return [SchemaDifference(SchemaObject("version", str(version), "", False, None), is_missing=False)]
    wanted = {_comparable(item): item for item in expected_objects(version)}
    items = _read_objects(connection, most=len(wanted) + 1_000)
    found = {_comparable(item): item for item in items}
    differing = [SchemaDifference(found[one], is_missing=False) for one in found.keys() - wanted.keys()]
    differing += [SchemaDifference(wanted[one], is_missing=True) for one in wanted.keys() - found.keys()]
    if not differing and (len(items) > len(found) or _shares_pages(connection)):
        differing.append(SchemaDifference(SchemaObject("table", "sqlite_schema", "", True, None), is_missing=True))
    return sorted(differing, key=lambda one: (one.is_derived, not one.is_missing, one.item.type, one.item.name))


def digest(connection: apsw.Connection) -> str:
    """Return a hash of the schema's text."""
    total = blake2b(digest_size=16)
    pages = set()
    count = 0
    for row in connection.execute(
        "SELECT type, name, tbl_name, sql, rootpage FROM sqlite_master ORDER BY type, name, tbl_name, sql LIMIT 1000"
    ):
        *described, page = row
        total.update(repr((*described, bool(page))).encode("utf-8", "surrogatepass"))
        count += bool(page)
        pages.add(page or 0)
    return total.hexdigest() if len(pages - {0}) == count else ""


@cache
def expected_objects(version: int) -> tuple[SchemaObject, ...]:
    """Return the objects that the migrations create up to a version."""
    with closing(_make_schema(version)) as connection:
        return tuple(_read_objects(connection, most=10_000))


class TableColumns(NamedTuple):
    """A table's columns in order, and those of its primary key."""

    names: tuple[str, ...]
    keys: tuple[str, ...]


@cache
def ordinary_tables(version: int) -> Mapping[str, TableColumns]:
    """Return the columns of a version's ordinary tables by name, without those of the full-text index."""
    found: dict[str, TableColumns] = {}
    with closing(_make_schema(version)) as connection:
        names = connection.execute(
            "SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main' ORDER BY name"
        ).fetchall()
        for (name,) in names:
            columns: list[tuple[Any, ...]] = connection.execute(
                "SELECT name, pk FROM pragma_table_info(?) ORDER BY cid", (name,)
            ).fetchall()
            keys = sorted((int(key), str(column)) for column, key in columns if key)
            found[str(name)] = TableColumns(
                tuple(str(column) for column, _ in columns), tuple(column for _, column in keys)
            )
    return MappingProxyType({name: columns for name, columns in found.items() if not name.startswith("sqlite_")})


def is_own(connection: apsw.Connection, name: str) -> bool:
    """Tell whether the object of this name is as some version of Memento created it, so that reading it is safe."""
    found = [_comparable(item) for item in _read_objects(connection, most=10_000) if item.name.lower() == name]
    versions = range(len(MIGRATIONS), 0, -1)
    return len(found) == 1 and any(found[0] in map(_comparable, expected_objects(version)) for version in versions)


def user_version(connection: apsw.Connection) -> int:
    """Return the schema's version that the file claims."""
    version: Any = connection.pragma("user_version")
    return int(version)


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def repair(connection: apsw.Connection, differing: Iterable[SchemaDifference]) -> None:
    """Drop foreign objects and recreate missing ones, inside the caller's transaction.

    Only for derived differences and with triggers off; the caller rebuilds what the objects maintained.
    """
    ordered = sorted(differing, key=lambda one: one.is_missing)
    for item, is_missing in ordered:
        if not is_missing:
            connection.execute(f"DROP {item.type.upper()} IF EXISTS main.{quoted(item.name)}")
    for item, is_missing in ordered:
        if is_missing and item.sql:
            connection.execute(item.sql)


def _make_schema(version: int) -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    for migration in MIGRATIONS[:version]:
        connection.execute(migration)
    return connection


def _read_objects(connection: apsw.Connection, most: int) -> list[SchemaObject]:
    rows = connection.execute("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master LIMIT ?", (most,))
    return [
        SchemaObject(str(type_), str(name), str(table), bool(page), None if sql is None else str(sql))
        for type_, name, table, page, sql in islice(rows, most)
    ]


def _shares_pages(connection: apsw.Connection) -> bool:
    """Tell whether two objects share a root page, so that one would be read as the other."""
    pages = [page for (page,) in connection.execute("SELECT rootpage FROM sqlite_master") if page]
    return len(set(pages)) < len(pages)


def _comparable(item: SchemaObject) -> SchemaObject:
    return item if item.sql is None else item._replace(sql=_normalise_sql(item.sql))


def _normalise_sql(sql: str) -> str:
    """Return a statement without comments, which differ between versions, and with single spaces."""
    return _TOKEN.sub(lambda match: match["quoted"] or " ", sql).strip()
