"""The index of a store's vectors: which memories are nearest to a query, and how near given ones are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

from memento.search.index.partial_index import PartialIndex
from memento.search.index.rows import Rows, expand_counts

RowRange = tuple[int, int]
"""A memory's first row and its count of rows; the count is 0 where it has none."""


class RowMap(Protocol):
    """Where each memory's rows lie: side by side, since they are written together."""

    def __len__(self) -> int:
        """Return the number of memories."""

    @property
    def rows(self) -> int:
        """The number of rows that belong to a memory."""

    def spans(self, nums: Sequence[int]) -> Sequence[RowRange]:
        """Return where these memories' rows lie."""

    def put(self, spans: Sequence[tuple[int, int, int]]) -> None:
        """Set where memories' rows lie, by (number, first row, count); a count of 0 takes one out."""

    def others(self, nums: Sequence[int]) -> Sequence[int]:
        """Return the numbers of the memories that are not among these, ascending."""


class VectorIndex(ABC):
    """Unit vectors; a memory (a row number of the database) owns one or more of them, its passages.

    A memory's similarity to a query is that of its best passage. A vector is given as the bytes of its float32, as the
    database keeps it. Without an accelerator every answer is exact. Not safe for use from several threads at once.
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
        """The number of rows that belong to nobody."""
        return len(self.rows.nums) - self._directory.rows

    def put(self, nums: Sequence[int], counts: Sequence[int], vectors: bytes) -> None:
        """Set memories' vectors in place of those they had: `counts` of each, one memory after the other.

        `nums` holds each memory once; `vectors` is sum of counts x dimensions float32.
        """
        self._kill(nums)
        firsts = accumulate(counts, initial=len(self.rows.nums))
        self.rows.append(expand_counts(nums, counts), vectors)
        self._directory.put(list(zip(nums, firsts, counts, strict=False)))

    def keep_only(self, nums: Sequence[int]) -> None:
        """Forget every memory that is not among these numbers."""
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
        """Return the k nearest memories as (number, cosine), best first; `among` limits which count, before k."""

    @abstractmethod
    def similarities(self, queries: Sequence[bytes], nums: Sequence[int]) -> list[list[float]]:
        """Return for each query its cosine to each memory; NaN for a memory that the index does not know."""

    @abstractmethod
    def max_similarities(self, words: bytes, codes: Sequence[bytes]) -> list[list[float]]:
        """Return for each memory, by its words' codes, how like each word of a question the likest of its words is.

        Two codes are as like as the share of their bits that agree is above the share that differs: -1 to 1, and 0 for
        strangers. A memory without codes gets an empty list.
        """

    def _kill(self, nums: Sequence[int]) -> None:
        spans = self._directory.spans(nums)
        if rows := [row for first, count in spans for row in range(first, first + count)]:
            self.rows.kill(rows)
