"""The index whose rows the Rust engine reads where they lie: nothing here needs numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from memento.search.index.native_backend import Native
from memento.search.index.rows import Rows
from memento.search.index.vector_index import VectorIndex


class NativeIndex(VectorIndex):
    """memento_native's Directory over the rows, and its codes of them."""

    accelerator: Native

    def __init__(self, rows: Rows) -> None:
        import memento_native

        self._native: Any = memento_native.Directory(rows.nums)
        super().__init__(rows, self._native)
        self.accelerator = Native(rows.dimensions)

    def search(self, query: bytes, k: int, among: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """Return the k nearest memories as (number, cosine), best first; `among` limits which count, before k."""
        rows, codes = self.rows, self.accelerator
        found: list[tuple[int, float]] = self._native.nearest(
            codes.index, rows.vectors, rows.nums, query, max(k, 0), among, codes.threads
        )
        return found

    def similarities(self, queries: Sequence[bytes], nums: Sequence[int]) -> list[list[float]]:
        """Return for each query its cosine to each memory; NaN for a memory that the index does not know."""
        found: list[list[float]] = self._native.similarities(self.rows.vectors, queries, nums)
        return found

    def likeness(self, words: bytes, codes: Sequence[bytes]) -> list[list[float]]:
        """Return for each memory how like each word of a question the likest of its own is."""
        import memento_native

        found: list[list[float]] = memento_native.likeness(words, codes, self.rows.dimensions)
        return found
