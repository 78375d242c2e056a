"""Vector backends: partial indexes that find the nearest rows faster than a scan, or in another engine.

The exact scan of `NumpyIndex` is the numpy backend and the reference. A backend covers the first rows, never more than
exist; rows that it does not cover yet are scanned.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


WIDTH_ROWS: Final = 100_000
WIDTH_EXPONENT: Final = 0.65
"""Exponent of the search width in the number of rows; recall stays at 0.99 or more up to a million (docs/search.md)."""


class PartialIndex(ABC):
    """An index of the first rows. The store holds a lock, so an instance is never called concurrently."""

    name: ClassVar[str]
    """Its name in `recall.index`."""
    threads: int = 1
    """Cores that one query may use, if the backend can use several."""
    at_once: ClassVar[int] = 65_536
    """Rows added between two checks of a deadline."""

    @abstractmethod
    def __init__(self, dimensions: int) -> None:
        """Create an empty index for vectors of `dimensions` float32."""

    @property
    @abstractmethod
    def covered(self) -> int:
        """The number of leading rows that it covers."""

    @abstractmethod
    def extend(self, vectors: memoryview[float]) -> None:
        """Add the rows of `vectors` after those covered, or some of them; the rest is scanned.

        `vectors` are all rows from the first, concatenated, float32.
        """


class Accelerator(PartialIndex):
    """Nearest rows of unit vectors, by cosine, for `NumpyIndex`.

    It gets a mask of the allowed rows. If it returns fewer than were requested and exist, the scan answers instead, so
    a filter never loses results.
    """

    @abstractmethod
    def nearest(
        self, query: NDArray[np.float32], count: int, vectors: NDArray[np.float32], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the numbers of the nearest rows and their cosines, in any order, `count` at most.

        `query` is a unit vector, shape (dimensions,); `vectors` are all rows, shape (rows, dimensions), mapped from the
        file; `allowed`, shape (covered,), masks the rows. If fewer than `count` are returned and more exist, the caller
        scans.
        """


class PersistentIndex(PartialIndex):
    """A partial index that is saved beside the vector file; others are rebuilt by every process."""

    cheap: ClassVar[int] = 0
    """Number of new rows that do not justify saving again."""

    @abstractmethod
    def save(self, path: Path, epoch: str) -> None:
        """Write the index to a file; `epoch` identifies its rows. Raises OSError if the file is incomplete."""

    @abstractmethod
    def load(self, path: Path, epoch: str, rows: int) -> None:
        """Read what `save` wrote for these rows; the caller has checked that the file is whole.

        If the library refuses it (as from another version), the index stays empty.
        """


class Graph(PersistentIndex, Accelerator):
    """A graph index: adding a row takes about a millisecond, so it grows in the background, never in a query."""

    search_width: ClassVar[int]
    """The search width (HNSW's ef) in a graph of WIDTH_ROWS rows."""

    def _width(self, count: int) -> int:
        """Return the search width (HNSW's ef) for `count` results, which grows with the graph."""
        grown: float = max(1.0, self.covered / WIDTH_ROWS) ** WIDTH_EXPONENT
        return max(round(self.search_width * grown), 2 * count)


def matrix(vectors: memoryview[float], dimensions: int) -> NDArray[np.float32]:
    """Return the same vectors as an array, shape (rows, dimensions), without a copy."""
    import numpy as np

    return np.asarray(vectors).reshape(-1, dimensions)
