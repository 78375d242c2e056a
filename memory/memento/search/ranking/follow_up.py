"""A user's own answer to their own question: "found it, ipv6 was off" belongs to the exchange of the question."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from memento.search.ranking.acts import Acts, read_acts, resolves
from memento.storage.turns import Exchange

_BACK: Final = 3
"""Messages of the user before it among which the question is looked for."""

Read = Callable[[Iterable[int]], Mapping[int, str]]
"""Row numbers to their texts."""


def joined(exchanges: Mapping[int, Exchange], read: Read) -> dict[int, Exchange]:
    """Return the exchanges, those of a user's message that answers an earlier one put together with the earlier one's.

    The answer's opening is then the question, and the question counts as answered.
    """
    own = {num for num, one in exchanges.items() if one.opening == num and one.earlier}
    later = {one.later for one in exchanges.values() if one.later is not None} - own
    acts = _acts(own, read)
    texts = read(later)
    resolving = {num for num in own if acts[num].resolves} | {num for num in later if resolves(texts.get(num, ""))}
    telling = [num for num in own if acts[num].resolves or (exchanges[num].continues and _tells(acts[num]))]
    acts |= _acts({one for num in telling for one in exchanges[num].earlier[:_BACK]} - acts.keys(), read)
    found = dict(exchanges)
    for num in telling:
        asked = next((one for one in exchanges[num].earlier[:_BACK] if acts[one].asks or acts[one].orders), None)
        if asked is not None:
            found[num] = exchanges[num]._replace(opening=asked)
    for num, one in exchanges.items():
        if one.later is not None and one.later in resolving and found[num] == one:
            found[num] = one._replace(answers=(*one.answers, one.later))
    return found


def _acts(nums: Iterable[int], read: Read) -> dict[int, Acts]:
    texts = read(nums)
    return {num: read_acts("user", texts.get(num, "")) for num in nums}


def _tells(acts: Acts) -> bool:
    """Tell whether a message is a statement, and no rule for later work."""
    return acts.may_answer and not acts.lays_down
