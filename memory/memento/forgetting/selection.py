"""Which memories are to be forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from memento.errors import UnknownMemory, UsageError
from memento.memory import Memory
from memento.narrowing import Filters, to_filter
from memento.storage import rows
from memento.storage.filters import where
from memento.store import MemoryStore

MOST_FOUND = 50
"""Results of a query that are offered: what lies further down has little to do with it."""
EVERY = 1 << 40


def select(store: MemoryStore, ids: Sequence[str] = (), query: str = "", **filters: Unpack[Filters]) -> list[Memory]:
    """Return the memories that these name, each once, latest first.

    Ids (or their beginnings) stand for themselves; beside them, what fits all of the filters, or of that a query's
    results. Raises UsageError when nothing is named or an id fits several memories, UnknownMemory when it fits none.
    """
    within = to_filter(filters)
    if not (ids or query) and within.empty:
        raise UsageError("name what to forget: an ID, --query, --session, --project, --before, ...")
    found: dict[str, Memory] = {}
    for one in ids:
        memory = store.get(one)
        if memory is None:
            raise UnknownMemory(one)
        found[memory.id] = memory
    if query:
        found.update({one.id: one.memory for one in store.recall(query, MOST_FOUND, **filters)})
    elif not within.empty:
        condition, parameters = where(within)
        with store.database.read() as connection:
            selected = rows.select(connection, condition, parameters, "timestamp DESC", EVERY)
        found.update({memory.id: memory for memory in selected})
    return sorted(found.values(), key=lambda memory: -memory.timestamp)
