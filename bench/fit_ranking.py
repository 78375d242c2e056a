"""Fit the ranking's weights (memento/search/ranking/profiles.yaml) on development sets.

Usage: python bench/fit_ranking.py people|agents|coding FOLDER [--cache FOLDER] [--leave-out]

FOLDER holds the sets as `bench/eval_all.py` names them; each profile is fitted on its own (SETS), and a set counts as
much as it weighs there, however many questions it has. Of LoCoMo only the development conversations are read.

Features come from the product's own recall (`explain=True`). The loss is the listwise softmax cross-entropy between the
scores of a question's candidates and its gold turns (ListNet's top-1 form, Cao et al. 2007), with an L2 penalty,
minimised by Newton's method; it is convex, so the result does not depend on a seed. What `by_hand` weighs in the
profile is part of every score and stays as it is. `gain` and `bias` then map the score to [0, 1] on the same
candidates (`calibration`). Prints the lines of profiles.yaml; with --leave-out also what the weights fitted
without one set find in it, or, where a profile has one set, those fitted without one conversation or question.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from memento.embedding import Embedder
from memento.search.ranking.weights import profiles

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.datasets import DEV, benchmark
from bench.eval_all import SETS as PLACES, place
from bench.eval_stores import filled, haystacks, name_of, one_thread_embedder

Matrix = NDArray[np.float64]

FITTED: Final = {
    "people": (
        "statement", "topic", "words", "window", "max_sim", "max_sim_near", "speaker", "length", "session",
        "session_words", "date", "says_when", "answers_when", "question", "answers", "first_person",
    ),
    "agents": (
        "statement", "topic", "words", "coverage", "user", "asked_user", "length", "answers_when", "next", "session",
        "instruction",
    ),
    "coding": (
        "statement", "topic", "words", "coverage", "session", "tool", "outcome", "cause", "answers_why",
        "answers_how", "answers_where", "answers_rule", "rule", "request", "exchange", "exchange_words",
        "exchange_coverage",
    ),
}  # fmt: skip
SETS: Final[Mapping[str, Mapping[str, float]]] = {
    "people": {"locomo-dev": 1.0},
    "agents": {
        "beam-dev": 1.0, "beam500k": 1.0, "realmem": 1.0, "longmemeval-s": 1.0, "devmem": 0.3, "madial-en": 0.5,
    },
    "coding": {"coding": 1.0},
}  # fmt: skip
"""What each profile is fitted on, and how much it counts: a synthetic history and bare notes count for less."""
L2: Final = {"people": 1e-3, "agents": 3e-2, "coding": 5e-2}
ANSWERED: Final = {"people": 1.0, "agents": 1.0, "coding": 0.93}
"""The share of questions whose best answer is to score 0.5 or more. It is less where a floor at 0.5 then turns away
questions without an answer: at work on a project, not in chats nor between people. There the bias lies higher still, by
hand: short notes answer with a cosine of 0.14 ("did someone have a baby?" and "My daughter was born").
"""
SHOWN: Final = 10
DEPTH: Final = {"people": 1_000, "agents": 100, "coding": 100}
"""Candidates of a question."""


class Example(NamedTuple):
    """One question: its candidates' features (n, features), which are gold (n,), at least one, and what is given."""

    features: Matrix
    gold: Matrix
    given: Matrix
    """What the weights by hand make of each candidate (n,)."""


class Part(NamedTuple):
    """What is left out of a fit at a time: a set, a conversation or a question."""

    name: str
    weight: float
    examples: list[Example]


def parts(profile: str, folder: Path, cache: Path, embedder: Embedder) -> Iterator[Part]:
    """Yield the examples of a profile's sets, by conversation, or by question where there is one store only."""
    names, given = FITTED[profile], profiles()[profile].by_hand
    for name, weight in SETS[profile].items():
        if (path := place(folder, PLACES[name])) is None:
            raise SystemExit(f"{folder} holds no {PLACES[name]}")
        for haystack in haystacks(path):
            if name == "locomo-dev" and haystack.name not in DEV:
                continue
            with filled(haystack, cache / name, embedder) as store:
                for question in haystack.read(store).questions:
                    found = store.recall(
                        question.text, DEPTH[profile], plain=True, spread=False, explain=True, at=question.at
                    )
                    told = [(one, one.features) for one in found if one.features]
                    gold = np.array([name_of(one.memory) in question.gold for one, _ in told], dtype=np.float64)
                    if question.kind == "adversarial" or not gold.any():
                        continue
                    rows = np.array([[features[one].value for one in names] for _, features in told])
                    hand = np.array([sum(features[one].value * given[one] for one in given) for _, features in told])
                    label = question.text if profile == "coding" else haystack.name
                    yield Part(f"{name}\0{label}", weight, [Example(rows, gold, hand)])


def grouped(found: Sequence[Part], key: Callable[[str], str]) -> list[Part]:
    """Return the parts put together by what `key` makes of their names."""
    groups: dict[str, Part] = {}
    for one in found:
        name = key(one.name)
        groups.setdefault(name, Part(name, one.weight, [])).examples.extend(one.examples)
    return list(groups.values())


def softmax_weights(sets: Sequence[Part], l2: float) -> Matrix:
    """Return the weights of least loss, by Newton's method with a line search."""
    weights = np.zeros(sets[0].examples[0].features.shape[1])
    loss = _loss(sets, weights, l2)
    for _ in range(100):
        gradient, hessian = l2 * weights, l2 * np.eye(len(weights))
        for _, worth, examples in sets:
            each = worth / len(examples)
            for features, gold, given in examples:
                share = _softmax(features @ weights + given)
                mean = share @ features
                gradient = gradient + each * (mean - (gold / gold.sum()) @ features)
                hessian = hessian + each * ((features * share[:, None]).T @ features - np.outer(mean, mean))
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while (tried := _loss(sets, weights - size * step, l2)) > loss and size > 1e-9:
            size /= 2
        weights = weights - size * step
        if loss - tried < 1e-9:
            break
        loss = tried
    return weights


def calibration(data: Sequence[Example], weights: Matrix, answered: float) -> tuple[float, float]:
    """Return (bias, gain) that make a score of a candidate's sum: sigmoid(bias + gain * sum).

    The gain is that of the share of gold among candidates with such a sum, by logistic regression. The bias makes 0.5
    what the best answer reaches in `answered` of the questions that have one among the first SHOWN: one floor then fits
    memories of every profile.
    """
    scores = np.concatenate([features @ weights + given for features, _, given in data])
    gold = np.concatenate([gold for _, gold, _ in data])
    design = np.stack([np.ones_like(scores), scores], axis=1)
    fitted = np.zeros(2)
    for _ in range(100):
        share = 1 / (1 + np.exp(-design @ fitted))
        step = np.linalg.solve(
            (design * (share * (1 - share))[:, None]).T @ design + 1e-9 * np.eye(2), design.T @ (share - gold)
        )
        fitted = fitted - step * min(1.0, 2 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    best = []
    for features, gold, given in data:
        sums = features @ weights + given
        if (answer := sums[gold > 0].max()) >= np.sort(sums)[-SHOWN:][0]:
            best.append(answer)
    return -float(fitted[1] * np.quantile(best, 1 - answered)), float(fitted[1])


def any_at(data: Sequence[Example], weights: Matrix, k: int) -> float:
    """Return the share of questions with a gold turn among the first k."""
    orders = [np.argsort(-(features @ weights + given), kind="stable")[:k] for features, _, given in data]
    return float(np.mean([gold[order].any() for (_, gold, _), order in zip(data, orders, strict=True)]))


def _loss(sets: Sequence[Part], weights: Matrix, l2: float) -> float:
    total = 0.0
    for _, worth, examples in sets:
        for features, gold, given in examples:
            scores = features @ weights + given
            top = scores.max()
            total += (
                worth / len(examples) * float(top + np.log(np.exp(scores - top).sum()) - gold / gold.sum() @ scores)
            )
    return total + 0.5 * l2 * float(weights @ weights)


def _softmax(scores: Matrix) -> Matrix:
    exponents = np.exp(scores - scores.max())
    return np.asarray(exponents / exponents.sum())


def _set_of(name: str) -> str:
    return name.partition("\0")[0]


def _print_left_out(found: Sequence[Part], l2: float) -> None:
    """Print what the weights fitted without one set (or one conversation or question, where there is one set) find."""
    has_sets = len({_set_of(one.name) for one in found}) > 1
    held: list[tuple[str, list[Example], Matrix]] = []
    for left in grouped(found, _set_of if has_sets else str):
        kept = [one for one in found if (_set_of(one.name) if has_sets else one.name) != left.name]
        held.append((left.name, left.examples, softmax_weights(grouped(kept, _set_of), l2)))
    if has_sets:
        for name, examples, weights in held:
            values = " ".join(f"any@{k} {100 * any_at(examples, weights, k):.1f}" for k in (1, 5, 10))
            print(f"# without {name}, in it: {values}")
    means = [float(np.mean([any_at(examples, weights, k) for _, examples, weights in held])) for k in (1, 5, 10)]
    print(f"# mean of {len(held)} left out: " + " ".join(f"{100 * mean:.1f}" for mean in means))


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", choices=tuple(FITTED))
    parser.add_argument("folder", type=benchmark)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--leave-out", action="store_true")
    options = parser.parse_args()
    names, l2 = FITTED[options.profile], L2[options.profile]
    with tempfile.TemporaryDirectory() as temporary:
        cache = options.cache or Path(temporary)
        found = list(parts(options.profile, options.folder, cache, one_thread_embedder()))
    weights = softmax_weights(grouped(found, _set_of), l2)
    data = [example for one in found for example in one.examples]
    bias, gain = calibration(data, weights, ANSWERED[options.profile])
    print(f"{options.profile}:  # {len(data)} questions, any@5 {100 * any_at(data, weights, 5):.1f}, L2 {l2:g}")
    print(f"  bias: {bias:.3f}\n  gain: {gain:.3f}\n  weights:")
    for name, weight in zip(names, weights, strict=True):
        print(f"    {name}: {weight:.3f}")
    if options.leave_out:
        _print_left_out(found, l2)


if __name__ == "__main__":
    main()
