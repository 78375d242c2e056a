"""From row numbers back to memories: the results, their copies, what they answer, and what stands around them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import apsw

from memento.memory import Memory
from memento.search.ranking.acts import read_acts
from memento.search.ranking.follow_up import joined
from memento.storage import curation, rows, turns
from memento.storage.database import Database, DeadlineExceeded
from memento.storage.filters import Filter
from memento.storage.turns import Around, Exchange

_AT_ONCE: Final = 200
"""Results read between two looks at the clock."""


@dataclass(slots=True)
class ReadBack:
    """A part of what was read, by row number."""

    nums: list[int] = field(default_factory=list)
    """Of the results."""
    memories: dict[int, Memory] = field(default_factory=dict)
    """The results, and their neighbours."""
    alike: dict[int, set[int]] = field(default_factory=dict)
    around: dict[int, Around] = field(default_factory=dict)
    exchanges: dict[int, Exchange] = field(default_factory=dict)
    """Of results that were said at work on a project."""
    requests: dict[int, Memory] = field(default_factory=dict)
    """Their openings that may be shown."""

    def request(self, num: int) -> Memory | None:
        """Return what the user had asked for when this was said; None where it opens its exchange itself."""
        opening = self.exchanges.get(num, Exchange()).opening
        return None if opening is None or opening == num else self.requests.get(opening)

    def is_unanswered(self, num: int) -> bool:
        """Tell whether the user asked or ordered this and nothing is stored that an agent answered."""
        if num not in self.memories or not self.exchanges.get(num, Exchange()).is_unanswered(num):
            return False
        text = self.memories[num].text
        acts = read_acts("user", text[: turns.TEXT_CHARACTERS])
        return acts.asks or acts.orders or text.rstrip().endswith("?")

    def before(self, num: int) -> tuple[Memory, ...]:
        """Return a result's neighbours before it, oldest first."""
        return self._those(reversed(self.around.get(num, Around()).before))

    def after(self, num: int) -> tuple[Memory, ...]:
        """Return a result's neighbours after it."""
        return self._those(self.around.get(num, Around()).after)

    def _those(self, nums: Iterable[int]) -> tuple[Memory, ...]:
        return tuple(self.memories[num] for num in nums if num in self.memories)


def read_back(
    database: Database, nums: Sequence[int], reach: int, until: float, exchanges: Mapping[int, Exchange], within: Filter
) -> Iterator[ReadBack]:
    """Yield memories part by part, with up to `reach` neighbours on each side, until a time (time.monotonic()) at most.

    `exchanges` are those known already; requests outside of `within` are left out. Raises DeadlineExceeded; what was
    read by then was yielded.
    """
    for start in range(0, len(nums), _AT_ONCE):
        if time.monotonic() >= until:
            raise DeadlineExceeded
        part = nums[start : start + _AT_ONCE]
        found = ReadBack(exchanges={num: exchanges[num] for num in part if num in exchanges})
        try:
            with database.read(until) as connection:
                _read(connection, part, reach, found, within)
        except DeadlineExceeded:
            yield found
            raise
        yield found


def _read(connection: apsw.Connection, nums: Sequence[int], reach: int, found: ReadBack, within: Filter) -> None:
    found.memories = rows.by_nums(connection, nums)
    found.nums = [num for num in nums if num in found.memories]  # the others were deleted meanwhile
    found.alike = curation.equal_rows(connection, nums)
    at_work = [num for num in found.nums if found.memories[num].project]
    unknown = turns.exchanges(connection, [num for num in at_work if num not in found.exchanges])
    found.exchanges |= joined(unknown, partial(turns.texts, connection))
    openings = {one.opening for one in found.exchanges.values() if one.opening is not None}
    found.requests = rows.by_nums(connection, list(turns.turns(connection, sorted(openings), within.of_context())))
    if reach:
        found.around = turns.around(connection, nums, reach, same_branch=True)
        near = {num for one in found.around.values() for num in (*one.before, *one.after)}
        found.memories |= rows.by_nums(connection, sorted(near - found.memories.keys()))
