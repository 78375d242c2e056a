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
from memento_policies.measures import Measured
from memento_policies.message import Profile
from memento_policies.schema import Feature, ImportanceFile, Weights, WeightsFile

_CONDITIONS: Final = {"roles", "kinds", "patterns", "meta", "min_chars", "max_chars", "when", "unless"}


class Weighed(NamedTuple):
    """The importance of a message, and what it is made of: one reason per feature that contributed, unordered."""

    importance: float
    reasons: Sequence[Reason]


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
        self._names = [feature.name for feature, _ in used]
        self._points = [points for _, points in used]
        self._measures = [feature.measure for feature, _ in used]
        self._worded = frozenset(index for index, (feature, _) in enumerate(used) if feature.words)
        self._by_word = _by_word([feature for feature, _ in used])
        self._listed = frozenset(self._by_word)
        self._measured = bool(self._worded) or any(self._measures)
        self._always = [index for index, (feature, _) in enumerate(used) if not _is_conditional(feature)]
        self._conditional = [index for index, (feature, _) in enumerate(used) if _is_conditional(feature)]
        self._matcher = RuleMatcher([used[index][0] for index in self._conditional])

    def score(self, facts: Facts, signals: Collection[str]) -> float:
        """Return the importance, rounded to four digits."""
        points = self._points
        return _probability(self._bias + sum([points[index] * value for index, value in self._values(facts, signals)]))

    def weigh(self, facts: Facts, signals: Collection[str]) -> Weighed:
        """Return the importance with what each feature contributed to its log-odds."""
        values = self._values(facts, signals)
        reasons = [Reason(self._names[index], self._points[index] * value) for index, value in values if value]
        return Weighed(_probability(self._bias + sum(reason.points for reason in reasons)), reasons)

    def values(self, facts: Facts, signals: Collection[str]) -> Mapping[str, float]:
        """Return the features' values; those that are not named are 0."""
        return {self._names[index]: value for index, value in self._values(facts, signals)}

    def _values(self, facts: Facts, signals: Collection[str]) -> list[tuple[int, float]]:
        fired = self._always + [self._conditional[hit] for hit in self._matcher.fired(facts, signals)]
        if not self._measured:
            return [(index, 1.0) for index in fired]
        text = Measured(facts.text, facts.before, str(facts.meta.get("speaker", "")))
        counts = [0] * len(self._points)
        for word in text.words & self._listed:
            for index in self._by_word[word]:
                counts[index] += 1
        worded, measures = self._worded, self._measures
        return [
            (
                index,
                math.log1p(counts[index])
                if index in worded
                else text.of(measure)
                if (measure := measures[index])
                else 1.0,
            )
            for index in fired
        ]


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
