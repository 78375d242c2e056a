"""The index in numpy: an exact scan of all rows, or an accelerator's answer for the rows it covers."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from memento.search.index.partial_index import Accelerator, matrix
from memento.search.index.rows import DEAD, Rows
from memento.search.index.sorted_row_map import SortedRowMap
from memento.search.index.vector_index import VectorIndex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHARED: Final = 20_000
"""From this many rows on, two threads scan."""
NARROW: Final = 8
"""A filter that leaves less than one row in this many is answered by an exact scan of those rows."""


class NumpyIndex(VectorIndex):
    """The rows as arrays."""

    accelerator: Accelerator | None

    def __init__(self, rows: Rows, accelerator: Accelerator | None = None) -> None:
        import numpy as np

        self._sorted = SortedRowMap(np.asarray(rows.nums))
        super().__init__(rows, self._sorted)
        self.accelerator = accelerator

    def search(self, query: bytes, k: int, among: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """Return the k nearest memories as (number, cosine), best first; `among` filters before k is applied."""
        import numpy as np

        if k < 1:
            return []
        asked, nums = np.frombuffer(query, np.float32), self._nums
        rows = None if among is None else self._sorted.rows_of(np.array(among, np.int64))
        live = self._sorted.rows if rows is None else len(rows)
        exact = self.accelerator is None or not self.accelerator.covered or live * NARROW < len(nums)
        if not exact:
            allowed = None
            if rows is not None:
                allowed = np.zeros(len(nums), bool)
                allowed[rows] = True
            elif self.dead:
                allowed = nums != DEAD
            if (found := self._accelerated(asked, k, allowed, live)) is not None:
                return found
        return self._exact(asked, k, np.flatnonzero(nums != DEAD) if rows is None and self.dead else rows)

    def similarities(self, queries: Sequence[bytes], nums: Sequence[int]) -> list[list[float]]:
        """Return for each query its cosine to each memory; NaN for a memory that is not in the index."""
        import numpy as np

        asked = matrix(memoryview(b"".join(queries)).cast("f"), self.rows.dimensions)
        firsts, counts = self._sorted.find(np.array(nums, np.int64))
        found: NDArray[np.float32] = np.full((len(asked), len(nums)), np.nan, np.float32)
        known = counts > 0
        if known.any():
            counts = counts[known]
            rows = self._sorted.spread(firsts[known], counts)
            # Not by matrix product: for one this small, waking its threads takes ten times as long as the sum itself.
            scores = np.einsum("rd,qd->rq", self._vectors.take(rows, axis=0), asked)
            found[:, known] = np.maximum.reduceat(scores, np.cumsum(counts) - counts).T
        similar: list[list[float]] = found.tolist()
        return similar

    def max_similarities(self, words: bytes, codes: Sequence[bytes]) -> list[list[float]]:
        """Return for each memory its maximum similarities, as `VectorIndex.max_similarities` says."""
        return max_similarities(words, codes, self.rows.dimensions)

    @property
    def _vectors(self) -> NDArray[np.float32]:
        return matrix(self.rows.vectors, self.rows.dimensions)

    @property
    def _nums(self) -> NDArray[np.int64]:
        import numpy as np

        return np.asarray(self.rows.nums)

    def _exact(self, query: NDArray[np.float32], k: int, rows: NDArray[np.int64] | None) -> list[tuple[int, float]]:
        """Score `rows` (default: all), then go down from the best until k memories are found."""
        import numpy as np

        vectors, nums = self._vectors, self._nums
        if rows is None:
            scores = _cosines(vectors, query)
        elif len(rows) * NARROW < len(nums):
            scores, nums = _cosines(vectors[rows], query), nums[rows]
        else:
            scores, nums = _cosines(vectors, query)[rows], nums[rows]
        wanted = min(len(nums), 4 * k)
        while True:
            top = _highest(scores, wanted)
            top = top[np.argsort(-scores[top], kind="stable")]
            best = _best_passages(nums[top], scores[top], k)
            if len(best) == k or wanted == len(nums):
                return best
            wanted = min(len(nums), 4 * wanted)  # few memories own many passages: go further down

    def _accelerated(
        self, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None, live: int
    ) -> list[tuple[int, float]] | None:
        """Query the accelerator for the rows it covers and scan the rest; return None if that does not fill k."""
        import numpy as np

        assert self.accelerator is not None
        vectors, nums, covered = self._vectors, self._nums, self.accelerator.covered
        filtered = None if allowed is None else allowed[:covered]
        uncovered = np.arange(covered, len(nums))
        scanned = _cosines(vectors[covered:], query)
        if allowed is not None:
            uncovered, scanned = uncovered[allowed[covered:]], scanned[allowed[covered:]]
        one_passage = self._sorted.rows == len(self)
        wanted = min(live, k if one_passage else 2 * k)
        for _ in range(3):
            near, scores = self.accelerator.nearest(query, min(wanted, covered), vectors, filtered)
            filled = len(near) >= min(wanted, covered if filtered is None else int(filtered.sum()))
            best_uncovered = _highest(scanned, wanted)
            near, scores = np.append(near, uncovered[best_uncovered]), np.append(scores, scanned[best_uncovered])
            order = np.argsort(-scores, kind="stable")[:wanted]  # after those, a row may be missing
            best = _best_passages(nums[near[order]], scores[order], k)
            if filled and (len(best) == k or wanted == live):
                return best
            if not filled:
                return None
            wanted = min(live, 8 * wanted)
        return None


def _cosines(vectors: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine of each row, using a second thread for many rows.

    A matrix product would wake threads that wait by spinning: 28 ms instead of 13 if the other core is busy.
    """
    import numpy as np

    found = np.empty(len(vectors), np.float32)
    half = len(vectors) // 2 if len(vectors) >= SHARED and _cores() > 1 else 0
    rest = threading.Thread(target=np.vecdot, args=(vectors[:half], query), kwargs={"out": found[:half]})
    if half:
        try:
            rest.start()
        except RuntimeError:  # the system has no thread to give
            half = 0
    np.vecdot(vectors[half:], query, out=found[half:])
    if half:
        rest.join()
    return found


def _highest(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return the positions of the `count` highest scores, in any order."""
    import numpy as np

    return np.arange(len(scores)) if count >= len(scores) else np.argpartition(scores, -count)[-count:]


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _best_passages(nums: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
    """Return the first k memories of sorted passages, each with the score of its best passage."""
    best: dict[int, float] = {}
    for num, score in zip(nums.tolist(), scores.tolist(), strict=True):
        best.setdefault(num, score)
        if len(best) == k:
            break
    return list(best.items())


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def max_similarities(words: bytes, documents: Sequence[bytes], dimensions: int) -> list[list[float]]:
    """Return for each document what `VectorIndex.max_similarities` says, counting differing bits."""
    import numpy as np

    size = -(-dimensions // 8)
    counts = np.array([len(codes) // size for codes in documents])
    found: list[list[float]] = [[] for _ in documents]
    if not words or not counts.any():
        return found
    held = np.ascontiguousarray(_codes(b"".join(documents), size).T)  # numpy adds long rows up fast, short ones slowly
    differing = [np.bitwise_count(held ^ word[:, None]).sum(axis=0, dtype=np.int32) for word in _codes(words, size)]
    holders = np.flatnonzero(counts)
    least = np.minimum.reduceat(np.stack(differing), np.cumsum(counts)[holders] - counts[holders], axis=1)
    for place, likest in zip(holders.tolist(), (1 - 2 * least.T / dimensions).tolist(), strict=True):
        found[place] = likest
    return found


def _codes(joined: bytes, size: int) -> NDArray[np.uint64] | NDArray[np.uint8]:
    """Return codes as rows of numbers, of eight bytes each if the size allows."""
    import numpy as np

    rows = np.frombuffer(joined, np.uint8).reshape(-1, size)
    return rows.view(np.uint64) if size % 8 == 0 else rows
