"""Nearest vectors: what every backend does, and the numpy one, which is exact and the reference for the others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class VectorIndex(ABC):
    """An index of unit vectors; a memory (a row number) owns one or more of them, its passages.

    A memory's similarity to a query is that of its best passage. Not safe for use from several threads at once.
    """

    @abstractmethod
    def put(self, num: int, vectors: NDArray[np.float32]) -> None:
        """Set a memory's vectors, shape (passages, dimensions), in place of those it had."""

    @abstractmethod
    def search(
        self, query: NDArray[np.float32], k: int, among: NDArray[np.int64] | None = None
    ) -> list[tuple[int, float]]:
        """Return the k nearest memories as (number, cosine), best first; `among` (sorted) limits which count."""

    @abstractmethod
    def similarity(self, query: NDArray[np.float32], nums: Sequence[int]) -> dict[int, float]:
        """Return the cosine of each of these memories that the index knows."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of memories."""


class NumpyIndex(VectorIndex):
    """Exact search by one matrix product over all vectors."""

    def __init__(self, dimensions: int) -> None:
        import numpy as np

        self._np = np
        self._vectors = np.empty((1024, dimensions), dtype=np.float32)
        self._nums = np.empty(1024, dtype=np.int64)
        self._used = 0
        self._rows: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, num: int, vectors: NDArray[np.float32]) -> None:
        """Append the vectors; those they replace stay in the matrix, belonging to nobody."""
        for row in self._rows.pop(num, ()):
            self._nums[row] = -1
        end = self._used + len(vectors)
        while end > len(self._nums):
            self._vectors = self._np.concatenate([self._vectors, self._np.empty_like(self._vectors)])
            self._nums = self._np.concatenate([self._nums, self._np.empty_like(self._nums)])
        self._vectors[self._used : end] = vectors
        self._nums[self._used : end] = num
        self._rows[num] = list(range(self._used, end))
        self._used = end

    def search(
        self, query: NDArray[np.float32], k: int, among: NDArray[np.int64] | None = None
    ) -> list[tuple[int, float]]:
        """Score every vector, then walk down from the best until k memories are found."""
        np = self._np
        nums = self._nums[: self._used]
        rows = np.flatnonzero(nums >= 0 if among is None else np.isin(nums, among))
        if not len(rows) or k < 1:
            return []
        scores = (self._vectors[: self._used] @ query)[rows]
        wanted = min(len(rows), 4 * k)
        while True:
            top = np.argpartition(scores, -wanted)[-wanted:]
            best: dict[int, float] = {}
            for position in top[np.argsort(-scores[top], kind="stable")]:
                best.setdefault(int(nums[rows[position]]), float(scores[position]))
            if len(best) >= k or wanted == len(rows):
                return list(best.items())[:k]
            wanted = min(len(rows), 4 * wanted)  # many passages of few memories: look further down

    def similarity(self, query: NDArray[np.float32], nums: Sequence[int]) -> dict[int, float]:
        """Score only the vectors of these memories."""
        return {num: float((self._vectors[rows] @ query).max()) for num in nums if (rows := self._rows.get(num))}
