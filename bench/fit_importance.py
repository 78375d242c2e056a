"""Fit the weights of importance: the recipe behind policies/memento_policies/rules/weights.yaml.

Usage: python bench/fit_importance.py LOCOMO [--coding FOLDER]

The people's weights come from LoCoMo's dev conversations (a turn matters if a question's evidence names it), the
agent's from the dev half and the valued messages of tests/policies/labelled, and from judged messages of real sessions
where the folder that holds `judged.json` is given (it was, for the shipped file). Nothing else is looked at: the other
conversations and the other half are for measuring (`make eval-policy`). Prints the file; write it over the shipped one.
On stderr: how well each session is judged by a fit that left it out.
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
from bench.examples import Example, judged, labelled, of_conversations, of_sessions, of_valued, valued
from bench.judgement import calibration_error
from bench.logistic import Matrix, Vector, auc, calibrated

from memento_policies import Policy
from memento_policies.loading import load_document
from memento_policies.message import Profile
from memento_policies.schema import ImportanceFile, RedactionFile, SignificanceFile, TagsFile, Weights, WeightsFile

RIDGE: Final[Mapping[Profile, float]] = {"people": 300.0, "agent": 40.0}
"""The best of 30, 100, 300, 500 and of 10, 20, 40, 80, 160 on groups that were left out."""
SKIP_BELOW: Final[Mapping[Profile, float]] = {"people": 0.03, "agent": 0.07}
"""Round figures: the dev conversations keep 98 % of their evidence there, the sessions all of value 2 and more."""


def main() -> None:
    """Print the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("locomo", type=benchmark)
    parser.add_argument("--coding", type=Path, help="a folder with judged.json and its transcripts")
    options = parser.parse_args()
    people = list(of_conversations(one for one in load(options.locomo) if one.name in DEV))
    print("# The weights of importance, in log-odds. Written by bench/fit_importance.py for importance.yaml.")
    print("# `skip_below`: a message less likely to matter than this is not kept.")
    show("people", people)
    messages = [*valued(), *(judged(options.coding) if options.coding else ())]
    show("agent", [*of_valued(messages), *of_sessions(labelled("dev"))])


def show(profile: Profile, examples: Sequence[Example]) -> None:
    """Fit one profile and print its part of the file."""
    names, features = matrix(profile, examples)
    labels = np.array([example.label for example in examples])
    groups = np.unique([example.group for example in examples], return_inverse=True)[1]
    fitted = calibrated(features, labels, groups, RIDGE[profile])
    report(profile, examples, fitted.held_out)
    weights = fitted.weights
    print(f"\n{profile}:\n  bias: {weights[0]:.3f}\n  skip_below: {SKIP_BELOW[profile]}\n  points:")
    for name, points in zip(names, weights[1:], strict=True):
        if abs(points) >= 0.0005:
            print(f"    {name}: {points:.3f}")


def report(profile: Profile, examples: Sequence[Example], scores: Vector) -> None:
    """Print how well groups are judged by fits that left them out: each group that has both, and all of them."""
    labels = np.array([example.label for example in examples])
    names = np.array([example.group for example in examples])
    likely = 1 / (1 + np.exp(-scores))
    for name in [*np.unique(names), "all"]:
        inside = ((names == name) | (name == "all")) & ((labels == 0) | (labels == 1))
        matters = labels[inside] == 1
        if matters.any() and not matters.all():
            error = calibration_error(likely[inside], matters)
            figures = f"AUC {auc(matters, scores[inside]):.3f}, calibration error {error:.3f}"
            print(f"{profile}, left out: {name}: {inside.sum()} messages, {figures}", file=sys.stderr)


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
