"""From row numbers back to memories: the results themselves, their copies, and what stands around them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from memento.memory import Memory
from memento.storage import repeats, rows, turns
from memento.storage.database import Database, DeadlineExceeded
from memento.storage.turns import Around

_AT_ONCE: Final = 200
"""Results read between two looks at the clock."""


@dataclass(slots=True)
class ReadBack:
    """What was read, by row number."""

    memories: dict[int, Memory] = field(default_factory=dict)
    """The results, and their neighbours."""
    alike: dict[int, set[int]] = field(default_factory=dict)
    around: dict[int, Around] = field(default_factory=dict)
    complete: bool = False
    """False where there was no time for all of it."""

    def before(self, num: int) -> tuple[Memory, ...]:
        """Return a result's neighbours before it, oldest first."""
        return self._those(reversed(self.around.get(num, Around()).before))

    def after(self, num: int) -> tuple[Memory, ...]:
        """Return a result's neighbours after it."""
        return self._those(self.around.get(num, Around()).after)

    def _those(self, nums: Iterable[int]) -> tuple[Memory, ...]:
        return tuple(self.memories[num] for num in nums if num in self.memories)


def read_back(database: Database, nums: Sequence[int], reach: int, until: float) -> ReadBack:
    """Read memories, with up to `reach` neighbours on each side, until a time (time.monotonic()) at most."""
    found = ReadBack()
    with suppress(DeadlineExceeded):
        for start in range(0, len(nums), _AT_ONCE):
            if time.monotonic() >= until:
                return found
            part = nums[start : start + _AT_ONCE]
            with database.read(until) as connection:
                found.memories |= rows.by_nums(connection, part)
                found.alike |= repeats.alike(connection, part)
                around = turns.around(connection, part, reach, same_branch=True) if reach else {}
                near = {num for one in around.values() for num in (*one.before, *one.after)}
                found.memories |= rows.by_nums(connection, sorted(near - found.memories.keys()))
                found.around |= around
        found.complete = True
    return found
