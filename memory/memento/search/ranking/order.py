"""Before a ranking is shown: copies collapse, what replaced a fact comes before it, no session crowds out the rest."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Container, Hashable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from memento.search.ranking.evidence import Evidence, Similar
from memento.search.ranking.weights import Ranked
from memento.storage.turns import TEXT_CHARACTERS, Turn

_LEAST: Final = 5
"""Results of one session that never crowd anybody out."""
_LEAST_OF_TOOLS: Final = 2
"""Results that a tool returned and that never crowd anybody out."""
_TOOLS_SHARE: Final = 3
"""One in so many places is for what tools returned, while others wait."""
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

    Nor do tools fill more than a third. Others come where places are left.
    """
    texts: Counter[int] = Counter()
    sessions: Counter[str] = Counter()
    chosen: list[int] = []
    waiting: list[int] = []
    share = _share(size) if spread else size
    of_tools = 0
    for place, one in enumerate(ranking):
        num, session = one.turn.num, one.turn.session
        text = min({num, *copies[num]}) if num in copies else num
        is_tools = _is_tools(one)
        has_room = not is_tools or of_tools * _TOOLS_SHARE < size
        if texts[text] < _COPIES and has_room and (not session or sessions[session] < share):
            of_tools += is_tools
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


def relevant(results: Sequence[Placed], is_reached: Callable[[int, float], bool]) -> list[Placed]:
    """Return the results with a score that is high enough, in their order, and with each of them whatever replaced it.

    `is_reached` tells it of a row number and its score.
    """
    reached = [one for one in results if is_reached(one.ranked.turn.num, round(one.ranked.score, SCORE_DIGITS))]
    if len(reached) == len(results):
        return reached
    replaced_by = {one.ranked.turn.id: one.ranked.turn.superseded_by for one in results}
    kept: set[str] = set()
    for one in reached:
        kept.update(with_replacements(one.ranked.turn.id, replaced_by, kept))
    return [one for one in results if one.ranked.turn.id in kept]


def _behind_their_replacements(ranking: Sequence[Ranked]) -> list[Ranked]:
    """Put what replaced a memory right before it, where it does not stand before it already."""
    if not any(one.turn.superseded_by for one in ranking):
        return list(ranking)
    here = {one.turn.id: one for one in ranking}
    replaced_by = {one.turn.id: one.turn.superseded_by for one in ranking}
    order: dict[str, Ranked] = {}
    for one in ranking:
        order |= {name: here[name] for name in with_replacements(one.turn.id, replaced_by, order)}
    return list(order.values())


def with_replacements(name: str, replaced_by: Mapping[str, str | None], placed: Container[str]) -> list[str]:
    """Return the ids of what replaced a memory and was not placed yet, the newest first, and then its own.

    `replaced_by` holds what is there. Memories that replaced each other come once.
    """
    chain: dict[str, None] = {}
    newer: str | None = name
    while newer is not None and newer in replaced_by and newer not in placed and newer not in chain:
        chain[newer] = None
        newer = replaced_by[newer]
    return list(chain)[::-1]


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


def _is_tools(one: Ranked) -> bool:
    return one.turn.role == "tool"


def _share(places: int) -> int:
    """Return how many of so many places one session may have."""
    return max(_LEAST, (places + 1) // 2)


def spread(results: Sequence[Placed]) -> list[Placed]:
    """Let a session give at most half of the results so far (and _LEAST), tools a third of them (and _LEAST_OF_TOOLS).

    The others come as soon as there is room. What was replaced waits with its replacement.
    """
    order: list[Placed] = []
    waiting: tuple[deque[Placed], deque[Placed]] = deque(), deque()  # messages, and what tools returned
    held: set[str] = set()
    shown: Counter[str] = Counter()
    of_tools = 0

    def has_room(one: Placed) -> bool:
        session = one.ranked.turn.session
        if _is_tools(one.ranked) and of_tools >= max(_LEAST_OF_TOOLS, len(order) // _TOOLS_SHARE):
            return False
        return not session or shown[session] < _share(len(order))

    def take(one: Placed) -> None:
        nonlocal of_tools
        shown[one.ranked.turn.session] += 1
        of_tools += _is_tools(one.ranked)
        order.append(one)

    for one in results:
        while queue := next((queue for queue in waiting if queue and has_room(queue[0])), None):
            held.discard(queue[0].ranked.turn.id)
            take(queue.popleft())
        if has_room(one) and one.ranked.turn.superseded_by not in held:
            take(one)
        else:
            held.add(one.ranked.turn.id)
            waiting[_is_tools(one.ranked)].append(one)
    return [*order, *waiting[False], *waiting[True]]
