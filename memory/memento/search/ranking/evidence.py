"""What is known of a query's candidates before anything is weighed: the turns, their neighbours, cosines, word counts.

Read once per query, in a few statements; the features (`features.py`) only look at it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from memento.search.ranking.question import Question
from memento.storage import fulltext, turns
from memento.storage.database import Database
from memento.storage.turns import Around, Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

REACH: Final = 2
"""Neighbours on each side that belong to a turn's window."""
K1: Final = 1.2
B: Final = 0.75
"""BM25's usual parameters; they are FTS5's too."""

Similarities = Callable[["NDArray[np.float32]", "NDArray[np.int64]"], "NDArray[np.float32]"]
"""(q, dimensions) queries and (n,) row numbers to (q, n) cosines, NaN where there is no embedding."""


@dataclass(frozen=True, slots=True)
class Cosines:
    """The cosines of memories to the question's two readings; 0 where a memory is not embedded or not looked at."""

    statement: Mapping[int, float]
    topic: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A question and everything read of its candidates."""

    question: Question
    candidates: Sequence[Turn]
    known: Mapping[int, Turn]
    """The candidates and their neighbours, by row number."""
    around: Mapping[int, Around]
    cosines: Cosines
    counts: Mapping[int, Counter[str]]
    """Of each known turn, how often each of the question's stems occurs; and its number of words under `""`."""
    idf: Mapping[str, float]
    """The question's stems with their inverse document frequency."""
    now: int
    """Unix milliseconds."""

    def before(self, turn: Turn) -> Turn | None:
        """Return the turn just before in the same session."""
        near = self.around.get(turn.num)
        return self.known.get(near.before[0]) if near and near.before else None

    def after(self, turn: Turn) -> Turn | None:
        """Return the turn just after in the same session."""
        near = self.around.get(turn.num)
        return self.known.get(near.after[0]) if near and near.after else None

    def window(self, turn: Turn) -> Counter[str]:
        """Return the counts of a turn together with its neighbours'."""
        near = self.around.get(turn.num)
        total = Counter(self.counts[turn.num])
        for num in (*near.before, *near.after) if near else ():
            total.update(self.counts.get(num, {}))
        return total

    def bm25(self, documents: Sequence[Mapping[str, int]]) -> list[float]:
        """Return the BM25 of each document, given as counts, as a share of the best one; see Robertson 2009, eq. 3.15.

        The mean length is that of these documents: it is the candidates that are told apart.
        """
        average = sum(document.get("", 0) for document in documents) / max(1, len(documents)) or 1.0
        scores = []
        for document in documents:
            norm = K1 * (1 - B + B * document.get("", 0) / average)
            scores.append(sum(w * f * (K1 + 1) / (f + norm) for s, w in self.idf.items() if (f := document.get(s, 0))))
        best = max(scores, default=0.0) or 1.0
        return [score / best for score in scores]


def gather(
    database: Database,
    question: Question,
    nums: Sequence[int],
    similarities: Similarities | None,
    readings: NDArray[np.float32] | None,
    now: int,
    deadline: float | None = None,
) -> Evidence:
    """Read the evidence of these candidates.

    `readings` are the unit vectors of the question's statement and topic, shape (2, dimensions); None without a model.
    """
    with database.read(deadline) as connection:
        candidates = turns.turns(connection, nums)
        around = turns.around(connection, list(candidates), REACH)
        near = {num for one in around.values() for num in (*one.before, *one.after)} - candidates.keys()
        known = {**candidates, **turns.turns(connection, sorted(near))}
        stemmed = fulltext.stemmer(connection)
        stems = tuple(dict.fromkeys(stem for word in question.words for stem in stemmed(word)))
        idf = _idf(fulltext.document_counts(connection, stems))
    counts = {num: _counts(stemmed(turn.text), idf) for num, turn in known.items()}
    ordered = [candidates[num] for num in nums if num in candidates]
    cosines = _cosines(similarities, readings, list(known))
    return Evidence(question, ordered, known, around, cosines, counts, idf, now)


def _idf(found: fulltext.DocumentCounts) -> dict[str, float]:
    return {
        stem: math.log(1 + (max(found.documents, count) - count + 0.5) / (count + 0.5))
        for stem, count in found.holding.items()
    }


def _counts(words: Sequence[str], stems: Mapping[str, float]) -> Counter[str]:
    counts = Counter(word for word in words if word in stems)
    counts[""] = len(words) + 1
    return counts


def _cosines(similarities: Similarities | None, readings: NDArray[np.float32] | None, nums: Sequence[int]) -> Cosines:
    if similarities is None or readings is None:
        return Cosines({}, {})
    import numpy as np

    found = similarities(readings, np.array(nums, dtype=np.int64))
    statement, topic = (dict(zip(nums, row, strict=True)) for row in np.nan_to_num(found).tolist())
    return Cosines(statement, topic)
