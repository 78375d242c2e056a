"""How long what is kept stays in the foreground, what becomes knowledge, and what is forgotten, by rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from memento_policies.instructions import Alternatives
from memento_policies.lasting import Lasting
from memento_policies.loading import load_document
from memento_policies.schema import ForgetRule, HalfLife, PromoteRule, RetentionFile, RetentionRule
from memento_policies.statements import Statements

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Traits:
    """What retention looks at of a memory."""

    role: str
    kind: str
    collection: str
    tags: Sequence[str]
    importance: float
    age_days: float
    """Since the event; 0 where its time is unknown."""
    lasting: bool = False
    """Its text says something that holds beyond the task at hand."""


class Retention:
    """The rules of `retention.yaml`."""

    def __init__(self, file: RetentionFile) -> None:
        self._half_lives = [rule for rule in file.half_lives if rule.enabled]
        self._promote = [rule for rule in file.promote if rule.enabled]
        self._forget = [rule for rule in file.forget if rule.enabled]
        self.lasting = Lasting(file.lasting, file.momentary)
        self.same_above = file.same_above
        self.statements = Statements(file.statements, file.passing)
        self.alternatives = Alternatives(rule.words for rule in file.alternatives if rule.enabled)

    def half_life(self, traits: Traits) -> HalfLife | None:
        """Return the rule by which a memory fades; None if no rule holds."""
        return next((rule for rule in self._half_lives if _holds(rule, traits)), None)

    def faded(self, traits: Traits) -> float:
        """Return the importance that is left of a memory's: it halves with every half-life."""
        rule = self.half_life(traits)
        if rule is None or rule.days is None:
            return traits.importance
        return float(traits.importance * 0.5 ** (max(traits.age_days, 0.0) / rule.days))

    def promoted_by(self, traits: Traits) -> PromoteRule | None:
        """Return the rule that makes a memory knowledge, if one does."""
        rules = (rule for rule in self._promote if _holds(rule, traits))
        return next((rule for rule in rules if traits.lasting or not rule.lasting), None)

    def asks_whether_lasting(self, role: str, tags: Sequence[str]) -> bool:
        """Tell whether a rule may ask of a memory whether its text lasts; of most none does."""
        return any(
            rule.lasting
            and (not rule.roles or role in rule.roles)
            and (not rule.tags or any(tag in rule.tags for tag in tags))
            for rule in self._promote
        )

    def forgotten_by(self, traits: Traits) -> ForgetRule | None:
        """Return the rule by which a memory is forgotten, if one is."""
        for rule in self._forget:
            if _holds(rule, traits) and traits.age_days >= rule.older_than_days and self.faded(traits) < rule.below:
                return rule
        return None


def load_retention(overrides: Path | None = None) -> Retention:
    """Load the shipped rules, with `retention.yaml` in the folder `overrides` merged over them. Raises PolicyError."""
    return Retention(load_document(RetentionFile, overrides).model)


def _holds(rule: RetentionRule, traits: Traits) -> bool:
    return (
        (not rule.roles or traits.role in rule.roles)
        and (not rule.kinds or traits.kind in rule.kinds)
        and (not rule.collections or traits.collection in rule.collections)
        and (not rule.tags or any(tag in rule.tags for tag in traits.tags))
        and traits.importance >= rule.min_importance
    )
