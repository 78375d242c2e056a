"""Importance in [0, 1]: the logistic function of a sum of readable features, as in a logistic regression."""

from __future__ import annotations

import math
from collections.abc import Collection

from memento_policies.conditions import Facts, RuleMatcher
from memento_policies.schema import ImportanceFile


class Importance:
    """The features of `importance.yaml`, compiled."""

    def __init__(self, file: ImportanceFile) -> None:
        features = [feature for feature in file.features if feature.enabled]
        self._points = [feature.points for feature in features]
        self._matcher = RuleMatcher(features)
        self._bias = file.bias

    def score(self, facts: Facts, signals: Collection[str]) -> float:
        """Return the importance, rounded to four digits."""
        log_odds = self._bias + sum(self._points[index] for index in self._matcher.fired(facts, signals))
        return round(1 / (1 + math.exp(-max(-60.0, min(60.0, log_odds)))), 4)
