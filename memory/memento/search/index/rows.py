"""Vectors by row, and the memory that each row belongs to: in memory here, in a mapped file in `vector_file`.

Both are plain buffers, so that an engine of any kind can read them where they lie.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable
from itertools import chain, repeat

DEAD = -1
"""The number of a row that belongs to no memory any more."""


class Rows(ABC):
    """Rows are only ever appended; one that belongs to nobody any more is marked DEAD and keeps its place."""

    dimensions: int
    """The length of a vector."""
    seq: int = 0
    """The last embedding of the database that is in here."""
    deletions: int = 0
    """The database's generation of deletions that is in here."""

    @property
    @abstractmethod
    def vectors(self) -> memoryview[float]:
        """The vectors, one after the other: float32, rows x dimensions."""

    @property
    @abstractmethod
    def nums(self) -> memoryview:
        """The memory number of each row, int64."""

    @abstractmethod
    def append(self, nums: array[int], vectors: bytes) -> None:
        """Append rows (int64, and their float32); those of one memory lie side by side."""

    @abstractmethod
    def kill(self, rows: Iterable[int]) -> None:
        """Mark rows as belonging to nobody."""


def expand_counts(nums: Iterable[int], counts: Iterable[int]) -> array[int]:
    """Return the memory of each row (int64), where each memory has so many of them."""
    return array("q", chain.from_iterable(map(repeat, nums, counts)))


class GrowingBuffer:
    """Bytes that grow at their end, their capacity doubling; a view of what was there before stays valid."""

    def __init__(self, content: bytes = b"") -> None:
        self._room = memoryview(bytearray(content))
        self._used = len(content)

    @property
    def view(self) -> memoryview:
        """What is in use of it."""
        return self._room[: self._used]

    def append(self, more: bytes) -> None:
        """Copy `more` to the end."""
        end = self._used + len(more)
        if end > len(self._room):
            room = memoryview(bytearray(max(end, 2 * len(self._room), 8192)))
            room[: self._used] = self.view
            self._room = room
        self._room[self._used : end] = more
        self._used = end


class MemoryRows(Rows):
    """Rows of this process alone."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._vectors = GrowingBuffer()
        self._nums = GrowingBuffer()

    @property
    def vectors(self) -> memoryview[float]:
        """The vectors, one after the other: float32, rows x dimensions."""
        return self._vectors.view.cast("f")

    @property
    def nums(self) -> memoryview:
        """The memory number of each row, int64."""
        return self._nums.view.cast("q")

    def append(self, nums: array[int], vectors: bytes) -> None:
        """Append rows."""
        self._vectors.append(vectors)
        self._nums.append(nums.tobytes())

    def kill(self, rows: Iterable[int]) -> None:
        """Mark rows as belonging to nobody."""
        nums = self.nums
        for row in rows:
            nums[row] = DEAD
