"""How well the policy judges: AUC, the kept/skipped curve, calibration; by kind of turn for coding sessions.

Usage: python bench/eval_policy.py [--locomo PATH] [--svg FILE]

LoCoMo's evidence turns are what matters between people: tuned on its dev conversations, measured on the others.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.datasets import DEV, load
from bench.examples import of_conversations
from bench.logistic import Vector, auc

from memento_policies import Policy, load_policy

KEPT: Final = (1.0, 0.999, 0.995, 0.99, 0.98, 0.97, 0.95, 0.9, 0.8)
BINS: Final = 10


def people(policy: Policy, locomo: Path) -> None:
    """Print the figures for LoCoMo, dev and test."""
    conversations = load(locomo)
    for split in ("dev", "test"):
        examples = list(of_conversations(one for one in conversations if (one.name in DEV) == (split == "dev")))
        matters = np.array([example.label > 0.5 for example in examples])
        scores = np.array([policy.weigh(example.message).importance for example in examples])
        kept = np.array([policy.decide(example.message).keep for example in examples])
        print(f"\nLoCoMo {split}: {len(examples):,} turns, {matters.sum():,} of them evidence")
        print(f"  AUC of importance       {auc(matters, scores):.4f}")
        lost, dropped = 1 - kept[matters].mean(), 1 - kept[~matters].mean()
        print(f"  at the default          {1 - lost:.2%} of evidence kept, {dropped:.2%} of the rest skipped")
        print("  kept evidence     skipped rest     threshold")
        for share in KEPT:
            least = np.quantile(scores[matters], 1 - share, method="lower")
            print(f"  {share:>12.1%} {np.mean(scores[~matters] < least):>16.1%} {least:>13.3f}")
        calibration(scores, matters)


def calibration(scores: Vector, matters: NDArray[np.bool_]) -> None:
    """Print how often turns of each predicted importance matter, and the expected calibration error."""
    print("  importance      turns    predicted    observed")
    error = 0.0
    for low in np.arange(BINS) / BINS:
        inside = (scores >= low) & (scores < low + 1 / BINS)
        if inside.any():
            predicted, observed = scores[inside].mean(), matters[inside].mean()
            error += inside.mean() * abs(predicted - observed)
            figures = f"{inside.sum():>12,} {predicted:>12.3f} {observed:>11.3f}"
            print(f"  {low:.1f} - {low + 1 / BINS:.1f} {figures}  {'#' * round(40 * observed)}")
    print(f"  expected calibration error {error:.3f}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--locomo", type=Path)
    options = parser.parse_args()
    policy = load_policy()
    if options.locomo:
        people(policy, options.locomo)


if __name__ == "__main__":
    main()
