"""An audit of a store: how much of it is said twice, runs in circles, is a secret, outdated, or junk; with examples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from memento.curation.consolidation import plan, traits_of
from memento.memory import Memory
from memento.storage import rows
from memento.store import MemoryStore
from memento.times import now_ms
from memento.writing import message_of
from memento_policies import Policy
from memento_policies.retention import load_retention

LOOP: Final = 5
"""So many equal texts in one session are a loop."""
_STALE: Final = 0.05
_EXAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class Rate:
    """One thing that was looked for."""

    name: str
    meaning: str
    memories: int
    share: float
    """Of all memories, in [0, 1]."""
    examples: Sequence[str] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON-serialisable form."""
        return asdict(self)


def audit(store: MemoryStore, now: int | None = None) -> list[Rate]:
    """Return how much of the store is duplicate, loop, secret, superseded or stale; `now` in Unix milliseconds.

    Writes nothing. Raises PolicyError.
    """
    at = now_ms() if now is None else now
    with store.database.read() as connection:
        memories = list(rows.every(connection))
    known = {memory.id: memory for memory in memories}
    planned = plan(store, at)
    marked = {memory.id for memory in memories if memory.superseded_by}
    same = [known[step.id] for step in planned.steps if step.doing == "same"]
    outdated = [memory for memory in memories if memory.id in marked]
    outdated += [known[step.id] for step in planned.steps if step.doing == "outdated" and step.id not in marked]
    retention = load_retention(store.config.policy_dir)
    stale = [memory for memory in memories if retention.faded(traits_of(memory, at)) < _STALE * memory.importance]
    return [
        _rate("duplicate", "a newer memory of the same voice says the same", same, memories),
        _rate("loop", f"the same text {LOOP} times or more in one session", _loops(memories), memories),
        _rate("secret", "holds what the rules take for a secret: `memento scrub`", _secrets(memories, store), memories),
        _rate("shared", "a secret that was taken out of it stood in another memory too", _shared(memories), memories),
        _rate("superseded", "marked: a newer memory takes its place", outdated, memories),
        _rate("stale", "less than a twentieth of its importance is left", stale, memories),
        _rate(
            "junk", "today's rules would not keep it: `memento policy diff`", _junk(memories, store.policy), memories
        ),
    ]


def _rate(name: str, meaning: str, found: Iterable[Memory], all_: Sequence[Memory]) -> Rate:
    hits = list(found)
    shown = [f"{memory.id[:8]} {' '.join(memory.text.split())[:100]}" for memory in hits[:_EXAMPLES]]
    return Rate(name, meaning, len(hits), len(hits) / len(all_) if all_ else 0.0, shown)


def _loops(memories: Iterable[Memory]) -> list[Memory]:
    said: dict[tuple[str, str, str], list[Memory]] = defaultdict(list)
    for memory in memories:
        said[memory.session_id, memory.role, " ".join(memory.text.lower().split())].append(memory)
    return [memory for group in said.values() if len(group) >= LOOP for memory in group]


def _secrets(memories: Iterable[Memory], store: MemoryStore) -> list[Memory]:
    return [memory for memory in memories if store.policy.redact(memory.text).counts]


def _shared(memories: Iterable[Memory]) -> list[Memory]:
    holders: dict[str, list[Memory]] = defaultdict(list)
    for memory in memories:
        for link in memory.meta.get("secrets", ()):
            holders[str(link)].append(memory)
    shared = {memory.id: memory for group in holders.values() if len(group) > 1 for memory in group}
    return list(shared.values())


def _junk(memories: Iterable[Memory], policy: Policy) -> list[Memory]:
    ingested = (memory for memory in memories if memory.why.get("reason") != "remembered")
    return [memory for memory in ingested if not policy.decide(message_of(memory)).keep]
