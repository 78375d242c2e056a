"""The index of a store's vectors: exact search, and similarities of given memories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memento.search.index.directory import DEAD, Directory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NARROW: Final = 8
"""A filter that leaves less than one row in so many is answered from those rows alone."""


class VectorIndex:
    """Unit vectors; a memory (a row number of the database) owns one or more of them, its passages.

    A memory's similarity to a query is that of its best passage. Not safe for use from several threads at once.
    """

    def __init__(self, dimensions: int) -> None:
        import numpy as np

        self._vectors = np.empty((1024, dimensions), dtype=np.float32)
        self._nums = np.full(1024, DEAD, dtype=np.int64)
        self._used = 0
        self._directory = Directory(self._nums[:0])

    def __len__(self) -> int:
        """Return the number of memories."""
        return len(self._directory)

    def put(self, num: int, vectors: NDArray[np.float32]) -> None:
        """Set a memory's vectors, shape (passages, dimensions), in place of those it had."""
        import numpy as np

        end = self._used + len(vectors)
        while end > len(self._nums):
            self._vectors = np.concatenate([self._vectors, np.empty_like(self._vectors)])
            self._nums = np.concatenate([self._nums, np.full_like(self._nums, DEAD)])
        self._nums[self._directory.rows(np.array([num]))] = DEAD
        self._vectors[self._used : end] = vectors
        self._nums[self._used : end] = num
        self._directory.put(num, self._used, len(vectors))
        self._used = end

    def search(
        self, query: NDArray[np.float32], k: int, among: NDArray[np.int64] | None = None
    ) -> list[tuple[int, float]]:
        """Return the k nearest memories as (number, cosine), best first; `among` (sorted) limits which count."""
        import numpy as np

        vectors, nums = self._vectors[: self._used], self._nums[: self._used]
        rows = np.flatnonzero(nums != DEAD) if among is None else self._directory.rows(among)
        if not len(rows) or k < 1:
            return []
        narrow = len(rows) * NARROW < len(nums)
        scores = vectors[rows] @ query if narrow else (vectors @ query)[rows]
        wanted = min(len(rows), 4 * k)
        while True:
            top = np.argpartition(scores, -wanted)[-wanted:]
            best: dict[int, float] = {}
            for position in top[np.argsort(-scores[top], kind="stable")]:
                best.setdefault(int(nums[rows[position]]), float(scores[position]))
            if len(best) >= k or wanted == len(rows):
                return list(best.items())[:k]
            wanted = min(len(rows), 4 * wanted)  # many passages of few memories: look further down

    def similarities(self, queries: NDArray[np.float32], nums: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the cosine of each query (q, dimensions) to each memory (n,), shape (q, n).

        NaN for a memory that the index does not know.
        """
        import numpy as np

        firsts, counts = self._directory.find(nums)
        found: NDArray[np.float32] = np.full((len(queries), len(nums)), np.nan, np.float32)
        known = counts > 0
        if known.any():
            counts = counts[known]
            rows = self._directory.spread(firsts[known], counts)
            # Not by matrix product: for one this small, waking its threads takes ten times as long as the sum itself.
            scores = np.einsum("rd,qd->rq", self._vectors[rows], queries)
            found[:, known] = np.maximum.reduceat(scores, np.cumsum(counts) - counts).T
        return found
