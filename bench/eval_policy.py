"""How well the policy judges: AUC, the kept/skipped curve, calibration; by kind of turn for coding sessions.

Usage: python bench/eval_policy.py [--locomo PATH] [--plots FOLDER]

LoCoMo's evidence turns are what matters between people: tuned on its dev conversations, measured on the others. The
labelled turns of coding sessions are those of tests/policies/labelled: tuned on its dev half, measured on the other.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench import judgement
from bench.charts import Chart
from bench.datasets import DEV, benchmark, load
from bench.examples import Labelled, judged, labelled, of_conversations, of_sessions, valued
from bench.logistic import Vector, auc

from memento_policies import Decision, Policy, load_policy

KEPT: Final = (1.0, 0.999, 0.995, 0.99, 0.98, 0.97, 0.95, 0.9, 0.8)
BINS: Final = 10
KIND_TAGS: Final = ("decision", "preference", "fact", "fix", "correction", "todo", "error", "question")


def people(policy: Policy, locomo: Path, plots: Path | None) -> None:
    """Print the figures for LoCoMo, dev and test; draw those of test."""
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
        if plots and split == "test":
            (plots / "importance-reliability.svg").write_text(reliability(scores, matters))
            (plots / "importance-curve.svg").write_text(curve(scores, matters, (dropped, 1 - lost)))


def reliability(scores: Vector, matters: NDArray[np.bool_]) -> str:
    """Draw how often turns of each predicted importance matter, with intervals of 95 % (Wilson 1927)."""
    chart = Chart("What is predicted, and what comes true", "importance", "turns that are evidence")
    chart.line([(0, 0), (1, 1)], "guide")
    points = []
    for low in np.arange(BINS) / BINS:
        inside = (scores >= low) & (scores < low + 1 / BINS)
        if count := int(inside.sum()):
            predicted, observed = float(scores[inside].mean()), float(matters[inside].mean())
            middle = (observed + 1.92 / count) / (1 + 3.84 / count)
            reach = 1.96 / (1 + 3.84 / count) * np.sqrt(observed * (1 - observed) / count + 0.96 / count**2)
            chart.bar(predicted, middle - float(reach), middle + float(reach))
            points.append((predicted, observed))
    chart.line(points)
    for point in points:
        chart.dot(point)
    return chart.svg()


def curve(scores: Vector, matters: NDArray[np.bool_], default: tuple[float, float]) -> str:
    """Draw what is kept of the evidence against what is skipped of the rest, for every threshold."""
    chart = Chart("What a threshold skips, and what it costs", "other turns skipped", "evidence kept", (0.0, 0.8))
    kept = 1 - np.arange(0, 0.2001, 0.0025)
    least = [np.quantile(scores[matters], 1 - share, method="lower") for share in kept]
    chart.line((float(np.mean(scores[~matters] < one)), float(share)) for one, share in zip(least, kept, strict=True))
    chart.dot(default, "mark")
    chart.say(default, f"the default: {default[1]:.1%} kept, {default[0]:.1%} skipped", "marked")
    return chart.svg((5, 4))


def sessions(policy: Policy) -> None:
    """Print the figures for the labelled coding sessions, dev and test."""
    for split in ("dev", "test"):
        turns = list(labelled(split))
        decisions = [policy.decide(turn.message) for turn in turns]
        should = np.array([turn.keep for turn in turns])
        kept = np.array([decision.keep for decision in decisions])
        scores = np.array([policy.weigh(turn.message).importance for turn in turns])
        matters = np.array([example.label == 1 for example in of_sessions(turns)])
        print(f"\nCoding sessions, {split}: {len(turns)} turns, {should.sum()} to keep")
        print(f"  kept of what should be  {kept[should].mean():.1%}; precision {should[kept].mean():.1%}")
        print(f"  skipped of the rest     {1 - kept[~should].mean():.1%}")
        print(f"  AUC of importance       {auc(matters, scores):.4f} (what matters against everything else)")
        print("  kind            turns     kept")
        for kind, count in Counter(turn.kind for turn in turns).most_common():
            of_kind = np.array([turn.kind == kind for turn in turns])
            print(f"  {kind:<14} {count:>6} {kept[of_kind].mean():>8.0%}")
        tags(turns, decisions)


def tags(turns: Sequence[Labelled], decisions: Sequence[Decision]) -> None:
    """Print how often a tag that names a kind is right, and how often it is there where it should be."""
    print("  tag          given  precision   recall")
    for tag in KIND_TAGS:
        given = [tag in decision.tags for decision in decisions]
        right = sum(got and turn.kind == tag for got, turn in zip(given, turns, strict=True))
        wanted = sum(turn.kind == tag for turn in turns)
        if sum(given) and wanted:
            print(f"  {tag:<12} {sum(given):>5} {right / sum(given):>10.0%} {right / wanted:>8.0%}")


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
    parser.add_argument("--locomo", type=benchmark)
    parser.add_argument("--coding", type=Path, help="a folder with judged.json and its transcripts")
    parser.add_argument("--plots", type=Path, help="the folder to draw into")
    options = parser.parse_args()
    policy = load_policy()
    if options.locomo:
        people(policy, options.locomo, options.plots)
    sessions(policy)
    messages = list(valued())
    for session, rows in groupby(messages, key=lambda row: row.session):
        judgement.show(session, list(rows), policy)
    judgement.show("All valued messages", messages, policy)
    if options.coding:
        judgement.show("Judged messages of real sessions", list(judged(options.coding)), policy)


if __name__ == "__main__":
    main()
