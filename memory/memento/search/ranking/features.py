"""The features: each says in one number what speaks for a candidate. The weights that add them up are in profiles.yaml.

A feature is in its own unit (a cosine, a share of the best BM25, 0 or 1), not scaled over the candidates: the same
evidence weighs the same in a store of a hundred memories and in one of a million.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Set
from typing import Final

from memento.search.ranking import dates
from memento.search.ranking.counting import CHARACTERS_PER_WORD, Counts, bm25, together
from memento.search.ranking.evidence import Evidence, Similar
from memento.storage.turns import Around, Turn

Column = list[float]
"""One value per candidate, in their order."""

_FIRST_PERSON: Final = re.compile(r"\b(?:I|I['’]\w+|[Mm]y|[Ww]e|[Oo]ur|[Mm]ine)\b")
_RECENT_DAYS: Final = 30.0
_DAY_MS: Final = 86_400_000
_NOTHING: Final = Similar()


def _each(value: Callable[[Evidence, Turn], float]) -> Callable[[Evidence], Column]:
    return lambda evidence: [value(evidence, turn) for turn in evidence.candidates]


def _statement(evidence: Evidence, turn: Turn) -> float:
    return evidence.similar.get(turn.num, _NOTHING).statement


def _topic(evidence: Evidence, turn: Turn) -> float:
    return evidence.similar.get(turn.num, _NOTHING).topic


def _words(evidence: Evidence) -> Column:
    if not evidence.texts:
        return [evidence.lexical.get(turn.num, 0.0) for turn in evidence.candidates]
    return bm25([evidence.counts[turn.num] for turn in evidence.candidates], evidence.idf)


def _window(evidence: Evidence) -> Column:
    return bm25([together(evidence.window(turn.num)) for turn in evidence.candidates], evidence.idf)


def _coverage(evidence: Evidence, turn: Turn) -> float:
    held = sum(evidence.idf.get(stem, 0.0) for stem in evidence.counts.get(turn.num, ()))
    return held / (sum(evidence.idf.values()) or 1.0)


def _speaker(evidence: Evidence, turn: Turn) -> float:
    asked = evidence.question.names
    if not asked or not turn.speaker:
        return 0.0
    if not asked.isdisjoint(turn.speaker.lower().split()):
        return 1.0
    return -1.0 if len(asked) == 1 else 0.0


def _length(evidence: Evidence, turn: Turn) -> float:
    return math.log1p(turn.length / CHARACTERS_PER_WORD) - 2.5


def _session(evidence: Evidence) -> Column:
    best: dict[str, float] = defaultdict(float)
    for turn in evidence.candidates:
        best[turn.session] = max(best[turn.session], _statement(evidence, turn))
    return [best[turn.session] if turn.session else _statement(evidence, turn) for turn in evidence.candidates]


def _session_words(evidence: Evidence) -> Column:
    sessions: dict[str, list[Counts]] = defaultdict(list)
    for turn in evidence.candidates:
        sessions[turn.session or turn.id].append(evidence.counts.get(turn.num, {}))
    scores = dict(zip(sessions, bm25([together(one) for one in sessions.values()], evidence.idf), strict=True))
    return [scores[turn.session or turn.id] for turn in evidence.candidates]


def _date(evidence: Evidence, turn: Turn) -> float:
    return float(dates.on_day(evidence.question.spans, turn.timestamp))


def _says_when(evidence: Evidence, turn: Turn) -> float:
    return float(dates.says_when(evidence.texts.get(turn.num, "")))


def _answers_when(evidence: Evidence, turn: Turn) -> float:
    return float(evidence.question.asks_when and dates.says_when(evidence.texts.get(turn.num, "")))


def _asks(evidence: Evidence, turn: Turn) -> float:
    return float(evidence.texts.get(turn.num, "").rstrip().endswith("?"))


def _answers(evidence: Evidence, turn: Turn) -> float:
    for before in evidence.around.get(turn.num, Around()).before[:1]:
        if evidence.texts.get(before, "").rstrip().endswith("?"):
            return evidence.similar.get(before, _NOTHING).topic
    return 0.0


def _next(evidence: Evidence, turn: Turn) -> float:
    after = evidence.around.get(turn.num, Around()).after[:1]
    return evidence.similar.get(after[0], _NOTHING).statement if after else 0.0


def _first_person(evidence: Evidence, turn: Turn) -> float:
    return float(bool(_FIRST_PERSON.search(evidence.texts.get(turn.num, ""))))


def _asked_role(evidence: Evidence, turn: Turn) -> float:
    return float(evidence.question.asks_assistant and turn.role == "assistant")


def _recency(evidence: Evidence, turn: Turn) -> float:
    if turn.timestamp <= 0:
        return 0.0
    return math.exp(-max(0, evidence.now - turn.timestamp) / (_RECENT_DAYS * _DAY_MS))


FEATURES: Final[Mapping[str, Callable[[Evidence], Column]]] = {
    "statement": _each(_statement),
    "topic": _each(_topic),
    "words": _words,
    "window": _window,
    "coverage": _each(_coverage),
    "speaker": _each(_speaker),
    "length": _each(_length),
    "session": _session,
    "session_words": _session_words,
    "date": _each(_date),
    "says_when": _each(_says_when),
    "answers_when": _each(_answers_when),
    "question": _each(_asks),
    "answers": _each(_answers),
    "next": _each(_next),
    "first_person": _each(_first_person),
    "user": _each(lambda _, turn: float(turn.role == "user")),
    "tool": _each(lambda _, turn: float(turn.role == "tool")),
    "asked_role": _each(_asked_role),
    "importance": _each(lambda _, turn: turn.importance),
    "recency": _each(_recency),
    "superseded": _each(lambda _, turn: float(turn.superseded_by is not None)),
    "abandoned": _each(lambda _, turn: float(not turn.active)),
}
"""Name to column, in the order in which they are explained; docs/recall.md describes each."""


NEED_TEXT: Final = frozenset(
    ("window", "coverage", "session_words", "says_when", "answers_when", "question", "answers", "next", "first_person")
)
"""Those that say nothing before texts and neighbours are read."""


def columns(evidence: Evidence, wanted: Set[str]) -> list[Column]:
    """Return the features of every candidate, in the order of FEATURES; zeros for those that are not wanted."""
    nothing = [0.0] * len(evidence.candidates)
    skipped: Set[str] = NEED_TEXT if not evidence.texts else frozenset()
    return [
        column(evidence) if name in wanted and name not in skipped else nothing for name, column in FEATURES.items()
    ]
