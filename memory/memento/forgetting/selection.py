"""Selection of the memories to forget."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Literal, NamedTuple, Unpack

from memento.base.arguments import fraction
from memento.errors import ModelError, UnknownMemory, UsageError
from memento.memory import Memory
from memento.narrowing import Filters, to_filter
from memento.search.query import parse
from memento.search.terms import terms
from memento.storage import fulltext, rows
from memento.storage.filters import Filter, where
from memento.store import MemoryStore

MIN_COSINE: Final = 0.6
"""Minimum cosine for a text to say clearly what the query says; texts that only share its subject lie below.

The setting `recall.min_score` does not apply here, since a recall score is not a cosine.
"""
NO_LIMIT: Final = 1 << 40


class Match(NamedTuple):
    """A memory to forget, and why it matches."""

    memory: Memory
    by: Literal["id", "filter", "words", "meaning"]
    score: float = 1.0
    """In [0, 1]: the cosine for `meaning`, else 1."""


def select(
    store: MemoryStore,
    ids: Sequence[str] = (),
    query: str = "",
    *,
    min_score: float | None = None,
    **filters: Unpack[Filters],
) -> list[Memory]:
    """Return the memories of `matches`."""
    return [match.memory for match in matches(store, ids, query, min_score=min_score, **filters)]


def matches(
    store: MemoryStore,
    ids: Sequence[str] = (),
    query: str = "",
    *,
    min_score: float | None = None,
    **filters: Unpack[Filters],
) -> list[Match]:
    """Return the memories that these name, each once, latest first.

    Ids (or their beginnings) select themselves; in addition, everything that passes all filters and, if there is a
    query, contains all of its words or clearly says the same in other words. `min_score` raises the minimum cosine
    above MIN_COSINE. Raises UsageError if nothing is named, a minimum score is out of range or an id is ambiguous,
    UnknownMemory if an id matches nothing.
    """
    within, clear = to_filter(filters), max(MIN_COSINE, fraction("min_score", min_score or 0.0))
    if not (ids or query) and within.empty:
        raise UsageError("name what to forget: an ID, --query, --session, --project, --before, ...")
    found: dict[str, Match] = {}
    for one in ids:
        memory = store.get(one)
        if memory is None:
            raise UnknownMemory(one)
        found[memory.id] = Match(memory, "id")
    if query:
        found = {**{match.memory.id: match for match in _match_query(store, query, clear, filters)}, **found}
    elif not within.empty:
        found = {**{match.memory.id: match for match in _match_filter(store, within)}, **found}
    return sorted(found.values(), key=lambda match: -match.memory.timestamp)


def _match_filter(store: MemoryStore, within: Filter) -> list[Match]:
    """Return every memory that passes a filter."""
    condition, parameters = where(within)
    with store.database.read() as connection:
        selected = rows.select(connection, condition, parameters, "timestamp DESC", NO_LIMIT)
    return [Match(memory, "filter") for memory in selected]


def _match_query(store: MemoryStore, query: str, clear: float, filters: Filters) -> list[Match]:
    """Return every memory that a query matches, copies included; by meaning from the cosine `clear` on."""
    asked = parse(query, to_filter(filters))
    with store.database.read() as connection:
        words = fulltext.indexable_phrases(connection, terms(asked.text))
        by_words = fulltext.search_all(connection, words, asked.filter)
    by_meaning: dict[int, float] = {}
    if asked.text.strip():
        with suppress(ModelError):  # without a model, by words alone
            by_meaning = store.nearest(asked.text, clear, asked.filter)
    elif not asked.filter.empty:
        return _match_filter(store, asked.filter)
    with store.database.read() as connection:
        memories = rows.by_nums(connection, [*{**by_words, **by_meaning}])
    return [
        Match(memory, "words") if num in by_words else Match(memory, "meaning", round(by_meaning[num], 2))
        for num, memory in memories.items()
    ]
