"""Gathering: results that together cover what a question asks for, instead of the best ones one by one.

A question may have several parts ("the lazy loading, the form validation and the analytics"): a result counts for more
where it is nearer to one of them than all that were chosen. The answers mostly lie in several exchanges: a turn right
beside one that was chosen has to be better than the next result. A question for an order of events asks for all of the
time, not for the best moments of one week.

The choice is greedy (facility location): the result with the best log odds, then each time the one whose log odds and
what it adds are best. What a result can add only falls, so most are looked at once (lazy greedy, Minoux 1978).
"""

from __future__ import annotations

import heapq
import math
import re
from bisect import bisect, insort
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Final

from memento.base.times import local_day
from memento.memory import Added
from memento.search.ranking.counting import Counts
from memento.search.ranking.order import Placed, with_replacements
from memento.search.terms import terms
from memento.storage.turns import Around

_PART: Final = 4.0
"""Log odds for each unit of cosine by which a result is nearer to the parts of a question than what was chosen, in the
mean over the parts."""
_MOST_PARTS: Final = 8
"""Parts of a question that are told apart."""
_BESIDE: Final = 0.15
"""Log odds that a result loses for each turn right beside it that was chosen."""
_SAME_TIME: Final = 0.75
"""Log odds that a result loses to one that was chosen from its time, where the question asks for an order."""
_TIME_REACH: Final = 3.0
"""Results, in order of time, over which that falls to 1/e."""
_NEARLY: Final = 1e-9
"""A score of 1 has no finite log odds."""

_BETWEEN_PARTS: Final = re.compile(
    r"\s*(?:[,;?]|\.(?=\s|$)|\b(?:and|or|versus|vs\.?|as\s+well\s+as|compared\s+(?:to|with)|than|before|after|while|when"
    r"|between|including|along\s+with|plus)\b)\s*",
    re.IGNORECASE,
)


def parts(text: str) -> list[str]:
    """Return the parts of a question, split at commas and conjunctions; empty where it has one part only."""
    flat = " ".join(text.split())  # a run of white space costs the pattern its square
    found = [part for part in _BETWEEN_PARTS.split(flat) if terms(part)]
    found = list(dict.fromkeys(found))[:_MOST_PARTS]
    return found if len(found) > 1 else []


def cover(
    results: Sequence[Placed],
    around: Mapping[int, Around],
    near: Mapping[int, Sequence[float]] | None = None,
    *,
    in_order: bool = False,
) -> list[Placed]:
    """Return the results in the order in which they are chosen, the best first.

    `around` gives row numbers their neighbours, `near` their cosines to the parts of the question. What replaced a
    memory is chosen right before it at the latest.
    """
    if not results:
        return []
    by_id = {one.ranked.turn.id: one for one in results}
    replaced_by = {one.ranked.turn.id: one.ranked.turn.superseded_by for one in results}
    chosen = _Chosen(results, around, near or {}, in_order=in_order)
    order: dict[str, Placed] = {}

    def choose(one: Placed) -> None:
        for name in with_replacements(one.ranked.turn.id, replaced_by, order):
            order[name] = by_id[name]
            chosen.add(by_id[name])

    choose(max(results, key=_log_odds))
    waiting = [(-_log_odds(one) - chosen.gains(one), index) for index, one in enumerate(results)]
    heapq.heapify(waiting)
    while waiting:
        _, index = heapq.heappop(waiting)
        one = results[index]
        if one.ranked.turn.id in order:
            continue
        worth = _log_odds(one) + chosen.gains(one)
        if waiting and (-worth, index) > waiting[0]:
            heapq.heappush(waiting, (-worth, index))
        else:
            choose(one)
    return list(order.values())


class _Chosen:
    """What was chosen, as far as the worth of others depends on it."""

    def __init__(
        self,
        results: Sequence[Placed],
        around: Mapping[int, Around],
        near: Mapping[int, Sequence[float]],
        *,
        in_order: bool,
    ) -> None:
        by_time = sorted((one.ranked.turn.timestamp, one.ranked.turn.num) for one in results)
        self._places = {num: place for place, (_, num) in enumerate(by_time)}
        self._around, self._near, self._in_order = around, near, in_order
        self._nearest = [0.0] * max(map(len, near.values()), default=0)
        self._nums: set[int] = set()
        self._times: list[int] = []

    def add(self, one: Placed) -> None:
        """Take a result in."""
        self._nums.add(one.ranked.turn.num)
        insort(self._times, self._places[one.ranked.turn.num])
        if near := self._near.get(one.ranked.turn.num):
            self._nearest = list(map(max, near, self._nearest))

    def gains(self, one: Placed) -> float:
        """Return the log odds that a result gains by what it adds to those chosen, less what it loses to them."""
        num = one.ranked.turn.num
        lost = _BESIDE * len(self._nums.intersection(_beside(self._around, num)))
        lost += _SAME_TIME * self._nearness(self._places[num]) if self._in_order else 0.0
        near = self._near.get(num, ())
        nearer = sum(max(0.0, cosine - best) for cosine, best in zip(near, self._nearest, strict=False))
        return _PART * nearer / max(1, len(near)) - lost

    def _nearness(self, place: int) -> float:
        """Return 1 at a place in time that was chosen, and less the more results lie between."""
        after = bisect(self._times, place)
        nearest = min((abs(place - time) for time in self._times[max(0, after - 1) : after + 1]), default=math.inf)
        return math.exp(-nearest / _TIME_REACH)


def added(
    results: Sequence[Placed],
    counts: Mapping[int, Counts],
    words: Mapping[str, Iterable[str]],
    around: Mapping[int, Around],
    zone: tzinfo | None,
) -> dict[int, Added]:
    """Return for each result, by its row number, what it adds to those before it.

    `words` are the question's with their stems, `counts` the stems that a memory holds.
    """
    told: set[str] = set()
    sessions: set[str] = set()
    days: set[str] = set()
    nums: set[int] = set()
    found: dict[int, Added] = {}
    for turn in (one.ranked.turn for one in results):
        held = [word for word, stems in words.items() if any(stem in counts.get(turn.num, {}) for stem in stems)]
        day = local_day(turn.timestamp, zone)
        found[turn.num] = Added(
            tuple(word for word in held if word not in told),
            bool(turn.session) and turn.session not in sessions,
            day if day not in days else "",
            len(nums.intersection(_beside(around, turn.num))),
        )
        told.update(held)
        sessions.add(turn.session)
        days.add(day)
        nums.add(turn.num)
    return found


def _beside(around: Mapping[int, Around], num: int) -> tuple[int, ...]:
    """Return the turns right before and right after one in its session."""
    near = around.get(num, Around())
    return *near.before[:1], *near.after[:1]


def _log_odds(one: Placed) -> float:
    score = min(max(one.ranked.score, _NEARLY), 1 - _NEARLY)
    return math.log(score / (1 - score))
