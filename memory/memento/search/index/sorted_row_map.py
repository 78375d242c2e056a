"""The row map in numpy: memory number -> first row and count of rows, with vectorised lookups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from memento.search.index.rows import DEAD

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class SortedRowMap:
    """Sorted arrays, and a dictionary of changes since they were last merged."""

    def __init__(self, nums: NDArray[np.int64]) -> None:
        """Build the map from the memory number of every row; DEAD rows belong to no memory."""
        import numpy as np

        starts = np.flatnonzero(np.concatenate([[True], nums[1:] != nums[:-1]])) if len(nums) else np.empty(0, np.int64)
        counts = np.diff(starts, append=len(nums))
        live = nums[starts] != DEAD
        starts, counts = starts[live], counts[live]
        order = np.argsort(nums[starts], kind="stable")
        self._nums: NDArray[np.int64] = nums[starts][order]
        self._firsts, self._counts = starts[order], counts[order]
        self._new: dict[int, tuple[int, int]] = {}

    def __len__(self) -> int:
        self._merge()
        return len(self._nums)

    @property
    def rows(self) -> int:
        """The number of rows that belong to a memory."""
        self._merge()
        return int(self._counts.sum())

    def spans(self, nums: Sequence[int]) -> list[tuple[int, int]]:
        """Return each memory's first row and count of rows; a count of 0 if it has none."""
        import numpy as np

        firsts, counts = self.find(np.array(nums, np.int64))
        return list(zip(firsts.tolist(), counts.tolist(), strict=True))

    def put(self, spans: Sequence[tuple[int, int, int]]) -> None:
        """Set memories' rows, by (number, first row, count); a count of 0 removes a memory."""
        self._new |= {num: (first, count) for num, first, count in spans}

    def others(self, nums: Sequence[int]) -> list[int]:
        """Return the numbers of all other memories, ascending."""
        import numpy as np

        self._merge()
        found: list[int] = np.setdiff1d(self._nums, np.array(nums, np.int64)).tolist()
        return found

    def find(self, nums: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return each memory's first row and count of rows; a count of 0 if it has none."""
        import numpy as np

        self._merge()
        if not len(self._nums):
            return np.zeros(len(nums), np.int64), np.zeros(len(nums), np.int64)
        places = np.minimum(np.searchsorted(self._nums, nums), len(self._nums) - 1)
        known = self._nums[places] == nums
        return np.where(known, self._firsts[places], 0), np.where(known, self._counts[places], 0)

    def rows_of(self, nums: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return all rows of these memories, grouped by memory."""
        return self.spread(*self.find(nums))

    def spread(self, firsts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the concatenated rows of runs that begin at `firsts` and have `counts` rows."""
        import numpy as np

        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        rows: NDArray[np.int64] = np.repeat(firsts - (ends - counts), counts) + np.arange(total)
        return rows

    def _merge(self) -> None:
        import numpy as np

        if not self._new:
            return
        nums = np.array(sorted(self._new), np.int64)
        firsts, counts = np.array([self._new[num] for num in nums.tolist()], np.int64).T
        places = np.searchsorted(self._nums, nums)
        known = np.zeros(len(nums), bool)
        inside = places < len(self._nums)
        known[inside] = self._nums[places[inside]] == nums[inside]
        self._firsts[places[known]], self._counts[places[known]] = firsts[known], counts[known]
        self._nums = np.insert(self._nums, places[~known], nums[~known])
        self._firsts = np.insert(self._firsts, places[~known], firsts[~known])
        self._counts = np.insert(self._counts, places[~known], counts[~known])
        if not counts.all():
            left = self._counts > 0
            self._nums, self._firsts, self._counts = self._nums[left], self._firsts[left], self._counts[left]
        self._new.clear()
