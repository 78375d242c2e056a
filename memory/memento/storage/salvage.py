"""Salvage of a damaged database: read the rows whose hash proves that they are intact."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import apsw

from memento.base.identity import row_hash
from memento.memory import NewMemory
from memento.storage import schema, tombstones, untrusted_file
from memento.storage.ignored import KINDS, Kind
from memento.storage.rows import HASHED, JSON_COLUMNS
from memento.storage.stored_json import are_readable, mapping, texts

_UNREADABLE: Final = (apsw.Error, UnicodeDecodeError)
_CHUNK: Final = 200
_SEARCHED: Final = 100_000
"""Row numbers to try if the highest one cannot be read."""
_SELECT: Final = f"SELECT num, {', '.join(HASHED)}, active, content_hash FROM memories WHERE num"


class DamagedDatabase:
    """A damaged database file that was set aside. It is not changed, and no code in it runs."""

    def __init__(self, path: Path) -> None:
        self._connection = untrusted_file.connect(path)
        self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self.unreadable = 0
        """Number of damaged rows found so far."""

    def forgotten(self) -> list[str]:
        """Return the tombstones that can be read.

        SQLite stops at the first damaged page, so where the table cannot be read in one go it is read in many short
        ranges, each from both of its ends: only what lies on a damaged page is missing.
        """
        with suppress(*_UNREADABLE):
            if not schema.is_own(self._connection, "tombstones"):
                return []
            try:
                return self._tombstones("", "\U0010ffff")
            except _UNREADABLE:
                found: set[str] = set()
                for low, high in pairwise([*tombstones.ranges(), "\U0010ffff"]):
                    for order in ("ASC", "DESC"):
                        with suppress(*_UNREADABLE):
                            self._tombstones(low, high, order, found)
                return sorted(found)
        return []

    def _tombstones(self, low: str, high: str, order: str = "ASC", found: set[str] | None = None) -> list[str]:
        """Return the tombstones from `low` up to `high`; `found` also gets those read before an error."""
        found = set() if found is None else found
        sql = f"SELECT id FROM tombstones WHERE id >= ? AND id < ? ORDER BY id {order}"
        for (id_,) in self._connection.execute(sql, (low, high)):
            if isinstance(id_, str) and tombstones.KEY.fullmatch(id_):
                found.add(id_)
        return sorted(found)

    def ignored(self) -> list[tuple[Kind, str]]:
        """Return the ignored sessions and projects."""
        with suppress(*_UNREADABLE):
            found = self._connection.execute("SELECT kind, value FROM ignored").fetchall()
            return [
                (kind, value) for known in KINDS for kind, value in found if kind == known and isinstance(value, str)
            ]
        return []

    def memories(self) -> Iterator[NewMemory]:
        """Yield the intact rows."""
        if not self._is_readable():
            return
        last, end = 0, self._end()
        while last < end:
            try:
                chunk = self._connection.execute(f"{_SELECT} > ? ORDER BY num LIMIT ?", (last, _CHUNK)).fetchall()
                if not chunk:
                    return
            except _UNREADABLE:
                chunk = list(self._one_by_one(last, min(last + _CHUNK, end)))
                last = min(last + _CHUNK, end)
            else:
                last = int(str(chunk[-1][0]))
            for _, *columns, active, content in chunk:
                if row_hash(columns) == content and are_readable(*(str(columns[at]) for at in JSON_COLUMNS)):
                    yield _memory(columns, active)
                else:
                    self.unreadable += 1

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _is_readable(self) -> bool:
        """Tell whether `memories` is Memento's own table, not another one or a view."""
        try:
            return schema.is_own(self._connection, "memories")
        except _UNREADABLE:
            return False

    def _one_by_one(self, after: int, upto: int) -> Iterator[tuple[Any, ...]]:
        for num in range(after + 1, upto + 1):
            try:
                yield from self._connection.execute(f"{_SELECT} = ?", (num,)).fetchall()
            except _UNREADABLE:
                self.unreadable += 1

    def _end(self) -> int:
        try:
            return int(str(self._connection.execute("SELECT coalesce(max(num), 0) FROM memories").get))
        except (apsw.Error, ValueError):
            return _SEARCHED


def _memory(columns: list[Any], active: Any) -> NewMemory:
    values = dict(zip(HASHED, columns, strict=True))
    decoded = {"tags": texts(values["tags"]), "meta": mapping(values["meta"]), "why": mapping(values["why"])}
    return NewMemory(**{**values, **decoded, "active": bool(active)})
