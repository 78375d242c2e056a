"""One query, from text to results: words and meaning side by side, ranked by features, read back, within a deadline."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from functools import partial
from typing import Final

from memento.base.counted import counted
from memento.base.times import now_ms
from memento.embedding import Embedded
from memento.embedding.model_files import reads
from memento.errors import ModelError, StoreError
from memento.memory import INSTRUCTION, STATED_TIME, Added, Feature, Found, Recall
from memento.search.fusion import MIN_COSINE, fuse
from memento.search.query import parse
from memento.search.query_cache import QUERY_CHARACTERS, PendingVectors
from memento.search.ranking.cover import added, cover, parts
from memento.search.ranking.evidence import Cosines, Evidence, Likeness, beside, idf, read, survey
from memento.search.ranking.features import FEATURES, NEED_TEXT_BESIDE
from memento.search.ranking.floor import floor
from memento.search.ranking.order import SCORE_DIGITS, Placed, alike, arrange, loudest, relevant, shortlist, spread
from memento.search.ranking.question import Question, understand
from memento.search.ranking.subject import about, asks_for_order
from memento.search.ranking.weights import Ranked, kind_of, profiles, rank, weighed
from memento.search.read_back import ReadBack, read_back
from memento.search.semantic import Semantic
from memento.storage import curation, fulltext, meta, turns
from memento.storage.database import Database, DeadlineExceeded
from memento.storage.filters import Filter

CANDIDATES: Final = 200
"""How many each of the two searches brings to the ranking."""
DATED: Final = 40
"""How many come along from the days that a question names, however far they are from it in meaning."""
INSTRUCTIONS: Final = 12
"""How many of what the user said of how to work come along where a question asks for help, however far they are."""
DATED_DAYS: Final = 31
"""A longer time than this is no narrower than the question itself."""
SURVEYED: Final = 240
"""How many of those are ranked at all, the best by both searches' fused scores."""
SHORTLIST: Final = 60
"""How many of the candidates are looked at closely: texts, neighbours, word counts."""
MOST_CLOSELY: Final = 500
"""Of more results than this the others follow as the first ranking has them."""
BESIDE: Final = 8
"""Of how many of the best the turns right before and after are looked at too."""
WIDER: Final = 5
"""Where one text crowds out the rest, so many times as many candidates are looked at,"""
WIDEST: Final = 25
"""and this many times at most."""
UNREAD_COVERAGE: Final = 0.05
"""The `Found.coverage` from which on something is found where the model cannot read the question: below it, it is found
by nothing but a cosine that means nothing.
"""
READ_SECONDS: Final = 0.1
"""How long results are read back past the deadline; ten take a millisecond."""
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
    min_score: float = 0.0
    """The score that a result must reach."""
    spares_unembedded: bool = False
    """Whether a result without an embedding is spared that: its score comes from words alone, and is lower for it."""
    cover: bool = False
    """Whether the results are to cover the question together."""
    by_time: bool = False
    """Whether the results come oldest first."""
    explain: bool = False
    """Whether each result says what its score is made of."""
    at: int | None = None
    """When it is asked, Unix milliseconds; now unless given."""
    zone: tzinfo | None = None
    """Where it is asked: days begin and end there. None = local time."""


@dataclass(slots=True)
class _Progress:
    """What a recall has so far, so that a passed deadline can return it."""

    options: Options
    deadline: float
    question: Question
    within: Filter
    now: int
    """When it is asked, Unix milliseconds."""
    in_order: bool = False
    """Whether it asks in which order things happened."""
    lexical: dict[int, float] = field(default_factory=dict)
    holding: fulltext.DocumentFrequencies = field(default_factory=dict)
    idf: dict[str, float] = field(default_factory=dict)
    dense: dict[int, float] = field(default_factory=dict)
    besides: list[int] = field(default_factory=list)
    """Those from the days that the question names, and instructions; where it holds operators only, the latest."""
    times: int = 1
    """How many times as many candidates as usual are looked at."""
    readings: list[Embedded] = field(default_factory=list)
    """Statement and topic; none without a model."""
    parts: list[Embedded] = field(default_factory=list)
    """The question's, where it has several and the results are to cover it."""
    cosines: Cosines = field(default_factory=lambda: Cosines(lambda *_: [], []))
    likeness: Likeness = field(default=lambda _: {})
    model: str = ""
    """Whose vectors are searched: another model may take over meanwhile."""
    is_unread: bool = False
    """Whether that model does not know the question's script: how near a memory is to it then proves nothing."""
    found: list[Placed] = field(default_factory=list)
    """What is returned where every score is good enough."""
    exchanges: Mapping[int, turns.Exchange] = field(default_factory=dict)
    """Of those that were looked at closely."""
    ranked: list[Placed] = field(default_factory=list)
    """What is returned."""
    coverage: Mapping[int, float] = field(default_factory=dict)
    """Of those that were looked at closely; see `Found.coverage`."""
    adds: Mapping[int, Added] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    partial: bool = False


def recall(database: Database, semantic: Semantic, query: str, filter_: Filter, options: Options) -> Recall:
    """Answer a query; whatever is ready when the deadline passes is returned, marked partial."""
    started = time.monotonic()
    progress = _understood(database, query, filter_, options, started + options.deadline_seconds)
    try:
        readings = _embedding(semantic, progress)  # while the words are searched for
        _by_words(database, progress, progress.within)
        _read_question(semantic, progress, readings)
        _by_meaning(semantic, progress, progress.within)
        _ranked(database, progress)
        while _has_copies_only(progress):
            progress.times *= WIDER
            _once_more(database, semantic, progress, progress.within)
        if session := _loudest(database, progress):
            progress.times *= 2
            _once_more(database, semantic, progress, replace(progress.within, but_session=session))
    except DeadlineExceeded:
        _cut_off(progress)
    results = _results(database, progress)
    return Recall(query, results, progress.partial, tuple(progress.notes), time.monotonic() - started)


def _understood(database: Database, query: str, filter_: Filter, options: Options, deadline: float) -> _Progress:
    query, now = query[:QUERY_CHARACTERS], now_ms() if options.at is None else options.at
    asked = parse(query, filter_, now, options.zone)
    text, within = (query, filter_) if options.plain else (asked.text, asked.filter)
    with database.read() as connection:
        within = replace(within, phrases=fulltext.indexable_phrases(connection, within.phrases))
        question = understand(about(text), lambda word: turns.has_speaker(connection, word), now, options.zone)
        latest = [] if text or within == filter_ else turns.latest(connection, within, SURVEYED)
        restored = meta.restore_notice(connection)
    unread = "" if options.plain else asked.unread
    said = [restored] if restored else []
    said += [f"`{unread}` is searched for as text: give an age such as 7d, or a date"] if unread else []
    return _Progress(options, deadline, question, within, now, asks_for_order(text), besides=latest, notes=said)


def _embedding(semantic: Semantic, progress: _Progress) -> PendingVectors:
    """Begin to embed both readings of the question; what is returned waits for their vectors."""
    question = progress.question
    if not question.text.strip():
        return list
    progress.model = semantic.model
    progress.is_unread = not reads(progress.model, question.text)
    several = parts(question.text) if progress.options.cover else []
    return semantic.request_vectors([question.statement, question.topic, *several], progress.model, progress.deadline)


def _once_more(database: Database, semantic: Semantic, progress: _Progress, within: Filter) -> None:
    """Search for more, and rank it with what is there."""
    _by_words(database, progress, within)
    _by_meaning(semantic, progress, within)
    _ranked(database, progress)


def _by_words(database: Database, progress: _Progress, within: Filter) -> None:
    wanted = max(CANDIDATES, progress.options.limit) * progress.times
    with database.read(progress.deadline) as connection:
        progress.holding = fulltext.document_frequencies(connection, progress.question.words)
        progress.idf = idf(progress.holding, fulltext.estimate_count(connection))
        progress.lexical |= fulltext.search_any(connection, progress.holding, within, wanted)


def _read_question(semantic: Semantic, progress: _Progress, readings: PendingVectors) -> None:
    """Take up the question's vectors, and embed the rows that arrived since the last recall."""
    _in_time(progress)
    try:
        progress.readings, progress.parts = (found := readings())[:2], found[2:]
        if not progress.readings:
            return
        with suppress(StoreError):  # the disk is full, or another process writes: what waits is counted below
            semantic.embed_pending(min(progress.deadline, time.monotonic() + CATCH_UP_SECONDS), swap=False)
        if waiting := semantic.count_pending(progress.model):
            them = counted(waiting, "memory waits for its", "memories wait for their")
            progress.notes.append(f"{them} embedding, found by words only meanwhile")
    except ModelError as error:
        progress.readings = []
        progress.notes.append(f"searched by words only: {error}")


def _by_meaning(semantic: Semantic, progress: _Progress, within: Filter) -> None:
    if not progress.readings:
        return
    wanted = max(CANDIDATES, progress.options.limit) * progress.times
    search = partial(semantic.search, progress.readings[0].vectors, deadline=progress.deadline, model=progress.model)
    nearest = search(wanted, within)
    similarities = partial(semantic.similarities, deadline=progress.deadline, model=progress.model)
    progress.cosines = Cosines(similarities, [one.vectors for one in progress.readings])
    topic = progress.readings[-1]
    progress.likeness = partial(semantic.max_similarities, topic, deadline=progress.deadline, model=progress.model)
    similar = progress.cosines.of({*progress.lexical, *nearest})
    progress.dense |= {num: both.statement for num, both in similar.items()} | nearest
    if progress.times == 1:
        for days in _on_named_days(progress.question, progress.within):
            progress.besides += search(DATED, days)
        if progress.question.asks_for_help:
            instructions = replace(progress.within, tags=(*progress.within.tags, INSTRUCTION))
            progress.besides += search(INSTRUCTIONS, instructions)


def _on_named_days(question: Question, within: Filter) -> Iterator[Filter]:
    """Yield the filter narrowed to each of the days, weeks or months that a question names."""
    for span in question.spans:
        if times := span.times(DATED_DAYS, question.zone):
            since = times[0] if within.since is None else max(times[0], within.since)
            before = times[1] if within.before is None else min(times[1], within.before)
            yield replace(within, since=since, before=before)


def _ranked(database: Database, progress: _Progress) -> None:
    """Rank all candidates by what is known without their texts, and the best of them again by everything."""
    _in_time(progress)
    options, deadline, now = progress.options, progress.deadline, progress.now
    limit = options.limit
    fused = list(fuse(progress.dense, progress.lexical))[: max(SURVEYED, limit) * progress.times]
    nums = list(dict.fromkeys([*fused, *progress.besides]))
    cosines = progress.cosines
    surveyed = survey(database, progress.question, nums, progress.lexical, progress.idf, cosines, now, deadline)
    first = rank(surveyed, explain=options.explain)
    progress.ranked = [Placed(one) for one in first[:limit]]
    _in_time(progress)
    size = min(max(SHORTLIST, limit), MOST_CLOSELY)
    with database.read(deadline) as connection:
        copies = alike(surveyed, partial(turns.texts, connection)) if len(first) > size else {}
    few = [one.turn for one in shortlist(first, size, copies, spread=_spreads(progress))]
    few += beside(database, surveyed, few, few[:BESIDE], progress.within, deadline)
    windows = options.explain or not NEED_TEXT_BESIDE.isdisjoint(weighed(few))
    evidence = read(database, surveyed, few, cosines, progress.likeness, deadline, windows=windows)
    progress.exchanges = evidence.exchanges
    ranking = rank(evidence, explain=options.explain)
    if limit > size:
        closely = {turn.num for turn in few}
        ranking += [one for one in first if one.turn.num not in closely]
    with database.read(deadline) as connection:
        newest = curation.newest_repeats(connection, [one.turn.num for one in ranking])
    _choose(progress, arrange(ranking, evidence.texts, newest, copies), evidence)


def _choose(progress: _Progress, results: list[Placed], evidence: Evidence) -> None:
    """Choose what is returned of the distinct results. Only a finished ranking of a text has scores that mean much."""
    options, question = progress.options, progress.question
    progress.ranked = progress.found = _first(progress, results, evidence)
    progress.coverage = evidence.coverage(fulltext.known_stems(progress.holding))
    by_default = options.spares_unembedded and options.min_score > 0
    if by_default and progress.is_unread:
        held = [one for one in results if progress.coverage.get(one.ranked.turn.num, 0.0) >= UNREAD_COVERAGE]
        progress.ranked = _first(progress, held, evidence)
    elif question.text.strip() and options.min_score and not (by_default and question.is_unspaced):
        setting = floor(evidence, progress.holding, options.min_score)
        is_reached = setting if options.spares_unembedded else lambda _, score: score >= options.min_score
        progress.ranked = _first(progress, relevant(results, is_reached), evidence)
    if options.cover and options.explain:
        words = progress.holding
        progress.adds = added(progress.ranked, evidence.counts, words, evidence.around, options.zone)


def _first(progress: _Progress, results: list[Placed], evidence: Evidence) -> list[Placed]:
    if progress.options.cover:
        near = progress.cosines.to([one.vectors for one in progress.parts], [one.ranked.turn.num for one in results])
        results = cover(results, evidence.around, near, in_order=progress.in_order)
    return (spread(results) if _spreads(progress) else results)[: progress.options.limit]


def _spreads(progress: _Progress) -> bool:
    return progress.options.spread and not progress.within.session


def _may_have_more(progress: _Progress) -> bool:
    near = sum(cosine >= MIN_COSINE for cosine in progress.dense.values())
    return max(len(progress.lexical), near) >= max(CANDIDATES, progress.options.limit) * progress.times


def _has_copies_only(progress: _Progress) -> bool:
    """Tell whether copies took others' places, and a search may have others to bring."""
    is_short = len(progress.found) < progress.options.limit and any(one.copies for one in progress.found)
    return is_short and progress.times < WIDEST and _may_have_more(progress)


def _loudest(database: Database, progress: _Progress) -> str:
    """Return the session that took others' places, where a search may have others to bring; else an empty text."""
    session = loudest(progress.found) if _spreads(progress) and _may_have_more(progress) else ""
    if not session:
        return ""
    with database.read(progress.deadline) as connection:
        return session if turns.has_another_session(connection, session, progress.within) else ""


def _in_time(progress: _Progress) -> None:
    if time.monotonic() >= progress.deadline:
        raise DeadlineExceeded


def _results(database: Database, progress: _Progress) -> tuple[Found, ...]:
    """Return the results with their memories; where the ranking was not ready, in the order of the fused scores.

    Those are of another kind, which no floor is compared with.
    """
    until = max(progress.deadline, time.monotonic()) + READ_SECONDS
    limit, reach = progress.options.limit, progress.options.context if progress.ranked else 0
    placed = {one.ranked.turn.num: one for one in progress.ranked}
    scores = {num: one.ranked.score for num, one in placed.items()}
    if progress.found and not scores:
        progress.notes.append(_nothing_reached(progress))
    elif not scores:
        scores = dict(list(fuse(progress.dense, progress.lexical).items())[:limit])
    results: dict[int, Found] = {}
    try:
        for back in read_back(database, list(scores), reach, until, progress.exchanges, progress.within):
            results |= {num: _found(progress, back, num, scores[num], placed.get(num)) for num in back.nums}
    except DeadlineExceeded:
        _cut_off(progress)
    nums = sorted(results, key=lambda num: (*_when(results[num]), num)) if progress.options.by_time else results
    return tuple(results[num] for num in nums)


def _when(found: Found) -> tuple[bool, int]:
    """Return what results are ordered by in time: those whose time is not known come last."""
    memory = found.memory
    return not memory.timestamp or STATED_TIME in memory.meta, memory.timestamp


def _nothing_reached(progress: _Progress) -> str:
    if progress.is_unread:
        them = counted(len(progress.found), "result holds", "results hold")
        return f"{them} too few of the question's words; a minimum score of 0 returns them"
    best = max(round(one.ranked.score, SCORE_DIGITS) for one in progress.found)
    return (
        f"{counted(len(progress.found), 'result scores', 'results score')} less than {progress.options.min_score:g}, "
        f"the best {best:g}; a minimum score of 0 returns {'it' if len(progress.found) == 1 else 'them'}"
    )


def _cut_off(progress: _Progress) -> None:
    if not progress.partial:
        progress.partial = True
        passed = f"the deadline of {progress.options.deadline_seconds:g} s passed: this is what was ready"
        progress.notes.append(passed)


def _found(progress: _Progress, back: ReadBack, num: int, score: float, placed: Placed | None) -> Found:
    return Found(
        back.memories[num],
        round(score, SCORE_DIGITS),
        None if progress.is_unread else progress.dense.get(num),
        progress.lexical.get(num),
        len((placed.copies if placed else frozenset()) | back.alike.get(num, set())),
        before=back.before(num),
        after=back.after(num),
        features=_features(placed.ranked) if placed and progress.options.explain else None,
        request=back.request(num),
        unanswered=back.is_unanswered(num),
        adds=progress.adds.get(num),
        coverage=None if num not in progress.coverage else round(progress.coverage[num], SCORE_DIGITS),
    )


def _features(ranked: Ranked) -> dict[str, Feature]:
    weights = profiles()[kind_of(ranked.turn)].weights
    return {
        name: Feature(round(value, 4), weights.get(name, 0.0))
        for name, value in zip(FEATURES, ranked.values, strict=True)
    }
