"""Importance in [0, 1]: how likely it is that someone will ask for what a message says.

A logistic regression on readable features: the features are those of `importance.yaml`, their weights (one set for
people who talk to each other, one for a person and an agent) were fitted by `bench/fit_importance.py` and are in
`weights.yaml`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from memento_policies.conditions import Facts, RuleMatcher
from memento_policies.decision import Reason
from memento_policies.measures import MEASURES, Measured
from memento_policies.message import Profile
from memento_policies.schema import Feature, ImportanceFile, Weights, WeightsFile

_CONDITIONS: Final = {"roles", "kinds", "patterns", "meta", "min_chars", "max_chars", "when", "unless"}


class Weighed(NamedTuple):
    """The importance of a message, rounded to four digits, and what it is made of."""

    importance: float
    model: Model
    values: Sequence[tuple[int, float]]
    """The features that count, by their number in the model."""

    @property
    def reasons(self) -> list[Reason]:
        """What each feature contributed to the log-odds, unordered."""
        names, points = self.model.names, self.model.points
        return [Reason(names[index], points[index] * value) for index, value in self.values if value]


class Importance:
    """Both profiles' models, compiled."""

    def __init__(self, file: ImportanceFile, weights: WeightsFile) -> None:
        features = [feature for feature in file.features if feature.enabled]
        self._models: Mapping[Profile, Model] = {
            "people": Model([f for f in features if "people" in (f.profiles or ("people",))], weights.people),
            "agent": Model([f for f in features if "agent" in (f.profiles or ("agent",))], weights.agent),
        }

    def model(self, profile: Profile) -> Model:
        """Return the model of a profile."""
        return self._models[profile]


class Model:
    """The features of one profile that weigh anything."""

    def __init__(self, features: Sequence[Feature], weights: Weights) -> None:
        weighed = [(f, weights.points.get(f.name, 0.0) if f.points is None else f.points) for f in features]
        used = [(feature, points) for feature, points in weighed if points]
        self.skip_below = weights.skip_below
        self._bias = weights.bias
        self.names = [feature.name for feature, _ in used]
        self.points = [points for _, points in used]
        self._measures = [(index, MEASURES[f.measure]) for index, (f, _) in enumerate(used) if f.measure]
        self._by_word = _by_word([feature for feature, _ in used])
        self._listed = frozenset(self._by_word)
        self._figured = frozenset(index for index, (f, _) in enumerate(used) if f.measure or f.words)
        self._always = [index for index, (feature, _) in enumerate(used) if not _is_conditional(feature)]
        self._conditional = [index for index, (feature, _) in enumerate(used) if _is_conditional(feature)]
        self._matcher = RuleMatcher([used[index][0] for index in self._conditional])

    def weigh(self, facts: Facts, signals: Collection[str]) -> Weighed:
        """Return how likely it is that someone will ask for a message."""
        values, points = self._values(facts, signals), self.points
        log_odds = self._bias + math.fsum([points[index] * value for index, value in values])
        return Weighed(_probability(log_odds), self, values)

    def _values(self, facts: Facts, signals: Collection[str]) -> list[tuple[int, float]]:
        fired = {*self._always, *(self._conditional[hit] for hit in self._matcher.fired(facts, signals))}
        values = [(index, 1.0) for index in fired - self._figured]
        if not self._figured:
            return values
        speaker = str(facts.meta.get("speaker", ""))
        text = Measured(facts.text, facts.before, speaker, narrated=facts.spoken is not None)
        values += [(index, measure(text)) for index, measure in self._measures if index in fired]
        if not self._listed:
            return values
        counts: dict[int, int] = {}
        for word in text.words & self._listed:
            for index in self._by_word[word]:
                counts[index] = counts.get(index, 0) + 1
        return values + [(index, math.log1p(count)) for index, count in counts.items() if index in fired]


def _is_conditional(feature: Feature) -> bool:
    return feature.model_dump(include=_CONDITIONS, exclude_defaults=True) != {}


def _by_word(features: Sequence[Feature]) -> Mapping[str, Sequence[int]]:
    found: dict[str, list[int]] = {}
    for index, feature in enumerate(features):
        for word in {word.lower() for word in feature.words}:
            found.setdefault(word, []).append(index)
    return found


def _probability(log_odds: float) -> float:
    return round(1 / (1 + math.exp(-max(-60.0, min(60.0, log_odds)))), 4)
