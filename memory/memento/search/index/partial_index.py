"""What a vector backend is: it finds the nearest rows faster than a scan, or in another engine.

The exact scan of `NumpyIndex` is the numpy backend and the reference. A backend covers the first rows and never more
than there are; what it does not cover yet is scanned.
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
"""The power of the rows with which a search widens: of a million too, 0.99 or more are found (docs/search.md)."""


class PartialIndex(ABC):
    """What a backend holds of the first rows. The store holds a lock: an instance is never called twice at a time."""

    name: ClassVar[str]
    """What `recall.index` calls it."""
    threads: int = 1
    """Cores that one query may take, where the backend can use several."""
    at_once: ClassVar[int] = 65_536
    """Rows taken in between two looks at a deadline."""

    @abstractmethod
    def __init__(self, dimensions: int) -> None:
        """Begin empty, for vectors of so many float32."""

    @property
    @abstractmethod
    def covered(self) -> int:
        """How many rows it holds, from the first on."""

    @abstractmethod
    def extend(self, vectors: memoryview[float]) -> None:
        """Take in the rows that `vectors` has behind those covered, or some of them: the rest is scanned.

        `vectors` are all rows from the first on, one after the other, float32.
        """


class Accelerator(PartialIndex):
    """Nearest rows of unit vectors, by cosine, for `NumpyIndex`.

    It is asked with a mask of the rows that may be found, and when it returns fewer of them than were asked for and
    exist, the scan answers instead: a filter is never starved.
    """

    @abstractmethod
    def nearest(
        self, query: NDArray[np.float32], count: int, vectors: NDArray[np.float32], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the numbers of the nearest rows and their cosines, in any order, `count` at most.

        `query` is a unit vector, shape (dimensions,); `vectors` are all rows, shape (rows, dimensions), mapped from the
        file; `allowed`, shape (covered,), limits which count. Fewer than `count` and than exist make the caller scan.
        """


class PersistentIndex(PartialIndex):
    """One whose work is worth a file beside the vector file. The others are made whenever a process starts."""

    cheap: ClassVar[int] = 0
    """So many rows are not worth writing the file again."""

    @abstractmethod
    def save(self, path: Path, epoch: str) -> None:
        """Write it to a file; `epoch` names the rows it was made from. Raises OSError where not all of it got there."""

    @abstractmethod
    def load(self, path: Path, epoch: str, rows: int) -> None:
        """Read what `save` wrote for these rows; the caller has checked that the file is whole.

        What the library refuses all the same (another version wrote it) leaves it as empty as it was.
        """


class Graph(PersistentIndex, Accelerator):
    """One that takes about a millisecond for every row: it is extended in the background, never by a query."""

    search_width: ClassVar[int]
    """How many rows a search keeps in view while it walks the graph, in one of WIDTH_ROWS."""

    def _width(self, count: int) -> int:
        """Return how many rows a search for `count` keeps in view: more in a larger graph, which leads astray more."""
        grown: float = max(1.0, self.covered / WIDTH_ROWS) ** WIDTH_EXPONENT
        return max(round(self.search_width * grown), 2 * count)


def matrix(vectors: memoryview[float], dimensions: int) -> NDArray[np.float32]:
    """Return the same vectors as an array, shape (rows, dimensions), without a copy."""
    import numpy as np

    return np.asarray(vectors).reshape(-1, dimensions)
