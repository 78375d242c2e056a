"""The linear model: features times weights, per profile, and what each feature brought to a score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from operator import mul
from typing import Final, NamedTuple

from memento.search.ranking.evidence import Evidence
from memento.search.ranking.features import FEATURES, columns
from memento.storage.turns import Turn

_FILE: Final = "profiles.yaml"


@dataclass(frozen=True, slots=True)
class Profile:
    """The weights for one kind of memory."""

    bias: float
    gain: float
    weights: tuple[float, ...]
    """In the order of FEATURES."""


class Ranked(NamedTuple):
    """A candidate with its score."""

    turn: Turn
    score: float
    """In [0, 1]; see profiles.yaml."""
    values: tuple[float, ...]
    """Its features, in the order of FEATURES."""


@cache
def profiles() -> dict[str, Profile]:
    """Return the profiles by name, read from profiles.yaml."""
    import yaml

    content = yaml.safe_load(files(__package__).joinpath(_FILE).read_text("utf-8"))
    return {name: _profile(**one) for name, one in content.items()}


def _profile(bias: float, gain: float, weights: Mapping[str, float], by_hand: Mapping[str, float]) -> Profile:
    given = {**weights, **by_hand}
    if unknown := given.keys() - FEATURES.keys():
        raise ValueError(f"{_FILE} weighs features that do not exist: {', '.join(sorted(unknown))}")
    return Profile(bias, gain, tuple(given.get(name, 0.0) for name in FEATURES))


def profile_of(turn: Turn) -> Profile:
    """Return the profile a memory belongs to: between people, or between a user and an assistant."""
    return profiles()["people" if turn.speaker else "agents"]


def rank(evidence: Evidence, *, everything: bool = False) -> list[Ranked]:
    """Return the candidates, best first; equal scores keep the order of the row numbers.

    `everything` computes the features that weigh nothing too.
    """
    used = {profile_of(turn).weights for turn in evidence.candidates}
    weighed = {name for weights in used for name, weight in zip(FEATURES, weights, strict=True) if weight}
    rows = zip(*columns(evidence, set(FEATURES) if everything else weighed), strict=True)
    scored = [Ranked(turn, _score(turn, row), row) for turn, row in zip(evidence.candidates, rows, strict=True)]
    return sorted(scored, key=lambda one: (-one.score, one.turn.num))


def _score(turn: Turn, values: tuple[float, ...]) -> float:
    profile = profile_of(turn)
    total = profile.bias + profile.gain * sum(map(mul, profile.weights, values))
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, total))))
