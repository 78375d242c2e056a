"""How well the policy judges a set of messages that a reader gave a value: the table of docs/policies.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from bench.examples import Valued
from bench.logistic import Vector, auc
from numpy.typing import NDArray

from memento_policies import Decision, Policy

ROLES: Final = ("user", "assistant", "tool")
BINS: Final = 10


def show(name: str, rows: Sequence[Valued], policy: Policy) -> None:
    """Print the table of one set."""
    decisions = [policy.decide(row.message) for row in rows]
    scores = np.array([policy.weigh(row.message).importance for row in rows])
    values = np.array([row.value for row in rows])
    weights = np.array([row.weight for row in rows])
    kept = np.array([decision.keep for decision in decisions])
    roles = np.array([row.message.role for row in rows])
    print(f"\n{name}: {len(rows)} messages, of value 3 {np.sum(values == 3)}, of value 2 {np.sum(values == 2)}")
    print(f"  value 3 kept                {share(kept, values == 3, weights)}")
    print(f"  value >= 2 kept             {share(kept, values >= 2, weights)}")
    for role in ROLES:
        print(f"  value 0 skipped, {role:<10} {share(~kept, (values == 0) & (roles == role), weights)}")
    print(f"  kept that is worthless      {share(values == 0, kept, weights)}")
    lengths = np.array([float(len(row.message.text)) for row in rows])
    by_length = auc(values >= 2, lengths)
    print(f"  AUC, >= 2 against <= 1      {auc(values >= 2, scores):.3f}; of the text's length {by_length:.3f}")
    print(f"  calibration error           {calibration_error(scores, values >= 2):.3f}")
    spoken = roles != "tool"
    print(
        f"  the same, without tools     AUC {auc(values[spoken] >= 2, scores[spoken]):.3f}, "
        f"length {auc(values[spoken] >= 2, lengths[spoken]):.3f}, "
        f"calibration error {calibration_error(scores[spoken], values[spoken] >= 2):.3f}"
    )
    if all(row.tags is not None for row in rows):
        tags([row.tags or frozenset() for row in rows], decisions)


def share(which: NDArray[np.bool_], among: NDArray[np.bool_], weights: Vector) -> str:
    """Return the share of `which` among some messages, plain and weighted."""
    if not among.any():
        return "-"
    plain = f"{which[among].mean():>6.1%} of {among.sum():>3}"
    if np.ptp(weights) == 0:
        return plain
    return f"{plain} (weighted {np.average(which[among], weights=weights[among]):.1%})"


def calibration_error(scores: Vector, matters: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over ten bins of equal width (Naeini 2015)."""
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    gaps = [abs(float(np.sum(scores[bins == one] - matters[bins == one]))) for one in range(BINS)]
    return sum(gaps) / len(scores)


def tags(wanted: Sequence[frozenset[str]], decisions: Sequence[Decision]) -> None:
    """Print precision and recall of every tag that readers give."""
    print("  tag          wanted  given  precision   recall")
    for tag in sorted(set().union(*wanted)):
        print(f"  {tag:<12} {tag_line([tag in one for one in wanted], [tag in one.tags for one in decisions])}")


def tag_line(wanted: Sequence[bool], given: Sequence[bool]) -> str:
    """Return how often a tag is wanted and given, its precision and its recall."""
    right = sum(both and one for both, one in zip(wanted, given, strict=True))
    precision = f"{right / sum(given):>10.0%}" if any(given) else f"{'-':>10}"
    recall = f"{right / sum(wanted):>8.0%}" if any(wanted) else f"{'-':>8}"
    return f"{sum(wanted):>6} {sum(given):>6} {precision} {recall}"
