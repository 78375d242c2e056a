"""Two-score rankings to compare recall with: cosine and BM25 over every row of a store, without the product's ranking.

The vectors are those that the store holds, the best passage of each row counts; BM25 is the full-text index's own, over
all content words of the question.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memento.embedding import Embedder
from memento.memory import Memory
from memento.search.terms import terms
from memento.storage import fulltext, rows, vectors
from memento.storage.filters import Filter
from memento.store import MemoryStore

DENSE: Final = 0.7
BM25: Final = 0.3
FUSED: Final = "0.7 dense + 0.3 BM25"
FUSED_USER: Final = "the same, user turns only"
DENSE_ALONE: Final = "dense alone"

Scores = NDArray[np.float64]


class Baselines:
    """The rankings of one store as it is when this is made."""

    def __init__(self, store: MemoryStore, embedder: Embedder) -> None:
        self._store, self._embedder = store, embedder
        with store.database.read() as connection:
            stored = list(vectors.written_since(connection, embedder.model, 0))
            memories = rows.by_nums(connection, [one.num for one in stored])
        self._nums = [one.num for one in stored]
        self._memories = [memories[num] for num in self._nums]
        passages = [np.frombuffer(one.blob, dtype=np.float32).reshape(-1, embedder.dimensions) for one in stored]
        self._passages = np.concatenate(passages)
        self._first = np.cumsum([0, *(len(one) for one in passages[:-1])])
        self._of_user = np.array([memory.role == "user" for memory in self._memories])
        self._two_roles = not self._of_user.all() and not any(memory.speaker for memory in self._memories)

    def rankings(self, question: str, depth: int) -> dict[str, list[Memory]]:
        """Return the best `depth` memories by each baseline; that of user turns only where an assistant speaks too."""
        dense, words = self._dense(question), self._words(question)
        everything = np.arange(len(self._nums))
        found = {FUSED: self._best(_fused(dense, words), everything, depth)}
        if self._two_roles:
            (user,) = np.nonzero(self._of_user)
            found[FUSED_USER] = self._best(_fused(dense[user], words[user]), user, depth)
        return found | {DENSE_ALONE: self._best(dense, everything, depth)}

    def _dense(self, question: str) -> Scores:
        (query,) = self._embedder.embed_queries([question])
        return np.maximum.reduceat(self._passages @ query, self._first).astype(np.float64)

    def _words(self, question: str) -> Scores:
        with self._store.database.read() as connection:
            found: Mapping[int, float] = fulltext.bm25(connection, terms(question), Filter(), len(self._nums))
        return np.array([found.get(num, 0.0) for num in self._nums])

    def _best(self, scores: Scores, rows_: NDArray[np.intp], depth: int) -> list[Memory]:
        return [self._memories[rows_[one]] for one in np.argsort(-scores, kind="stable")[:depth]]


def _fused(dense: Scores, words: Scores) -> Scores:
    return DENSE * _scaled(dense) + BM25 * _scaled(words)


def _scaled(scores: Scores) -> Scores:
    """Return scores min-max scaled to [0, 1]; all 0 where they are equal."""
    span = np.ptp(scores) if len(scores) else 0.0
    return (scores - scores.min()) / span if span else np.zeros_like(scores)
