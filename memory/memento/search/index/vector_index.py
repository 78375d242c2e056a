"""The interface of a vector index: which memories are nearest to a query, and how near given ones are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

from memento.search.index.partial_index import PartialIndex
from memento.search.index.rows import Rows, expand_counts

RowRange = tuple[int, int]
"""A memory's first row and count of rows; the count is 0 if it has none."""


class RowMap(Protocol):
    """Maps each memory to its rows, which are contiguous since they are written together."""

    def __len__(self) -> int:
        """Return the number of memories."""

    @property
    def rows(self) -> int:
        """The number of rows that belong to a memory."""

    def spans(self, nums: Sequence[int]) -> Sequence[RowRange]:
        """Return the row ranges of these memories."""

    def put(self, spans: Sequence[tuple[int, int, int]]) -> None:
        """Set memories' rows, by (number, first row, count); a count of 0 removes a memory."""

    def others(self, nums: Sequence[int]) -> Sequence[int]:
        """Return the numbers of all other memories, ascending."""


class VectorIndex(ABC):
    """Unit vectors; a memory (a row number of the database) owns one or more of them, its passages.

    A memory's similarity to a query is that of its best passage. A vector is passed as the bytes of its float32, as in
    the database. Without an accelerator, answers are exact. Not thread-safe.
    """

    accelerator: PartialIndex | None = None

    def __init__(self, rows: Rows, directory: RowMap) -> None:
        self.rows = rows
        self._directory = directory

    def __len__(self) -> int:
        """Return the number of memories."""
        return len(self._directory)

    @property
    def dead(self) -> int:
        """The number of DEAD rows."""
        return len(self.rows.nums) - self._directory.rows

    def put(self, nums: Sequence[int], counts: Sequence[int], vectors: bytes) -> None:
        """Replace memories' vectors: `nums` names each memory once, `counts` its number of vectors.

        `vectors` holds sum(counts) x dimensions float32, grouped by memory.
        """
        self._kill(nums)
        firsts = accumulate(counts, initial=len(self.rows.nums))
        self.rows.append(expand_counts(nums, counts), vectors)
        self._directory.put(list(zip(nums, firsts, counts, strict=False)))

    def keep_only(self, nums: Sequence[int]) -> None:
        """Remove every memory except these."""
        gone = self._directory.others(nums)
        self._kill(gone)
        self._directory.put([(num, 0, 0) for num in gone])

    def vectors_of(self, num: int) -> bytes:
        """Return a memory's vectors, passages x dimensions float32."""
        ((first, count),) = self._directory.spans([num])
        dimensions = self.rows.dimensions
        return self.rows.vectors[first * dimensions : (first + count) * dimensions].tobytes()

    @abstractmethod
    def search(self, query: bytes, k: int, among: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """Return the k nearest memories as (number, cosine), best first; `among` filters before k is applied."""

    @abstractmethod
    def similarities(self, queries: Sequence[bytes], nums: Sequence[int]) -> list[list[float]]:
        """Return for each query its cosine to each memory; NaN for a memory that is not in the index."""

    @abstractmethod
    def max_similarities(self, words: bytes, codes: Sequence[bytes]) -> list[list[float]]:
        """Return for each memory, given by its codes, each query token's maximum similarity to its tokens (MaxSim).

        The similarity of two codes is the share of equal bits minus the share of differing bits: from -1 to 1.
        A memory without codes gets an empty list.
        """

    def _kill(self, nums: Sequence[int]) -> None:
        spans = self._directory.spans(nums)
        if rows := [row for first, count in spans for row in range(first, first + count)]:
            self.rows.kill(rows)
