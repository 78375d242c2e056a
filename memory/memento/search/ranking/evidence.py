"""What is known of a query's candidates before anything is weighed: the turns, their neighbours, cosines, word counts.

Read in two steps. `survey` looks at every candidate without its text; `read` adds texts, word counts and neighbours for
the few that a first ranking left. The features (`features.py`) only look at what is here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, NamedTuple

from memento.search.ranking.acts import Acts, read_acts
from memento.search.ranking.counting import Counts, StemCounter, together
from memento.search.ranking.follow_up import joined
from memento.search.ranking.go_ahead import says_nothing
from memento.search.ranking.question import Question
from memento.storage import fulltext, turns
from memento.storage.database import Database
from memento.storage.filters import Filter
from memento.storage.turns import Around, Exchange, Turn

REACH: Final = 2
"""Neighbours on each side that belong to a turn's window."""

_OUTCOMES: Final = 2
"""Messages of an agent with which an exchange ended."""

_Similarities = Callable[[Sequence[bytes], Sequence[int]], list[list[float]]]
"""Queries and row numbers to the cosines of each query, NaN for what is not embedded."""


Likeness = Callable[[Sequence[int]], Mapping[int, Sequence[float]]]
"""Row numbers to how like each word of the question the likest of the memory's is; those without codes are left out."""


class Similar(NamedTuple):
    """The cosines of one memory to the question's two readings."""

    statement: float = 0.0
    topic: float = 0.0


class Cosines:
    """Of memories to the question's readings (the vectors of statement and topic, none without a model)."""

    def __init__(self, similarities: _Similarities, readings: Sequence[bytes]) -> None:
        self._similarities, self._readings = similarities, readings
        self._known: dict[int, Similar] = {}

    def of(self, nums: Iterable[int]) -> Mapping[int, Similar]:
        """Return the similarities of these row numbers and of those asked before; what is not embedded is left out."""
        new = [num for num in nums if num not in self._known] if self._readings else []
        if new:
            pairs = zip(*self._similarities(self._readings, new), strict=True)
            self._known |= {
                num: Similar._make(both) for num, both in zip(new, pairs, strict=True) if both[0] == both[0]
            }
        return self._known

    def to(self, vectors: Sequence[bytes], nums: Sequence[int]) -> dict[int, tuple[float, ...]]:
        """Return the cosines of these row numbers to other vectors; what is not embedded is left out."""
        rows = zip(nums, zip(*self._similarities(vectors, nums), strict=True), strict=True) if vectors and nums else ()
        return {num: cosines for num, cosines in rows if cosines[0] == cosines[0]}


@dataclass(frozen=True, slots=True)
class Evidence:
    """A question and everything read of its candidates."""

    question: Question
    candidates: Sequence[Turn]
    now: int
    """Unix milliseconds."""
    lexical: Mapping[int, float]
    """The full-text index's own BM25, as a share of the best."""
    idf: Mapping[str, float]
    """The question's stems with their inverse document frequency."""
    similar: Mapping[int, Similar]
    """Of the candidates and others; of the turns right beside them once those are read."""
    around: Mapping[int, Around] = field(default_factory=dict)
    texts: Mapping[int, str] = field(default_factory=dict)
    """Empty in a survey."""
    subwords: Mapping[int, str] = field(default_factory=dict)
    """The words of those texts that the index's tokenizer does not see."""
    counts: Mapping[int, Counts] = field(default_factory=dict)
    likeness: Mapping[int, Sequence[float]] = field(default_factory=dict)
    """How like each word of the question the likest of a memory's words is."""
    acts: Mapping[int, Acts] = field(default_factory=dict)
    """Of candidates that were said at work on a project: what nothing weighs in chats is not looked for there."""
    exchanges: Mapping[int, Exchange] = field(default_factory=dict)
    """Of candidates that were said at work on a project."""

    def window(self, num: int) -> list[Counts]:
        """Return the counts of a turn and of its neighbours."""
        near = self.around.get(num, Around())
        return [self.counts[one] for one in (num, *near.before, *near.after) if one in self.counts]

    def coverage(self, known: Container[str] | None = None) -> dict[int, float]:
        """Return the share of the question's inverse document frequency that each candidate's words hold, in [0, 1].

        Of the stems that are `known`, where they are named: what no memory holds is then no part of the question.
        """
        idf = {stem: weight for stem, weight in self.idf.items() if known is None or stem in known}
        total = sum(idf.values()) or 1.0
        nums = [turn.num for turn in self.candidates]
        return {num: sum(idf.get(stem, 0.0) for stem in self.counts.get(num, ())) / total for num in nums}

    def holding(self, words: fulltext.DocumentFrequencies) -> set[int]:
        """Return the candidates that hold every word, in any form of it or as a speaker's name; none without words.

        What says nothing ("yes, merge it") is left out.
        """

        def holds(turn: Turn, word: str) -> bool:
            said = words[word].keys() <= self.counts.get(turn.num, {}).keys()
            return said or word in turn.speaker.lower().split()

        found = {turn.num for turn in self.candidates if words and all(holds(turn, word) for word in words)}
        return {num for num in found if not says_nothing(self.texts.get(num, ""))}

    def unanswered(self, nums: Iterable[int]) -> set[int]:
        """Return those of these row numbers in which a user asked something and got no answer that is stored."""
        return {num for num in nums if self.exchanges.get(num, Exchange()).is_unanswered(num)}

    def with_request(self, num: int) -> Counts:
        """Return the counts of a turn and of what it answers together."""
        opening = self.exchanges.get(num, Exchange()).opening or num
        counts = [self.counts[one] for one in {num, opening} if one in self.counts]
        return together(counts) if counts else {}


def survey(
    database: Database,
    question: Question,
    nums: Sequence[int],
    lexical: Mapping[int, float],
    idf: Mapping[str, float],
    cosines: Cosines,
    now: int,
    deadline: float | None = None,
) -> Evidence:
    """Read what is known of the candidates without their texts."""
    with database.read(deadline) as connection:
        found = turns.turns(connection, nums)
    best = max(lexical.values(), default=0.0) or 1.0
    shares = {num: score / best for num, score in lexical.items()}
    return Evidence(question, [found[num] for num in nums if num in found], now, shares, idf, cosines.of(nums))


def beside(
    database: Database,
    surveyed: Evidence,
    few: Sequence[Turn],
    best: Sequence[Turn],
    within: Filter,
    deadline: float | None = None,
) -> list[Turn]:
    """Return what belongs to these few and is not among them.

    That is what replaced one of them, the turns right before and after the best, and how the exchanges of the best
    ended: an answer often shares nothing with the question but its place: "Three times a week." after "How often?".
    """
    known = {turn.num for turn in surveyed.candidates}
    with database.read(deadline) as connection:
        around = turns.around(connection, [turn.num for turn in best], 1).values()
        near = {num for one in around for num in (*one.before, *one.after)}
        exchanges = turns.exchanges(connection, [turn.num for turn in best if turn.of_project])
        near.update(num for one in exchanges.values() for num in one.answers[-_OUTCOMES:])
        near -= known
        newer = turns.replacements(connection, [turn.num for turn in few if turn.superseded_by])
        new = sorted(near | newer - {turn.num for turn in few})
        return list(turns.turns(connection, new, within).values())


def read(
    database: Database,
    surveyed: Evidence,
    few: Sequence[Turn],
    cosines: Cosines,
    likeness: Likeness,
    deadline: float | None = None,
    *,
    windows: bool = True,
) -> Evidence:
    """Return the evidence of a few candidates with texts and neighbours; with `windows`, the neighbours' texts too."""
    nums = [turn.num for turn in few]
    with database.read(deadline) as connection:
        around = turns.around(connection, nums, REACH)
        exchanges = joined(
            turns.exchanges(connection, [turn.num for turn in few if turn.of_project]),
            partial(turns.texts, connection),
        )
        near = {num for one in around.values() for num in (*one.before, *one.after)} if windows else set()
        openings = {one.opening for one in exchanges.values() if one.opening is not None}
        wanted = list(near.union(openings, nums))
        texts, subwords = turns.texts(connection, wanted), turns.subwords(connection, wanted)
        stemmed = fulltext.stemmer(connection)
    heard = {num for one in around.values() for num in (*one.before[:1], *one.after[:1])}
    return replace(
        surveyed,
        candidates=[turn for turn in few if turn.num in texts],  # the others were deleted meanwhile
        similar=cosines.of(heard.union(nums, openings, *(one.answers for one in exchanges.values()))),
        around=around,
        texts=texts,
        subwords=subwords,
        counts=StemCounter(surveyed.idf, stemmed).count(texts, subwords),
        acts={turn.num: _acts(turn, texts.get(turn.num, "")) for turn in few if turn.of_project},
        exchanges=exchanges,
        likeness=likeness(wanted) if any(turn.speaker for turn in few) else {},
    )


def _acts(turn: Turn, text: str) -> Acts:
    """Return what a message does; what the policy recognised as a standing instruction lays down a rule."""
    acts = read_acts(turn.role, text)
    return acts._replace(lays_down=True, asks=False, orders=False) if turn.is_instruction else acts


def idf(holding: fulltext.DocumentFrequencies, documents: int) -> dict[str, float]:
    """Return the inverse document frequency of each stem; see Robertson and Zaragoza 2009, eq. 3.3."""
    return {
        stem: math.log(1 + (max(documents, count) - count + 0.5) / (count + 0.5))
        for stems in holding.values()
        for stem, count in stems.items()
    }
