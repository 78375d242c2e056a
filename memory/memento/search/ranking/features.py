"""The features: each says in one number what speaks for a candidate. The weights that add them up are in profiles.yaml.

A feature is in its own unit (a cosine, a share of the best BM25, 0 or 1), not scaled over the candidates: the same
evidence weighs the same in a store of a hundred memories and in one of a million.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Set
from operator import attrgetter
from typing import Final

from memento.search.ranking import dates
from memento.search.ranking.acts import Acts, names_place, shows_how
from memento.search.ranking.counting import CHARACTERS_PER_WORD, Counts, bm25, together
from memento.search.ranking.evidence import Evidence, Similar
from memento.search.ranking.go_ahead import says_nothing
from memento.search.ranking.kinds import names_one
from memento.search.ranking.late import max_sim, max_sim_near
from memento.search.ranking.question import Question
from memento.search.ranking.refutation import refuted
from memento.storage.turns import Around, Exchange, Turn

Column = list[float]
"""One value per candidate, in their order."""

_FIRST_PERSON: Final = re.compile(r"\b(?:I|I['’]\w+|[Mm]y|[Ww]e|[Oo]ur|[Mm]ine)\b")
_RECENT_DAYS: Final = 30.0
_DAY_MS: Final = 86_400_000
_NOTHING: Final = Similar()
_NO_ACTS: Final = Acts()
_CAUSE: Final = Acts(names_cause=True)
"""What is assumed of a message in a chat, where no acts are read."""


def _each(value: Callable[[Turn], float]) -> Callable[[Evidence], Column]:
    return lambda evidence: list(map(value, evidence.candidates))


def _by(role: str) -> Callable[[Evidence], Column]:
    return _each(lambda turn: float(turn.role == role))


def _of_text(value: Callable[[str], float]) -> Callable[[Evidence], Column]:
    return lambda evidence: [value(evidence.texts.get(turn.num, "")) for turn in evidence.candidates]


def _none(evidence: Evidence) -> Column:
    return [0.0] * len(evidence.candidates)


def _statement(evidence: Evidence) -> Column:
    return [evidence.similar.get(turn.num, _NOTHING).statement for turn in evidence.candidates]


def _topic(evidence: Evidence) -> Column:
    return [evidence.similar.get(turn.num, _NOTHING).topic for turn in evidence.candidates]


def _words(evidence: Evidence) -> Column:
    if not evidence.texts:
        return [evidence.lexical.get(turn.num, 0.0) for turn in evidence.candidates]
    return bm25([evidence.counts[turn.num] for turn in evidence.candidates], evidence.idf)


def _window(evidence: Evidence) -> Column:
    return bm25([together(evidence.window(turn.num)) for turn in evidence.candidates], evidence.idf)


def _identifier(evidence: Evidence) -> Column:
    """Return 1 where the question's words, two or more, are parts of an identifier in their order: `parseConfig`."""
    spelled = " ".join(evidence.question.words) if len(evidence.question.words) > 1 else "\0"
    return [float(f" {spelled} " in f" {evidence.subwords.get(turn.num, '')} ") for turn in evidence.candidates]


def _coverage(evidence: Evidence) -> Column:
    return list(evidence.coverage().values())


def _speaker(evidence: Evidence) -> Column:
    asked = evidence.question.names
    if not asked:
        return _none(evidence)
    another = -1.0 if len(asked) == 1 else 0.0
    speakers = {turn.speaker for turn in evidence.candidates}
    worth = {name: another if asked.isdisjoint(name.lower().split()) else 1.0 for name in speakers} | {"": 0.0}
    return [worth[turn.speaker] for turn in evidence.candidates]


def _length(turn: Turn) -> float:
    return math.log1p(turn.length / CHARACTERS_PER_WORD) - 2.5


def _session(evidence: Evidence) -> Column:
    best: dict[str, float] = {}
    statements = _statement(evidence)
    for turn, statement in zip(evidence.candidates, statements, strict=True):
        if statement > best.get(turn.session, 0.0):
            best[turn.session] = statement
    return [
        best.get(turn.session, 0.0) if turn.session else statement
        for turn, statement in zip(evidence.candidates, statements, strict=True)
    ]


def _session_words(evidence: Evidence) -> Column:
    sessions: dict[str, list[Counts]] = defaultdict(list)
    for turn in evidence.candidates:
        sessions[turn.session or turn.id].append(evidence.counts.get(turn.num, {}))
    scores = dict(zip(sessions, bm25([together(one) for one in sessions.values()], evidence.idf), strict=True))
    return [scores[turn.session or turn.id] for turn in evidence.candidates]


def _date(evidence: Evidence) -> Column:
    spans, zone, texts = evidence.question.spans, evidence.question.zone, evidence.texts
    if not spans:
        return _none(evidence)
    return [dates.closeness(spans, turn.timestamp, texts.get(turn.num, ""), zone) for turn in evidence.candidates]


def _says_when(text: str) -> float:
    return float(dates.says_when(text))


def _answers_when(evidence: Evidence) -> Column:
    return _of_text(_says_when)(evidence) if evidence.question.asks_when else _none(evidence)


def _asks(text: str) -> float:
    return float(text.rstrip().endswith("?"))


def _answers(evidence: Evidence) -> Column:
    before = [evidence.around.get(turn.num, Around()).before[:1] for turn in evidence.candidates]
    return [
        evidence.similar.get(one[0], _NOTHING).topic if one and _asks(evidence.texts.get(one[0], "")) else 0.0
        for one in before
    ]


def _next(evidence: Evidence) -> Column:
    after = [evidence.around.get(turn.num, Around()).after[:1] for turn in evidence.candidates]
    return [evidence.similar.get(one[0], _NOTHING).statement if one else 0.0 for one in after]


def _first_person(text: str) -> float:
    return float(bool(_FIRST_PERSON.search(text)))


def _asked_user(evidence: Evidence) -> Column:
    return _by("user")(evidence) if evidence.question.asks_user else _none(evidence)


def _asked_assistant(evidence: Evidence) -> Column:
    return _by("assistant")(evidence) if evidence.question.asks_assistant else _none(evidence)


def _answers_which(evidence: Evidence) -> Column:
    wanted = evidence.question.members
    return [
        float(evidence.acts.get(turn.num, _NO_ACTS).may_answer and names_one(evidence.texts.get(turn.num, ""), wanted))
        for turn in evidence.candidates
    ]


def _act(does: Callable[[Acts], bool]) -> Callable[[Evidence], Column]:
    return lambda evidence: [float(does(evidence.acts.get(turn.num, _NO_ACTS))) for turn in evidence.candidates]


def _asked(asks: Callable[[Question], bool], column: Callable[[Evidence], Column]) -> Callable[[Evidence], Column]:
    """Return a feature that counts only where the question asks for it."""
    return lambda evidence: column(evidence) if asks(evidence.question) else _none(evidence)


def _echo(evidence: Evidence) -> Column:
    answered = [
        evidence.acts.get(turn.num, _NO_ACTS).asks and bool(evidence.exchanges.get(turn.num, Exchange()).answers)
        for turn in evidence.candidates
    ]
    return [max(0.0, alike) * one for alike, one in zip(_statement(evidence), answered, strict=True)]


def _bare(evidence: Evidence) -> Column:
    return [
        float(turn.role == "user" and not turn.speaker and says_nothing(evidence.texts.get(turn.num, "")))
        for turn in evidence.candidates
    ]


def _exchange_of(value: Callable[[Evidence, Turn, Exchange], float]) -> Callable[[Evidence], Column]:
    """Return a feature of the exchange that a candidate belongs to: it speaks for the parts that may answer.

    What a tool returned speaks for itself only: of twenty calls for one request one at most answers it.
    """
    return lambda evidence: [
        value(evidence, turn, evidence.exchanges[turn.num])
        if turn.num in evidence.exchanges and turn.role != "tool" and evidence.acts.get(turn.num, _NO_ACTS).may_answer
        else 0.0
        for turn in evidence.candidates
    ]


def _request(evidence: Evidence, turn: Turn, exchange: Exchange) -> float:
    opening = exchange.opening
    return 0.0 if opening is None or opening == turn.num else evidence.similar.get(opening, _NOTHING).statement


def _exchange(evidence: Evidence, turn: Turn, exchange: Exchange) -> float:
    parts = (turn.num, exchange.opening or turn.num, *exchange.answers)
    return max(evidence.similar.get(num, _NOTHING).statement for num in parts)


def _exchange_words(evidence: Evidence) -> Column:
    share = bm25([evidence.with_request(turn.num) for turn in evidence.candidates], evidence.idf)
    places = {turn.num: place for place, turn in enumerate(evidence.candidates)}
    return _exchange_of(lambda _evidence, turn, _exchange: share[places[turn.num]])(evidence)


def _exchange_coverage(evidence: Evidence, turn: Turn, _exchange: Exchange) -> float:
    idf = evidence.idf
    return sum(idf.get(stem, 0.0) for stem in evidence.with_request(turn.num)) / (sum(idf.values()) or 1.0)


def _refuted(evidence: Evidence) -> Column:
    telling = {turn.num for turn in evidence.candidates if evidence.acts.get(turn.num, _CAUSE).names_cause}
    found = refuted(evidence.candidates, evidence.texts, telling)
    return [float(turn.num in found) for turn in evidence.candidates]


def _recency(evidence: Evidence) -> Column:
    now, scale = evidence.now, _RECENT_DAYS * _DAY_MS
    return [
        math.exp(-max(0, now - turn.timestamp) / scale) if turn.timestamp > 0 else 0.0 for turn in evidence.candidates
    ]


FEATURES: Final[Mapping[str, Callable[[Evidence], Column]]] = {
    "statement": _statement,
    "topic": _topic,
    "words": _words,
    "window": _window,
    "coverage": _coverage,
    "identifier": _identifier,
    "max_sim": max_sim,
    "max_sim_near": max_sim_near,
    "speaker": _speaker,
    "length": _each(_length),
    "session": _session,
    "session_words": _session_words,
    "date": _date,
    "says_when": _of_text(_says_when),
    "answers_when": _answers_when,
    "question": _of_text(_asks),
    "answers": _answers,
    "next": _next,
    "first_person": _of_text(_first_person),
    "user": _by("user"),
    "tool": _by("tool"),
    "asked_user": _asked_user,
    "asked_assistant": _asked_assistant,
    "request": _exchange_of(_request),
    "exchange": _exchange_of(_exchange),
    "exchange_words": _exchange_words,
    "exchange_coverage": _exchange_of(_exchange_coverage),
    "narration": _act(attrgetter("narrates")),
    "outcome": _act(attrgetter("reports")),
    "cause": _act(attrgetter("names_cause")),
    "answers_why": _asked(attrgetter("asks_why"), _act(attrgetter("names_cause"))),
    "answers_how": _asked(attrgetter("asks_how"), _of_text(shows_how)),
    "answers_where": _asked(attrgetter("asks_where"), _of_text(names_place)),
    "answers_which": _answers_which,
    "instruction": _asked(attrgetter("asks_for_help"), _each(lambda turn: float(turn.is_instruction))),
    "rule": _act(attrgetter("lays_down")),
    "answers_rule": _asked(attrgetter("asks_rule"), _by("user")),
    "order": _act(attrgetter("orders")),
    "echo": _echo,
    "bare": _bare,
    "refuted": _refuted,
    "importance": _each(attrgetter("importance")),
    "recency": _recency,
    "superseded": _each(lambda turn: float(turn.superseded_by is not None)),
    "abandoned": _each(lambda turn: float(not turn.active)),
    "faded": _each(attrgetter("faded")),
}
"""Name to column, in the order in which they are explained; docs/recall.md describes each."""

NEED_TEXT: Final = frozenset(
    (
        "window", "coverage", "identifier", "session_words", "says_when", "answers_when", "question", "answers", "next",
        "first_person", "max_sim", "max_sim_near", "request", "exchange", "exchange_words", "exchange_coverage",
        "narration", "outcome", "cause", "answers_why", "answers_how", "answers_where", "rule", "order",
        "bare", "echo", "refuted", "answers_which",
    )
)  # fmt: skip
"""Those that say nothing before texts and neighbours are read."""
NEED_TEXT_BESIDE: Final = frozenset(("window", "answers", "max_sim_near"))
"""Those that look at the neighbours' texts too."""


COMPARED: Final = frozenset(
    ("words", "window", "session", "session_words", "max_sim", "max_sim_near", "exchange_words", "refuted")
)
"""Those that set a candidate beside all the others. Any other can be had of some candidates alone."""


def columns(evidence: Evidence, wanted: Set[str]) -> dict[str, Column]:
    """Return the features that are wanted and can say something, each of every candidate."""
    skipped: Set[str] = NEED_TEXT if not evidence.texts else frozenset()
    return {name: FEATURES[name](evidence) for name in wanted - skipped}
