"""A sqlite-vec table in an in-memory database of its own, for the sqlite-vec backend.

It never touches the store's file, whose connections load no extension.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import apsw

MOST: Final = 4_096
"""The most neighbours that sqlite-vec returns for one query."""


class VecTable:
    """Vectors by row number."""

    def __init__(self, dimensions: int, extension: str) -> None:
        self._connection = apsw.Connection(":memory:")
        self._connection.enable_load_extension(True)
        self._connection.load_extension(extension)
        self._connection.enable_load_extension(False)
        self._connection.execute(
            f"CREATE VIRTUAL TABLE found USING vec0 (embedding float[{dimensions}] distance_metric=cosine);"
            "CREATE TABLE allowed (num INTEGER PRIMARY KEY)"
        )

    def add(self, first: int, blobs: Iterable[bytes]) -> None:
        """Insert vectors, float32, under the numbers from `first` on."""
        with self._connection:
            self._connection.executemany("INSERT INTO found (rowid, embedding) VALUES (?, ?)", enumerate(blobs, first))

    def nearest(self, query: bytes, count: int, allowed: Iterable[int] | None) -> list[tuple[int, float]]:
        """Return the nearest (number, cosine distance), nearest first, among `allowed`."""
        only = ""
        if allowed is not None:
            only = "AND rowid IN (SELECT num FROM allowed)"
            with self._connection:
                self._connection.execute("DELETE FROM allowed")
                self._connection.executemany("INSERT INTO allowed VALUES (?)", ((num,) for num in allowed))
        rows: list[tuple[Any, ...]] = self._connection.execute(
            f"SELECT rowid, distance FROM found WHERE embedding MATCH ? AND k = ? {only} ORDER BY distance",
            (query, count),
        ).fetchall()
        return [(num, distance) for num, distance in rows]
