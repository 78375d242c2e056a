"""The linear model: features times weights, per profile, and what each feature brought to a score."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from memento.search.ranking.evidence import Evidence
from memento.search.ranking.features import COMPARED, FEATURES, Column, columns
from memento.storage.turns import Turn

_FILE: Final = Path(__file__).with_name("profiles.yaml")
_STEEPEST: Final = 50.0
"""Beyond it the logistic function is 0 or 1 to all digits that are shown."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The weights for one kind of memory."""

    bias: float
    gain: float
    weights: Mapping[str, float]
    """By feature; those that are not here weigh nothing."""


class Ranked(NamedTuple):
    """A candidate with its score."""

    turn: Turn
    score: float
    """In [0, 1]; see profiles.yaml."""
    values: tuple[float, ...]
    """Its features, in the order of FEATURES; empty unless they were asked for."""


@cache
def profiles() -> dict[str, Profile]:
    """Return the profiles by name, read from profiles.yaml."""
    import yaml

    content = yaml.safe_load(_FILE.read_text("utf-8"))
    return {name: _profile(**one) for name, one in content.items()}


def _profile(bias: float, gain: float, weights: Mapping[str, float], by_hand: Mapping[str, float]) -> Profile:
    given = {**weights, **by_hand}
    if unknown := given.keys() - FEATURES.keys():
        raise ValueError(f"{_FILE} weighs features that do not exist: {', '.join(sorted(unknown))}")
    return Profile(bias, gain, {name: given[name] for name in FEATURES if given.get(name)})


def kind_of(turn: Turn) -> str:
    """Return the name of the profile a memory belongs to: between people, or between a user and an assistant."""
    return "people" if turn.speaker else "agents"


def weighed(turns: Iterable[Turn]) -> set[str]:
    """Return the features that weigh something for one of these memories."""
    return {name for kind in {kind_of(turn) for turn in turns} for name in profiles()[kind].weights}


def rank(evidence: Evidence, limit: int | None = None, *, explain: bool = False) -> list[Ranked]:
    """Return the best candidates, best first; equal scores keep the order of the row numbers.

    `explain` fills `Ranked.values`, with the features that weigh nothing too.
    """
    wanted = set(FEATURES) if explain else weighed(evidence.candidates)
    compared = columns(evidence, wanted & COMPARED)
    scored: list[tuple[float, int, Turn, tuple[float, ...]]] = []
    for kind, profile in profiles().items():
        places = [place for place, turn in enumerate(evidence.candidates) if kind_of(turn) == kind]
        turns = [evidence.candidates[place] for place in places]
        own = columns(replace(evidence, candidates=turns), (wanted if explain else profile.weights.keys()) - COMPARED)
        own |= {name: [column[place] for place in places] for name, column in compared.items()}
        values = _rows(own, len(turns)) if explain else [()] * len(turns)
        scored += zip(_totals(profile, own, len(turns)), [turn.num for turn in turns], turns, values, strict=True)
    scored.sort(key=lambda one: (-one[0], one[1]))
    return [Ranked(turn, _logistic(total), values) for total, _, turn, values in scored[:limit]]


def _totals(profile: Profile, found: Mapping[str, Column], candidates: int) -> Column:
    sums = [0.0] * candidates
    for name, weight in profile.weights.items():
        if name in found:
            sums = [before + weight * value for before, value in zip(sums, found[name], strict=True)]
    return [profile.bias + profile.gain * one for one in sums]


def _rows(found: Mapping[str, Column], candidates: int) -> list[tuple[float, ...]]:
    nothing = [0.0] * candidates
    return list(zip(*(found.get(name, nothing) for name in FEATURES), strict=True))


def _logistic(total: float) -> float:
    return 1 / (1 + math.exp(-max(-_STEEPEST, min(_STEEPEST, total))))
