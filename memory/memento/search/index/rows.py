"""Vectors by row, and the memory that owns each row: in memory here, in a mapped file in `vector_file`.

Both are plain buffers, so that any engine can read them in place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable
from itertools import chain, repeat

DEAD = -1
"""The memory number of a row that no memory owns any more."""


class Rows(ABC):
    """Append-only rows; a row that no memory owns any more is marked DEAD and keeps its place."""

    dimensions: int
    """The length of a vector."""
    seq: int = 0
    """Sequence number of the last embedding in the rows."""
    deletions: int = 0
    """The database's deletion count that the rows reflect."""

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
        """Append rows (memory numbers as int64, vectors as float32); the rows of one memory are contiguous."""

    @abstractmethod
    def kill(self, rows: Iterable[int]) -> None:
        """Mark rows as DEAD."""


def expand_counts(nums: Iterable[int], counts: Iterable[int]) -> array[int]:
    """Return the memory number of each row (int64): each of `nums` repeated by its count."""
    return array("q", chain.from_iterable(map(repeat, nums, counts)))


class GrowingBuffer:
    """A byte buffer that grows at its end with doubling capacity; earlier views stay valid."""

    def __init__(self, content: bytes = b"") -> None:
        self._room = memoryview(bytearray(content))
        self._used = len(content)

    @property
    def view(self) -> memoryview:
        """The used part of the buffer."""
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
        """Mark rows as DEAD."""
        nums = self.nums
        for row in rows:
            nums[row] = DEAD
