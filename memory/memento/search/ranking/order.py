"""Before a ranking is shown: copies collapse, what replaced a fact comes before it, no session crowds out the rest."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from memento.search.ranking.evidence import Evidence, Similar
from memento.search.ranking.weights import Ranked
from memento.storage.turns import TEXT_CHARACTERS, Turn

_LEAST: Final = 5
"""Results of one session that never crowd anybody out."""
_COPIES: Final = 3
"""Of so many equal texts each is looked at closely: what stands around them tells them apart. More are only counted."""
_OPENING: Final = 3
"""Words."""
SCORE_DIGITS: Final = 4
"""Decimal places of a score that is shown, and compared with what is asked for."""

Copies = Mapping[int, frozenset[int]]
"""Row number to those of the others in which the same voice says the same, where there are many."""


class Placed(NamedTuple):
    """A result, and the row numbers of others that were found in which the same voice says the same."""

    ranked: Ranked
    copies: frozenset[int] = frozenset()


def alike(surveyed: Evidence, read: Callable[[Sequence[int]], Mapping[int, str]]) -> Copies:
    """Return the copies among candidates of which one voice says the same more than _COPIES times.

    `read` takes row numbers to texts: of those only that have one length and one likeness to the question.
    """
    lengths = Counter(turn.length for turn in surveyed.candidates)
    shapes: defaultdict[Hashable, list[Turn]] = defaultdict(list)
    for turn in (one for one in surveyed.candidates if lengths[one.length] > _COPIES):
        likeness = round(surveyed.similar.get(turn.num, Similar()).statement, 3)
        shapes[turn.role, turn.speaker, turn.length, likeness].append(turn)
    suspects = [turn for group in shapes.values() if len(group) > _COPIES for turn in group]
    texts = read([turn.num for turn in suspects]) if suspects else {}
    said: defaultdict[Hashable, set[int]] = defaultdict(set)
    for turn in suspects:
        said[_said(turn, texts.get(turn.num))].add(turn.num)
    return {num: frozenset(group - {num}) for group in said.values() if len(group) > _COPIES for num in group}


def shortlist(ranking: Sequence[Ranked], size: int, copies: Copies, *, spread: bool) -> list[Ranked]:
    """Return the best `size`, in their order, of which no text fills more than _COPIES places, no session half of them.

    Others come where places are left.
    """
    texts: Counter[int] = Counter()
    sessions: Counter[str] = Counter()
    chosen: list[int] = []
    waiting: list[int] = []
    share = _share(size) if spread else size
    for place, one in enumerate(ranking):
        num, session = one.turn.num, one.turn.session
        text = min({num, *copies[num]}) if num in copies else num
        if texts[text] < _COPIES and (not session or sessions[session] < share):
            texts[text] += 1
            sessions[session] += 1
            chosen.append(place)
            if len(chosen) == size:
                break
        else:
            waiting.append(place)
    return [ranking[place] for place in sorted((chosen + waiting)[:size])]


def loudest(results: Sequence[Placed]) -> str:
    """Return the session that has more than its share of the results; empty where none has."""
    shown = Counter(one.ranked.turn.session for one in results if one.ranked.turn.session)
    session, count = max(shown.items(), key=itemgetter(1), default=("", 0))
    return session if count > _share(len(results)) else ""


def arrange(
    ranking: Sequence[Ranked], texts: Mapping[int, str], newest: Mapping[int, int], copies: Copies
) -> list[Placed]:
    """Return the distinct results, what replaced a memory before it at the latest.

    `texts` by row number; a text that is not there is like no other. `newest` tells of a row number that of the newest
    memory that says nearly the same. `copies` that were not looked at are counted too.
    """
    return _collapsed(_behind_their_replacements(ranking), texts, newest, copies)


def relevant(results: Sequence[Placed], least: Callable[[int], float]) -> list[Placed]:
    """Return the results that reach a score, in their order, and with each of them whatever replaced it.

    `least` gives a row number the score that its memory must reach.
    """
    reached = [one for one in results if round(one.ranked.score, SCORE_DIGITS) >= least(one.ranked.turn.num)]
    if len(reached) == len(results):
        return reached
    here = {one.ranked.turn.id: one for one in results}
    kept: set[str] = set()
    for one in reached:
        newer: Placed | None = one
        while newer is not None and newer.ranked.turn.id not in kept:
            kept.add(newer.ranked.turn.id)
            newer = here.get(newer.ranked.turn.superseded_by or "")
    return [one for one in results if one.ranked.turn.id in kept]


def _behind_their_replacements(ranking: Sequence[Ranked]) -> list[Ranked]:
    """Put what replaced a memory right before it, where it does not stand before it already."""
    if not any(one.turn.superseded_by for one in ranking):
        return list(ranking)
    here = {one.turn.id: one for one in ranking}
    order: dict[str, Ranked] = {}
    for one in ranking:
        chain: dict[str, Ranked] = {}
        newer: Ranked | None = one
        while newer is not None and newer.turn.id not in order and newer.turn.id not in chain:
            chain[newer.turn.id] = newer
            newer = here.get(newer.turn.superseded_by or "")
        order.update(reversed(chain.items()))
    return list(order.values())


def _collapsed(
    ranking: Sequence[Ranked], texts: Mapping[int, str], newest: Mapping[int, int], copies: Copies
) -> list[Placed]:
    """Keep the best of those in which the same voice says the same; white space does not tell texts apart."""
    openings: defaultdict[Hashable, list[Turn]] = defaultdict(list)
    for one in ranking:
        openings[_opening(one.turn, texts.get(one.turn.num, ""))].append(one.turn)
    suspects = [turn for group in openings.values() if len(group) > 1 for turn in group]
    said = {turn.num: _said(turn, texts.get(turn.num)) for turn in suspects}
    groups: dict[Hashable, list[Ranked]] = {}
    for one in ranking:
        last = newest.get(one.turn.num, one.turn.num)
        groups.setdefault(said.get(last, last), []).append(one)
    return [Placed(best, _others(best, others, copies)) for best, *others in groups.values()]


def _others(best: Ranked, others: Iterable[Ranked], copies: Copies) -> frozenset[int]:
    found = frozenset(one.turn.num for one in others)
    return found.union(*(copies.get(num, ()) for num in (best.turn.num, *found))) - {best.turn.num}


def _opening(turn: Turn, text: str) -> Hashable:
    """Return what copies share and few others do: most texts need no closer look."""
    return *text.split(None, _OPENING)[:_OPENING], turn.role, turn.speaker


def _said(turn: Turn, text: str | None) -> Hashable:
    """Return what is equal for copies: "Yes, on Friday." by Ann and by Bob are two memories."""
    if text is None:
        return turn.id
    is_whole = len(text) < TEXT_CHARACTERS
    return " ".join(text.split()), 0 if is_whole else turn.length, turn.role, turn.speaker


def _share(places: int) -> int:
    """Return how many of so many places one session may have."""
    return max(_LEAST, (places + 1) // 2)


def spread(results: Sequence[Placed]) -> list[Placed]:
    """Let a session give at most half of the results so far (and _LEAST); the others come as soon as there is room.

    What was replaced waits with its replacement.
    """
    order: list[Placed] = []
    waiting: deque[Placed] = deque()
    held: set[str] = set()
    shown: Counter[str] = Counter()

    def has_room(one: Placed) -> bool:
        session = one.ranked.turn.session
        return not session or shown[session] < _share(len(order))

    def take(one: Placed) -> None:
        shown[one.ranked.turn.session] += 1
        order.append(one)

    for one in results:
        while waiting and has_room(waiting[0]):
            held.discard(waiting[0].ranked.turn.id)
            take(waiting.popleft())
        if has_room(one) and one.ranked.turn.superseded_by not in held:
            take(one)
        else:
            held.add(one.ranked.turn.id)
            waiting.append(one)
    return [*order, *waiting]
