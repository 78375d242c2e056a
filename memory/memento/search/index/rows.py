"""Vectors by row, and the memory that each row belongs to: in memory here, in a mapped file in `vector_file`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from memento.search.index.directory import DEAD

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Rows(ABC):
    """Rows are only ever appended; one that belongs to nobody any more is marked DEAD and keeps its place."""

    seq: int = 0
    """The last embedding of the database that is in here."""
    deletions: int = 0
    """The database's generation of deletions that is in here."""

    @property
    @abstractmethod
    def vectors(self) -> NDArray[np.float32]:
        """The vectors, shape (rows, dimensions)."""

    @property
    @abstractmethod
    def nums(self) -> NDArray[np.int64]:
        """The memory number of each row, shape (rows,)."""

    @abstractmethod
    def append(self, nums: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Append rows; those of one memory lie side by side."""

    @abstractmethod
    def kill(self, rows: NDArray[np.int64]) -> None:
        """Mark rows as belonging to nobody."""


class Growing:
    """An array that grows at its end, its capacity doubling."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array, self._used = array, len(array)

    @property
    def array(self) -> NDArray[Any]:
        """What is in use of it."""
        return self._array[: self._used]

    def append(self, more: NDArray[Any]) -> None:
        """Copy `more` to the end."""
        import numpy as np

        end = self._used + len(more)
        if end > len(self._array):
            room = np.empty((max(end, 2 * len(self._array), 1024), *self._array.shape[1:]), self._array.dtype)
            room[: self._used] = self.array
            self._array = room
        self._array[self._used : end] = more
        self._used = end


class MemoryRows(Rows):
    """Rows of this process alone."""

    def __init__(self, dimensions: int) -> None:
        import numpy as np

        self._vectors = Growing(np.empty((0, dimensions), np.float32))
        self._nums = Growing(np.empty(0, np.int64))

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The vectors, shape (rows, dimensions)."""
        return self._vectors.array

    @property
    def nums(self) -> NDArray[np.int64]:
        """The memory number of each row, shape (rows,)."""
        return self._nums.array

    def append(self, nums: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Append rows."""
        self._vectors.append(vectors)
        self._nums.append(nums)

    def kill(self, rows: NDArray[np.int64]) -> None:
        """Mark rows as belonging to nobody."""
        self._nums.array[rows] = DEAD
