"""Which memories are to be forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from memento.errors import UnknownMemory, UsageError
from memento.memory import Memory
from memento.storage import rows
from memento.storage.filters import Filter, where
from memento.store import MemoryStore

MOST_FOUND = 50
"""Results of a query that are offered: what lies further down has little to do with it."""
EVERY = 1 << 40


def select(
    store: MemoryStore, ids: Sequence[str] = (), query: str = "", session: str = "", before: int | None = None
) -> list[Memory]:
    """Return the memories that these name, each once, latest first.

    Ids (or their beginnings) and a query's results stand for themselves; of session and time both must fit. Raises
    UsageError when nothing is named or an id fits several memories, UnknownMemory when it fits none.
    """
    if not (ids or query or session or before is not None):
        raise UsageError("name what to forget: an ID, --query, --session or --before")
    found: dict[str, Memory] = {}
    for one in ids:
        memory = store.get(one)
        if memory is None:
            raise UnknownMemory(one)
        found[memory.id] = memory
    if query:
        found.update({one.id: one.memory for one in store.recall(query, MOST_FOUND, session=session)})
    elif session or before is not None:
        condition, parameters = where(Filter(session=session, before=before))
        with store.database.read() as connection:
            selected = rows.select(connection, condition, parameters, "timestamp DESC", EVERY)
        found.update({memory.id: memory for memory in selected})
    if query and before is not None:
        found = {id_: memory for id_, memory in found.items() if id_ in ids or memory.timestamp < before}
    return sorted(found.values(), key=lambda memory: -memory.timestamp)
