"""Keep or skip: a sum of points a person can read, against a threshold."""

from __future__ import annotations

from typing import NamedTuple

from memento_policies.conditions import Facts, RuleMatcher
from memento_policies.decision import Reason
from memento_policies.schema import Signal, SignificanceFile


class Verdict(NamedTuple):
    """Keep or skip, the strongest reason for that, all reasons with the weightiest first, and the signals seen."""

    keep: bool
    reason: str
    reasons: tuple[Reason, ...]
    signals: tuple[str, ...]
    forced: bool = False
    """By an `always` rule."""


class Significance:
    """The signals of `significance.yaml`, compiled."""

    def __init__(self, file: SignificanceFile) -> None:
        # Sorted once, so that what fires is in order.
        self._signals = sorted((signal for signal in file.signals if signal.enabled), key=_weight)
        self._reasons = [Reason(signal.name, signal.points) for signal in self._signals]
        self._always = [signal.always for signal in self._signals]
        self._matcher = RuleMatcher(self._signals)
        self._threshold = file.threshold

    def judge(self, facts: Facts) -> Verdict:
        """Add the points of the signals that fire; `always: skip` overrules `always: keep`, which overrules points."""
        fired = self._matcher.fired(facts)
        reasons = [self._reasons[index] for index in fired]
        signals = tuple([reason.name for reason in reasons])
        for forced in ("skip", "keep"):
            for index in fired:
                if self._always[index] == forced:
                    return Verdict(forced == "keep", self._reasons[index].name, tuple(reasons), signals, True)
        keep = sum([reason.points for reason in reasons]) >= self._threshold
        return Verdict(keep, _strongest(reasons, keep), tuple(reasons), signals)


def _weight(signal: Signal) -> tuple[float, str]:
    return -abs(signal.points), signal.name


def _strongest(reasons: list[Reason], keep: bool) -> str:
    """Return the weightiest reason that speaks for the verdict; without one the score itself decided."""
    for reason in reasons:
        if reason.points != 0 and (reason.points > 0) == keep:
            return reason.name
    return "above_threshold" if keep else "below_threshold"
