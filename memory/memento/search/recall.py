"""One query, from text to results: words and meaning side by side, fused, read back, within a deadline."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from memento.errors import ModelError, StoreError
from memento.memory import Found, Recall
from memento.search.fusion import Candidate, fuse
from memento.search.semantic import Semantic
from memento.search.terms import terms
from memento.storage import fulltext, rows
from memento.storage.database import Database, DeadlineExceeded
from memento.storage.filters import Filter

CANDIDATES: Final = 200
"""How many each of the two searches brings to the fusion."""
CATCH_UP_SECONDS: Final = 0.5
"""How long a recall may embed rows that arrived since the last one, before it goes on without the rest."""


@dataclass(slots=True)
class _Progress:
    """What a recall has so far, so that a passed deadline can return it."""

    query: str
    limit: int
    deadline: float
    started: float
    lexical: dict[int, float] = field(default_factory=dict)
    dense: dict[int, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    partial: bool = False


def recall(
    database: Database, semantic: Semantic, query: str, filter_: Filter, limit: int, deadline_seconds: float
) -> Recall:
    """Answer a query; whatever is ready when the deadline passes is returned, marked partial."""
    started = time.monotonic()
    progress = _Progress(query, limit, started + deadline_seconds, started)
    try:
        _by_words(database, progress, filter_)
        _by_meaning(database, semantic, progress, filter_)
    except DeadlineExceeded:
        progress.partial = True
        progress.notes.append(f"the deadline of {deadline_seconds:g} s passed: this is what was ready")
    return _read_back(database, progress)


def _by_words(database: Database, progress: _Progress, filter_: Filter) -> None:
    with database.read(progress.deadline) as connection:
        progress.lexical = fulltext.bm25(connection, terms(progress.query), filter_, max(CANDIDATES, progress.limit))


def _by_meaning(database: Database, semantic: Semantic, progress: _Progress, filter_: Filter) -> None:
    if not progress.query.strip():
        return
    if time.monotonic() >= progress.deadline:
        raise DeadlineExceeded
    try:
        query = semantic.query_vector(progress.query)
        with suppress(StoreError):  # the disk is full, or another process writes: what waits is counted below
            semantic.embed_pending(min(progress.deadline, time.monotonic() + CATCH_UP_SECONDS))
        if waiting := semantic.pending():
            progress.notes.append(f"{waiting} memories wait for their embedding and are found by words only")
        wanted = max(CANDIDATES, progress.limit)
        progress.dense = semantic.search(query, wanted, filter_, list(progress.lexical), progress.deadline)
    except ModelError as error:
        progress.notes.append(f"searched by words only: {error}")


def _read_back(database: Database, progress: _Progress) -> Recall:
    best: list[Candidate] = fuse(progress.dense, progress.lexical)[: progress.limit]
    with database.read() as connection:
        memories = rows.by_nums(connection, [candidate.num for candidate in best])
    results = tuple(
        Found(memories[candidate.num], round(candidate.score, 6), candidate.dense, candidate.lexical)
        for candidate in best
        if candidate.num in memories
    )
    seconds = time.monotonic() - progress.started
    return Recall(progress.query, results, progress.partial, tuple(progress.notes), seconds)
