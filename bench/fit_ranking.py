"""Fit the ranking's weights (memento/search/ranking/profiles.yaml) on development conversations.

Usage: python bench/fit_ranking.py people LOCOMO.json    python bench/fit_ranking.py agents BEAM_FOLDER LOCOMO.json

Of LoCoMo only the development conversations are read; of BEAM every chat in the folder, which is its development set.
For agents, each LoCoMo conversation is also told as a chat between one of the two, the user, and an assistant: BEAM's
chats are all about projects, people also talk of themselves to assistants. Every tenth of those questions is taken, so
that BEAM's count for more.
Features come from the product's own recall (`explain=True`). The loss is the listwise softmax cross-entropy between the
scores of a question's candidates and its gold turns (ListNet's top-1 form, Cao et al. 2007), with an L2 penalty,
minimised by Newton's method; it is convex, so the result does not depend on a seed. `gain` and `bias` then map the
score to [0, 1], by logistic regression on the same candidates. Prints the lines of
profiles.yaml; with --folds also what leaving out one conversation at a time gives.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from memento.config import load_config
from memento.store import MemoryStore

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.datasets import DEV, Conversation, benchmark, load
from bench.eval import fill

Matrix = NDArray[np.float64]

FITTED: Final = {
    "people": (
        "statement", "topic", "words", "window", "max_sim", "max_sim_near", "speaker", "length", "session",
        "session_words", "date", "says_when", "answers_when", "question", "answers", "first_person",
    ),
    "agents": (
        "statement", "topic", "words", "coverage", "user", "asked_user", "length", "answers_when", "next", "session",
    ),
}  # fmt: skip
L2: Final = {"people": 1e-3, "agents": 3e-2}
DEPTH: Final = 1_000
OF_CHATS: Final = 10
"""Every how manieth question of a LoCoMo conversation told as a chat is taken."""
_FIRST_PERSON: Final = (
    (r"\bis NAME\b", "am I"), (r"\bhas NAME\b", "have I"), (r"\bdoes NAME\b", "do I"), (r"NAME['’]s\b", "my"),
    (r"\bNAME\b", "I"), (r"\b(?:his|her)\b", "my"), (r"\bs?he\b", "I"),
)  # fmt: skip


class Example(NamedTuple):
    """One question: its candidates' features (n, features) and which of them are gold (n,), at least one."""

    features: Matrix
    gold: Matrix


def examples(conversation: Conversation, names: Sequence[str]) -> Iterator[Example]:
    """Yield the conversation's questions as the product's recall sees them."""
    with tempfile.TemporaryDirectory() as folder, MemoryStore(Path(folder, "m.db"), config=load_config()) as store:
        fill(store, conversation)
        for question in conversation.questions:
            found = store.recall(question.text, DEPTH, plain=True, spread=False, explain=True)
            rows = [[one.features[name].value for name in names] for one in found if one.features]
            gold = np.array([one.memory.meta["turn"] in question.gold for one in found], dtype=np.float64)
            if question.kind != "adversarial" and gold.any():
                yield Example(np.array(rows), gold)


def as_chats(conversation: Conversation) -> Iterator[Conversation]:
    """Yield a conversation of two people as each one's chat with an assistant, with the questions about that one."""
    first, second = dict.fromkeys(turn.speaker for turn in conversation.turns)
    for user, other in ((first, second), (second, first)):
        roles = ["user" if turn.speaker == user else "assistant" for turn in conversation.turns]
        turns = [replace(turn, role=role, speaker="") for turn, role in zip(conversation.turns, roles, strict=True)]
        about = [one for one in conversation.questions if user in one.text and other not in one.text]
        asked = [replace(one, text=_in_first_person(one.text, user)) for one in about if one.kind != "adversarial"]
        yield Conversation(conversation.name, turns, asked[::OF_CHATS])


def _in_first_person(question: str, name: str) -> str:
    for pattern, words in _FIRST_PERSON:
        question = re.sub(pattern.replace("NAME", re.escape(name)), words, question)
    return question


def softmax_weights(data: Sequence[Example], l2: float) -> Matrix:
    """Return the weights of least loss, by Newton's method with a line search."""
    weights = np.zeros(data[0].features.shape[1])
    loss = _loss(data, weights, l2)
    for _ in range(100):
        gradient, hessian = l2 * weights, l2 * np.eye(len(weights))
        for features, gold in data:
            share = _softmax(features @ weights)
            mean = share @ features
            gradient = gradient + (mean - (gold / gold.sum()) @ features) / len(data)
            hessian = hessian + ((features * share[:, None]).T @ features - np.outer(mean, mean)) / len(data)
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while (tried := _loss(data, weights - size * step, l2)) > loss and size > 1e-9:
            size /= 2
        weights = weights - size * step
        if loss - tried < 1e-9:
            break
        loss = tried
    return weights


def calibration(data: Sequence[Example], weights: Matrix) -> tuple[float, float]:
    """Return (bias, gain) such that sigmoid(bias + gain * score) would be the share of gold among such candidates.

    Would be, were half of all candidates gold: the odds are divided by those of any candidate. A hundred candidates
    hold one answer, and what a reader wants to know is what speaks for this one.
    """
    scores = np.concatenate([features @ weights for features, _ in data])
    gold = np.concatenate([gold for _, gold in data])
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
    share = gold.mean()
    return float(fitted[0] - np.log(share / (1 - share))), float(fitted[1])


def any_at(data: Sequence[Example], weights: Matrix, k: int) -> float:
    """Return the share of questions with a gold turn among the first k."""
    return float(np.mean([gold[np.argsort(-(features @ weights), kind="stable")[:k]].any() for features, gold in data]))


def _loss(data: Sequence[Example], weights: Matrix, l2: float) -> float:
    total = 0.0
    for features, gold in data:
        scores = features @ weights
        top = scores.max()
        total += float(top + np.log(np.exp(scores - top).sum()) - (gold / gold.sum()) @ scores)
    return total / len(data) + 0.5 * l2 * float(weights @ weights)


def _softmax(scores: Matrix) -> Matrix:
    exponents = np.exp(scores - scores.max())
    return np.asarray(exponents / exponents.sum())


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", choices=tuple(FITTED))
    parser.add_argument("paths", type=benchmark, nargs="+")
    parser.add_argument("--folds", action="store_true")
    options = parser.parse_args()
    names, l2 = FITTED[options.profile], L2[options.profile]
    by_conversation: dict[str, list[Example]] = defaultdict(list)
    for one in (one for path in options.paths for one in load(path)):
        if one.name.startswith("beam") or (one.name in DEV and options.profile == "people"):
            by_conversation[one.name] += examples(one, names)
        elif one.name in DEV:
            by_conversation[one.name] += [example for chat in as_chats(one) for example in examples(chat, names)]
    data = [example for found in by_conversation.values() for example in found]
    weights = softmax_weights(data, l2)
    bias, gain = calibration(data, weights)
    print(f"{options.profile}:  # {len(data)} questions, any@5 {100 * any_at(data, weights, 5):.1f}, L2 {l2:g}")
    print(f"  bias: {bias:.3f}\n  gain: {gain:.3f}\n  weights:")
    for name, weight in zip(names, weights, strict=True):
        print(f"    {name}: {weight:.3f}")
    if options.folds:
        for held, kept in by_conversation.items():
            others = softmax_weights(
                [one for name, found in by_conversation.items() if name != held for one in found], l2
            )
            values = " ".join(f"any@{k} {100 * any_at(kept, others, k):.1f}" for k in (1, 5, 10))
            print(f"# without {held}: {values}")


if __name__ == "__main__":
    main()
