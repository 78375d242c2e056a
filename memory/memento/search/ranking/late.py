"""Late interaction: a question and a text are compared word by word, each word in its context, and only then added up.

The sum over the question's words of their likeness to the likest word of the text is ColBERT's MaxSim (Khattab and
Zaharia 2020), here with a bit per dimension instead of a float. A word weighs the more, the less the average candidate
holds anything like it: what its rarity is to BM25.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from memento.search.ranking.evidence import Evidence
from memento.storage.turns import Around

FARTHER: Final = 0.02
"""What a neighbour's word counts less than the turn's own."""


def max_sim(evidence: Evidence) -> list[float]:
    """Return of each candidate how like the question's words are to its own: -1 to 1."""
    return _summed([evidence.likeness.get(turn.num) for turn in evidence.candidates])


def max_sim_near(evidence: Evidence) -> list[float]:
    """Return the same of each candidate taken together with its neighbours."""
    held = evidence.likeness
    found: list[Sequence[float] | None] = []
    for turn in evidence.candidates:
        own, near = held.get(turn.num), evidence.around.get(turn.num, Around())
        beside = [held[num] for num in (*near.before, *near.after) if num in held]
        if own is not None and beside:
            own = [max(mine, max(theirs) - FARTHER) for mine, *theirs in zip(own, *beside, strict=True)]
        found.append(own)
    return _summed(found)


def _summed(likeness: Sequence[Sequence[float] | None]) -> list[float]:
    """Weigh and add up each candidate's words; one without codes gets the average: nothing speaks for or against it.

    The share of bits that agree tells the angle between two vectors, and that their cosine (Charikar 2002).
    """
    cosines = [None if own is None else [math.sin(math.pi / 2 * one) for one in own] for own in likeness]
    known = [own for own in cosines if own is not None]
    if not known:
        return [0.0] * len(likeness)
    average = [sum(word) / len(known) for word in zip(*known, strict=True)]
    weights = [(1 - mean) ** 2 for mean in average]
    total = sum(weights) or 1.0
    return [sum(weight * one for weight, one in zip(weights, own or average, strict=True)) / total for own in cosines]
