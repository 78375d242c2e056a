"""sqlite-vec as a vector backend: exact search inside SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from memento.search.index.partial_index import Accelerator
from memento.storage.vec_table import MOST, VecTable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class SqliteVec(Accelerator):
    """A vec0 table in memory: exact, a copy of all vectors."""

    name: ClassVar[str] = "sqlite-vec"
    at_once: ClassVar[int] = 8_192

    def __init__(self, dimensions: int) -> None:
        import sqlite_vec

        self._table = VecTable(dimensions, sqlite_vec.loadable_path())
        self._bytes = 4 * dimensions
        self._covered = 0

    @property
    def covered(self) -> int:
        """The number of leading rows that it covers."""
        return self._covered

    def extend(self, vectors: memoryview[float]) -> None:
        """Add the rows after those covered."""
        raw, size = vectors.cast("B"), self._bytes
        starts = range(self._covered * size, len(raw), size)
        self._table.add(self._covered, (raw[start : start + size].tobytes() for start in starts))
        self._covered = len(raw) // size

    def nearest(
        self, query: NDArray[np.float32], count: int, vectors: NDArray[np.float32], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the nearest rows and their cosines; 4,096 at most, which is sqlite-vec's limit."""
        import numpy as np

        only = None if allowed is None else np.flatnonzero(allowed).tolist()
        found = self._table.nearest(query.tobytes(), min(count, MOST), only)
        rows, distances = np.array([row for row, _ in found], np.int64), np.array([d for _, d in found], np.float32)
        return rows, 1 - distances
