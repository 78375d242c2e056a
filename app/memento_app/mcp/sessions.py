"""The latest sessions, and what was said in one."""

from __future__ import annotations

from typing import Final, NamedTuple

from memento.errors import UsageError
from memento.memory import Memory
from memento.store import MemoryStore

MOST_SESSIONS: Final = 20
_BATCH: Final = 200
_BATCHES: Final = 10
"""How far back is looked for sessions: one that is long hides those before it."""
_MOST_TURNS: Final = 2_000
_AROUND: Final = 5
"""Turns shown before the one that was named, where there are as many."""


class Session(NamedTuple):
    """A session, as the last memory of it tells."""

    id: str
    last: Memory


def latest(store: MemoryStore, count: int = MOST_SESSIONS, project: str = "") -> list[Session]:
    """Return the sessions that were written to last, the latest first."""
    found: dict[str, Session] = {}
    before: int | None = None
    for _ in range(_BATCHES):
        batch = store.get_recent(_BATCH, project=project, before=None if before is None else before / 1000)
        for memory in batch:
            if memory.session_id and memory.session_id not in found:
                found[memory.session_id] = Session(memory.session_id, memory)
        oldest = min((memory.timestamp for memory in batch), default=0)
        if len(found) >= count or len(batch) < _BATCH or oldest == before or oldest <= 0:
            break
        before = oldest
    return list(found.values())[:count]


def turns(store: MemoryStore, name: str, count: int) -> list[Memory]:
    """Return what was said last in the session of this id, or around the memory of this id, oldest first.

    Raises UsageError where the id is neither.
    """
    if said := store.get_recent(count, session=name):
        return said[::-1]
    memory = store.get(name)
    if memory is None:
        raise UsageError(f"there is no session and no memory {name[:100]!r}: `session` without id lists the sessions")
    if not memory.session_id:
        return [memory]
    said = store.get_recent(_MOST_TURNS, session=memory.session_id)[::-1]
    place = next((number for number, one in enumerate(said) if one.id == memory.id), None)
    if place is None:  # a session longer than what is looked at
        return [memory]
    first = max(0, min(place - _AROUND, len(said) - count))
    return said[first : first + count]
