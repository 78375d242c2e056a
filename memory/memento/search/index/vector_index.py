"""The index of a store's vectors: which memories are nearest to a query, and how near given ones are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memento.search.index.accelerator import Accelerator
from memento.search.index.directory import DEAD, Directory
from memento.search.index.rows import Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NARROW: Final = 8
"""A filter that leaves less than one row in so many is answered from those rows alone, exactly."""


class VectorIndex:
    """Unit vectors; a memory (a row number of the database) owns one or more of them, its passages.

    A memory's similarity to a query is that of its best passage. Without an accelerator every answer is exact. Not
    safe for use from several threads at once.
    """

    def __init__(self, rows: Rows, accelerator: Accelerator | None = None) -> None:
        self.rows = rows
        self.accelerator = accelerator
        self._directory = Directory(rows.nums)
        self._dead = int((rows.nums == DEAD).sum())

    def __len__(self) -> int:
        """Return the number of memories."""
        return len(self._directory)

    @property
    def dead(self) -> int:
        """The number of rows that belong to nobody."""
        return self._dead

    def put(self, nums: NDArray[np.int64], counts: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Set memories' vectors in place of those they had: `counts` of each, one memory after the other.

        `nums` holds each memory once; `vectors` has the shape (sum of counts, dimensions).
        """
        import numpy as np

        self._kill(self._directory.rows(nums))
        firsts = len(self.rows.nums) + np.cumsum(counts) - counts
        self.rows.append(np.repeat(nums, counts), vectors)
        self._directory.put(nums, firsts, counts)

    def keep_only(self, nums: NDArray[np.int64]) -> None:
        """Forget every memory that is not among these numbers."""
        import numpy as np

        gone = np.setdiff1d(self._directory.nums, nums)
        self._kill(self._directory.rows(gone))
        self._directory.put(gone, np.zeros_like(gone), np.zeros_like(gone))

    def vectors_of(self, num: int) -> NDArray[np.float32]:
        """Return a memory's vectors, shape (passages, dimensions)."""
        import numpy as np

        return self.rows.vectors[self._directory.rows(np.array([num]))]

    def search(
        self, query: NDArray[np.float32], k: int, among: NDArray[np.int64] | None = None
    ) -> list[tuple[int, float]]:
        """Return the k nearest memories as (number, cosine), best first; `among` limits which count, before k."""
        import numpy as np

        if k < 1:
            return []
        nums = self.rows.nums
        rows = None if among is None else self._directory.rows(among)
        live = len(nums) - self._dead if rows is None else len(rows)
        exact = self.accelerator is None or not self.accelerator.covered or live * NARROW < len(nums)
        if not exact:
            allowed = None
            if rows is not None:
                allowed = np.zeros(len(nums), bool)
                allowed[rows] = True
            elif self._dead:
                allowed = nums != DEAD
            if (found := self._accelerated(query, k, allowed, live)) is not None:
                return found
        return self._exact(query, k, np.flatnonzero(nums != DEAD) if rows is None else rows)

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
            scores = np.einsum("rd,qd->rq", self.rows.vectors[rows], queries)
            found[:, known] = np.maximum.reduceat(scores, np.cumsum(counts) - counts).T
        return found

    def _exact(self, query: NDArray[np.float32], k: int, rows: NDArray[np.int64]) -> list[tuple[int, float]]:
        """Score these rows, then walk down from the best until k memories are found."""
        import numpy as np

        vectors, nums = self.rows.vectors, self.rows.nums
        if not len(rows):
            return []
        scores = vectors[rows] @ query if len(rows) * NARROW < len(nums) else (vectors @ query)[rows]
        wanted = min(len(rows), 4 * k)
        while True:
            top = np.argpartition(scores, -wanted)[-wanted:]
            top = top[np.argsort(-scores[top], kind="stable")]
            best = _best_passages(nums[rows[top]], scores[top], k)
            if len(best) == k or wanted == len(rows):
                return best
            wanted = min(len(rows), 4 * wanted)  # many passages of few memories: look further down

    def _accelerated(
        self, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None, live: int
    ) -> list[tuple[int, float]] | None:
        """Ask the accelerator for the rows it covers and scan the rest; None where that does not fill k."""
        import numpy as np

        assert self.accelerator is not None
        vectors, nums, covered = self.rows.vectors, self.rows.nums, self.accelerator.covered
        one_passage = len(nums) - self._dead == len(self)
        wanted = min(live, k if one_passage else 2 * k)
        for _ in range(3):
            filtered = None if allowed is None else allowed[:covered]
            near, scores = self.accelerator.nearest(query, min(wanted, covered), vectors, filtered)
            filled = len(near) >= min(wanted, covered if filtered is None else int(filtered.sum()))
            if covered < len(nums):
                rest = np.arange(covered, len(nums))
                rest = rest if allowed is None else rest[allowed[covered:]]
                near, scores = np.append(near, rest), np.append(scores, vectors[rest] @ query)
            order = np.argsort(-scores, kind="stable")
            best = _best_passages(nums[near[order]], scores[order], k)
            if filled and (len(best) == k or wanted == live):
                return best
            if not filled:
                return None
            wanted = min(live, 8 * wanted)
        return None

    def _kill(self, rows: NDArray[np.int64]) -> None:
        if len(rows):
            self._dead += len(rows)
            self.rows.kill(rows)


def _best_passages(nums: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
    """Return the first k memories of passages that are sorted, each with the score of its best passage."""
    best: dict[int, float] = {}
    for num, score in zip(nums.tolist(), scores.tolist(), strict=True):
        best.setdefault(num, score)
        if len(best) == k:
            break
    return list(best.items())
