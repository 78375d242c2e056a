"""The Rust engine as a vector backend and index: it reads the rows where they lie, and nothing here needs numpy."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from memento.search.index.partial_index import PersistentIndex
from memento.search.index.rows import Rows
from memento.search.index.vector_index import VectorIndex


class NativeCodes(PersistentIndex):
    """memento_native's Index: no copy of the vectors, 1/30 of their size in codes."""

    name: ClassVar[str] = "native"
    cheap: ClassVar[int] = 4_096

    def __init__(self, dimensions: int) -> None:
        import memento_native

        self._library: Any = memento_native
        self._dimensions = dimensions
        self.index: Any = memento_native.Index(dimensions)

    @property
    def covered(self) -> int:
        """The number of leading rows that it covers."""
        return len(self.index)

    def extend(self, vectors: memoryview[float]) -> None:
        """Encode the rows after those covered: about a microsecond each."""
        with suppress(ValueError):  # a row is not finite: the file is damaged there, and later rows are scanned
            self.index.extend(vectors)

    def save(self, path: Path, epoch: str) -> None:
        """Write the codes."""
        self.index.save(path, epoch)

    def load(self, path: Path, epoch: str, rows: int) -> None:
        """Read what `save` wrote for these rows; what the engine refuses is rebuilt."""
        with suppress(self._library.NativeError):
            self.index = self._library.Index.load(path, self._dimensions, epoch, rows)


class NativeIndex(VectorIndex):
    """memento_native's Directory over the rows, and its codes of them."""

    accelerator: NativeCodes

    def __init__(self, rows: Rows) -> None:
        import memento_native

        self._native: Any = memento_native.Directory(rows.nums)
        super().__init__(rows, self._native)
        self.accelerator = NativeCodes(rows.dimensions)

    def search(self, query: bytes, k: int, among: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """Return the k nearest memories as (number, cosine), best first; `among` filters before k is applied."""
        rows, codes = self.rows, self.accelerator
        found: list[tuple[int, float]] = self._native.nearest(
            codes.index, rows.vectors, rows.nums, query, max(k, 0), among, codes.threads
        )
        return found

    def similarities(self, queries: Sequence[bytes], nums: Sequence[int]) -> list[list[float]]:
        """Return for each query its cosine to each memory; NaN for a memory that is not in the index."""
        found: list[list[float]] = self._native.similarities(self.rows.vectors, queries, nums)
        return found

    def max_similarities(self, words: bytes, codes: Sequence[bytes]) -> list[list[float]]:
        """Return for each memory its maximum similarities, as `VectorIndex.max_similarities` says."""
        import memento_native

        found: list[list[float]] = memento_native.likeness(words, codes, self.rows.dimensions)
        return found


if TYPE_CHECKING:
    from pathlib import Path
