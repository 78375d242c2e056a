"""One query, from text to results: words and meaning side by side, ranked by features, read back, within a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from memento.counted import counted
from memento.errors import ModelError, StoreError
from memento.memory import Feature, Found, Recall
from memento.search.fusion import fuse
from memento.search.query import parse
from memento.search.query_cache import QUERY_CHARACTERS
from memento.search.ranking.dates import Span
from memento.search.ranking.evidence import beside, cosines_of, idf, read, survey
from memento.search.ranking.features import FEATURES, NEED_TEXT_BESIDE
from memento.search.ranking.order import Placed, arrange
from memento.search.ranking.question import Question, understand
from memento.search.ranking.weights import Ranked, kind_of, profiles, rank, weighed
from memento.search.semantic import Semantic
from memento.storage import fulltext, repeats, rows, turns
from memento.storage.database import Database, DeadlineExceeded
from memento.storage.filters import Filter
from memento.times import now_ms

CANDIDATES: Final = 200
"""How many each of the two searches brings to the ranking."""
DATED: Final = 40
"""How many come along from the days that a question names, however far they are from it in meaning."""
DATED_DAYS: Final = 31
"""A longer time than this is no narrower than the question itself."""
SURVEYED: Final = 240
"""How many of those are ranked at all, the best by both searches' fused scores."""
SHORTLIST: Final = 60
"""How many of the candidates are looked at closely: texts, neighbours, word counts."""
BESIDE: Final = 8
"""Of how many of the best the turns right before and after are looked at too."""
CATCH_UP_SECONDS: Final = 0.5
"""How long a recall may embed rows that arrived since the last one, before it goes on without the rest."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a query is answered."""

    limit: int
    deadline_seconds: float
    plain: bool = False
    """Whether the query is text and nothing else, whatever it looks like."""
    context: int = 0
    """How many neighbours of each result come along, on each side."""
    spread: bool = True
    """Whether one session is held to half of the results."""
    explain: bool = False
    """Whether each result says what its score is made of."""


@dataclass(slots=True)
class _Progress:
    """What a recall has so far, so that a passed deadline can return it."""

    options: Options
    deadline: float
    question: Question
    within: Filter
    lexical: dict[int, float] = field(default_factory=dict)
    idf: dict[str, float] = field(default_factory=dict)
    dense: dict[int, float] = field(default_factory=dict)
    dated: list[int] = field(default_factory=list)
    """Those from the days that the question names."""
    readings: list[bytes] = field(default_factory=list)
    """The vectors of statement and topic; none without a model."""
    model: str = ""
    """Whose vectors are searched: another model may take over meanwhile."""
    ranked: list[Placed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    partial: bool = False


def recall(database: Database, semantic: Semantic, query: str, filter_: Filter, options: Options) -> Recall:
    """Answer a query; whatever is ready when the deadline passes is returned, marked partial."""
    started = time.monotonic()
    progress = _understood(database, query, filter_, options, started + options.deadline_seconds)
    try:
        readings = _embedding(semantic, progress)  # while the words are searched for
        _by_words(database, progress)
        _by_meaning(database, semantic, progress, readings)
        _ranked(database, semantic, progress)
    except DeadlineExceeded:
        progress.partial = True
        progress.notes.append(f"the deadline of {options.deadline_seconds:g} s passed: this is what was ready")
    results = _read_back(database, progress)
    return Recall(query, results, progress.partial, tuple(progress.notes), time.monotonic() - started)


def _understood(database: Database, query: str, filter_: Filter, options: Options, deadline: float) -> _Progress:
    query = query[:QUERY_CHARACTERS]
    asked = parse(query, filter_)
    text, within = (query, filter_) if options.plain else (asked.text, asked.filter)
    with database.read() as connection:
        question = understand(text, lambda word: turns.has_speaker(connection, word))
    return _Progress(options, deadline, question, within)


def _embedding(semantic: Semantic, progress: _Progress) -> Callable[[], list[bytes]]:
    """Begin to embed both readings of the question; what is returned waits for their vectors."""
    question = progress.question
    if not question.text.strip():
        return list
    progress.model = semantic.model
    return semantic.ask([question.statement, question.topic], progress.model)


def _by_words(database: Database, progress: _Progress) -> None:
    wanted = max(CANDIDATES, progress.options.limit)
    with database.read(progress.deadline) as connection:
        holding = fulltext.holding(connection, progress.question.words)
        progress.idf = idf(holding, fulltext.documents(connection))
        progress.lexical = fulltext.best(connection, holding, progress.within, wanted)


def _by_meaning(
    database: Database, semantic: Semantic, progress: _Progress, readings: Callable[[], list[bytes]]
) -> None:
    _in_time(progress)
    try:
        progress.readings = readings()
        if not progress.readings:
            return
        with suppress(StoreError):  # the disk is full, or another process writes: what waits is counted below
            semantic.embed_pending(min(progress.deadline, time.monotonic() + CATCH_UP_SECONDS), swap=False)
        if waiting := semantic.pending(progress.model):
            them = counted(waiting, "memory waits for its", "memories wait for their")
            progress.notes.append(f"{them} embedding, found by words only meanwhile")
        wanted = max(CANDIDATES, progress.options.limit)
        found = list(progress.lexical)
        statement, within, deadline = progress.readings[0], progress.within, progress.deadline
        progress.dense = semantic.search(statement, wanted, within, found, deadline, progress.model)
        for days in _on_named_days(progress.question.spans, within):
            progress.dated += semantic.search(statement, DATED, days, [], deadline, progress.model)
    except ModelError as error:
        progress.notes.append(f"searched by words only: {error}")


def _on_named_days(spans: Iterable[Span], within: Filter) -> Iterator[Filter]:
    """Yield the filter narrowed to each of the days, weeks or months that a question names."""
    for span in spans:
        if times := span.times(DATED_DAYS):
            since, before = max(times[0], within.since or times[0]), min(times[1], within.before or times[1])
            yield replace(within, since=since, before=before)


def _ranked(database: Database, semantic: Semantic, progress: _Progress) -> None:
    """Rank all candidates by what is known without their texts, and the best of them again by everything."""
    _in_time(progress)
    options, spread = progress.options, progress.options.spread and not progress.within.session
    most = max(SURVEYED, options.limit)
    fused = list(fuse(progress.dense, progress.lexical))[:most]
    nums = list(dict.fromkeys([*fused, *progress.dated]))
    cosines = cosines_of(partial(semantic.similarities, model=progress.model), progress.readings)
    surveyed = survey(
        database, progress.question, nums, progress.lexical, progress.idf, cosines, now_ms(), progress.deadline
    )
    first = rank(surveyed, max(SHORTLIST, options.limit))
    progress.ranked = [Placed(one) for one in first[: options.limit]]
    _in_time(progress)
    few = [one.turn for one in first]
    surveyed, more = beside(database, surveyed, few[:BESIDE], progress.within, cosines, progress.deadline)
    few = [*few, *more]
    windows = options.explain or not NEED_TEXT_BESIDE.isdisjoint(weighed(few))
    evidence = read(database, surveyed, few, cosines, progress.deadline, windows=windows)
    ranking = rank(evidence, explain=options.explain)
    with database.read(progress.deadline) as connection:
        newest = repeats.newest(connection, [one.turn.num for one in ranking])
    progress.ranked = arrange(ranking, options.limit, evidence.texts, newest, spread=spread)


def _in_time(progress: _Progress) -> None:
    if time.monotonic() >= progress.deadline:
        raise DeadlineExceeded


def _read_back(database: Database, progress: _Progress) -> tuple[Found, ...]:
    """Return the results with their memories; where the ranking was not ready, in the order of the fused scores."""
    if progress.ranked:
        return _found(database, progress, progress.ranked)
    best = list(fuse(progress.dense, progress.lexical).items())[: progress.options.limit]
    with database.read() as connection:
        memories = rows.by_nums(connection, [num for num, _ in best])
    return tuple(
        Found(memories[num], round(score, 6), progress.dense.get(num), progress.lexical.get(num))
        for num, score in best
        if num in memories
    )


def _found(database: Database, progress: _Progress, placed: Sequence[Placed]) -> tuple[Found, ...]:
    nums = [one.ranked.turn.num for one in placed]
    reach = progress.options.context
    with database.read() as connection:
        around = turns.around(connection, nums, reach) if reach else {}
        near = [num for one in around.values() for num in (*one.before, *one.after)]
        memories = rows.by_nums(connection, list(dict.fromkeys((*nums, *near))))
        alike = repeats.alike(connection, nums)
    results = []
    for one, num in zip(placed, nums, strict=True):
        if num not in memories:
            continue  # deleted meanwhile
        sides = around.get(num, turns.Around((), ()))
        results.append(
            Found(
                memories[num],
                round(one.ranked.score, 6),
                progress.dense.get(num),
                progress.lexical.get(num),
                len(one.copies | alike[num]),
                before=tuple(memories[other] for other in reversed(sides.before) if other in memories),
                after=tuple(memories[other] for other in sides.after if other in memories),
                features=_features(one.ranked) if progress.options.explain else None,
            )
        )
    return tuple(results)


def _features(ranked: Ranked) -> dict[str, Feature]:
    weights = profiles()[kind_of(ranked.turn)].weights
    return {
        name: Feature(round(value, 4), weights.get(name, 0.0))
        for name, value in zip(FEATURES, ranked.values, strict=True)
    }
