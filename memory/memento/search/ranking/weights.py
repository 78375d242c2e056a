"""The linear model: features times weights, per profile, and what each feature brought to a score."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from memento.search.ranking.evidence import Evidence
from memento.search.ranking.features import COMPARED, FEATURES, Column, columns
from memento.storage.turns import Turn

_FILE: Final = Path(__file__).with_name("profiles.yaml")


@dataclass(frozen=True, slots=True)
class Profile:
    """The weights for one kind of memory."""

    bias: float
    gain: float
    weights: Mapping[str, float]
    """By feature; those that are not here weigh nothing."""
    by_hand: Mapping[str, float]
    """Those of the weights that no fit changes."""


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
    return Profile(bias, gain, {name: given[name] for name in FEATURES if given.get(name)}, by_hand)


def kind_of(turn: Turn) -> str:
    """Return the profile a memory belongs to: between people, in a session at work on a project, or any other."""
    if turn.speaker:
        return "people"
    return "coding" if turn.of_project else "agents"


def weighed(turns: Iterable[Turn]) -> set[str]:
    """Return the features that weigh something for one of these memories."""
    return {name for kind in {kind_of(turn) for turn in turns} for name in profiles()[kind].weights}


def rank(evidence: Evidence, *, explain: bool = False) -> list[Ranked]:
    """Return the candidates, best first; equal scores keep the order of the row numbers.

    `explain` fills `Ranked.values`, with the features that weigh nothing too.
    """
    wanted = set(FEATURES) if explain else weighed(evidence.candidates)
    compared = columns(evidence, wanted & COMPARED)
    kinds: dict[str, list[int]] = defaultdict(list)
    for place, turn in enumerate(evidence.candidates):
        kinds[kind_of(turn)].append(place)
    scored: list[tuple[float, int, Turn, tuple[float, ...]]] = []
    for kind, places in kinds.items():
        profile, turns = profiles()[kind], [evidence.candidates[place] for place in places]
        own = columns(replace(evidence, candidates=turns), (wanted if explain else profile.weights.keys()) - COMPARED)
        own |= {name: [column[place] for place in places] for name, column in compared.items()}
        values = _rows(own, len(turns)) if explain else [()] * len(turns)
        totals = _totals(profile, own, len(turns))
        scored += [(-total, turn.num, turn, row) for total, turn, row in zip(totals, turns, values, strict=True)]
    scored.sort()
    return [Ranked(turn, 0.5 - 0.5 * math.tanh(less / 2), row) for less, _, turn, row in scored]


def _totals(profile: Profile, found: Mapping[str, Column], candidates: int) -> Column:
    sums = [0.0] * candidates
    for name, weight in profile.weights.items():
        if any(column := found.get(name, ())):
            sums = [before + weight * value for before, value in zip(sums, column, strict=True)]
    return [profile.bias + profile.gain * one for one in sums]


def _rows(found: Mapping[str, Column], candidates: int) -> list[tuple[float, ...]]:
    nothing = [0.0] * candidates
    return list(zip(*(found.get(name, nothing) for name in FEATURES), strict=True))
