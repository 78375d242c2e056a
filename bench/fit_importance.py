"""Fit the weights of importance: the recipe behind policies/memento_policies/rules/weights.yaml.

Usage: python bench/fit_importance.py LOCOMO

The people's weights come from LoCoMo's dev conversations (a turn matters if a question's evidence names it), the
agent's from the dev half of tests/policies/labelled. Nothing else is looked at: the other conversations and the other
half are for measuring (`make eval-policy`). Prints the file; write it over the shipped one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.datasets import DEV, benchmark, load
from bench.examples import Example, labelled, of_conversations, of_sessions
from bench.logistic import Matrix, auc, calibrated

from memento_policies import Policy
from memento_policies.loading import load_document
from memento_policies.message import Profile
from memento_policies.schema import ImportanceFile, RedactionFile, SignificanceFile, TagsFile, Weights, WeightsFile

RIDGE: Final[Mapping[Profile, float]] = {"people": 300.0, "agent": 10.0}
"""The best of 30, 100, 300, 500 and of 3, 10, 30 on groups that were left out."""
SKIP_BELOW: Final[Mapping[Profile, float]] = {"people": 0.03, "agent": 0.0}
"""A round figure: the dev conversations keep 98 % of their evidence there. With an agent the signals decide."""


def main() -> None:
    """Print the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("locomo", type=benchmark)
    options = parser.parse_args()
    people = list(of_conversations(one for one in load(options.locomo) if one.name in DEV))
    print("# The weights of importance, in log-odds. Written by bench/fit_importance.py for importance.yaml.")
    print("# `skip_below`: a message less likely to matter than this is not kept.")
    show("people", people)
    show("agent", list(of_sessions(labelled("dev"))))


def show(profile: Profile, examples: Sequence[Example]) -> None:
    """Fit one profile and print its part of the file."""
    names, features = matrix(profile, examples)
    labels = np.array([example.label for example in examples])
    groups = np.unique([example.group for example in examples], return_inverse=True)[1]
    fitted = calibrated(features, labels, groups, RIDGE[profile])
    scores = fitted.held_out
    within = [auc(labels[groups == g] > 0.5, scores[groups == g]) for g in np.unique(groups)]
    print(f"{profile}: {len(labels)} turns, AUC on left-out groups {np.mean(within):.4f}", file=sys.stderr)
    weights = fitted.weights
    print(f"\n{profile}:\n  bias: {weights[0]:.3f}\n  skip_below: {SKIP_BELOW[profile]}\n  points:")
    for name, points in zip(names, weights[1:], strict=True):
        if abs(points) >= 0.0005:
            print(f"    {name}: {points:.3f}")


def matrix(profile: Profile, examples: Sequence[Example]) -> tuple[list[str], Matrix]:
    """Return the names of a profile's features and their values, one row per example."""
    file = load_document(ImportanceFile, None).model
    names = [f.name for f in file.features if f.points is None and profile in (f.profiles or (profile,))]
    every = Weights(bias=0, skip_below=0, points=dict.fromkeys(names, 1.0))
    policy = Policy(
        load_document(RedactionFile, None).model,
        load_document(SignificanceFile, None).model,
        load_document(TagsFile, None).model,
        file,
        WeightsFile(people=every, agent=every),
    )
    rows = [{one.name: one.points for one in policy.weigh(example.message).reasons} for example in examples]
    return names, np.array([[row.get(name, 0.0) for name in names] for row in rows])


if __name__ == "__main__":
    main()
