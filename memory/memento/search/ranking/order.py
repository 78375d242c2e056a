"""Before a ranking is shown: copies collapse, replaced facts step back, no session crowds out the rest."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Mapping, Sequence
from typing import Final, NamedTuple

from memento.search.ranking.weights import Ranked
from memento.storage.turns import TEXT_CHARACTERS, Turn

_LEAST: Final = 5
"""Results of one session that never crowd anybody out."""


class Placed(NamedTuple):
    """A result, and the row numbers of others that were found in which the same voice says the same."""

    ranked: Ranked
    copies: frozenset[int] = frozenset()


def arrange(
    ranking: Sequence[Ranked], limit: int, texts: Mapping[int, str], newest: Mapping[int, int], *, spread: bool
) -> list[Placed]:
    """Return the first `limit` results; `spread` holds one session to half of what is shown.

    `texts` by row number; a text that is not there is like no other. `newest` tells of a row number that of the newest
    memory that says nearly the same.
    """
    unique = _collapsed(_after_their_replacements(ranking), texts, newest)
    return (_spread(unique) if spread else unique)[:limit]


def _after_their_replacements(ranking: Sequence[Ranked]) -> list[Ranked]:
    """Move a superseded memory behind the one that replaced it, where both are here."""
    place = {one.turn.id: number for number, one in enumerate(ranking)}
    if all(one.turn.superseded_by not in place for one in ranking):
        return list(ranking)

    def position(one: Ranked) -> tuple[int, int]:
        number = place[one.turn.id]
        seen = {one.turn.id}
        after = one.turn.superseded_by
        steps = 0
        while after in place and after not in seen:
            seen.add(after)
            steps += 1
            number = max(number, place[after])
            after = ranking[place[after]].turn.superseded_by
        return number, steps

    return sorted(ranking, key=position)


def _collapsed(ranking: Sequence[Ranked], texts: Mapping[int, str], newest: Mapping[int, int]) -> list[Placed]:
    """Keep the best of those in which the same voice says the same; white space does not tell texts apart."""
    groups: dict[Hashable, list[Ranked]] = {}
    said = {one.turn.num: _said(one.turn, texts.get(one.turn.num)) for one in ranking}
    for one in ranking:
        last = newest.get(one.turn.num, one.turn.num)
        groups.setdefault(said.get(last, last), []).append(one)
    return [Placed(best, frozenset(one.turn.num for one in others)) for best, *others in groups.values()]


def _said(turn: Turn, text: str | None) -> Hashable:
    """Return what is equal for copies: "Yes, on Friday." by Ann and by Bob are two memories."""
    if text is None:
        return turn.id
    is_whole = len(text) < TEXT_CHARACTERS
    return " ".join(text.split()), 0 if is_whole else turn.length, turn.role, turn.speaker


def _spread(results: Sequence[Placed]) -> list[Placed]:
    """Let a session give at most half of the results so far (and _LEAST); the others come as soon as there is room."""
    order: list[Placed] = []
    waiting: deque[Placed] = deque()
    shown: Counter[str] = Counter()

    def has_room(one: Placed) -> bool:
        session = one.ranked.turn.session
        return not session or shown[session] < max(_LEAST, (len(order) + 1) // 2)

    def take(one: Placed) -> None:
        shown[one.ranked.turn.session] += 1
        order.append(one)

    for one in results:
        while waiting and has_room(waiting[0]):
            take(waiting.popleft())
        if has_room(one):
            take(one)
        else:
            waiting.append(one)
    return [*order, *waiting]
