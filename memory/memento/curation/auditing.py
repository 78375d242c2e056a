"""An audit of a store: how much of it is said twice, runs in circles, is a secret, outdated, or junk; with examples."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from memento.base.times import now_ms
from memento.curation.consolidation import Step, plan
from memento.curation.survey import traits_of, walk
from memento.memory import Memory
from memento.storage import rows
from memento.store import MemoryStore
from memento.writes.new_memory import as_message
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
    duplicate, outdated = _planned(store, at)
    superseded, secret, stale, junk = _Hits(), _Hits(), _Hits(), _Hits()
    texts, holders, count = _Groups(), _Groups(), 0
    retention, policy = load_retention(store.config.policy_dir), store.policy
    for row in walk(store.database, rows.rows_after):
        memory, count = row.memory, count + 1
        texts.add((memory.session_id, memory.role, " ".join(memory.text.lower().split())), row.num)
        for link in memory.meta.get("secrets", ()):
            holders.add((str(link),), row.num)
        if policy.redact(memory.text).counts:
            secret.add(memory)
        if memory.superseded_by or memory.id in outdated:
            superseded.add(memory)
        if retention.faded(traits_of(memory, at)) < _STALE * memory.importance:
            stale.add(memory)
        if memory.why.get("reason") != "remembered" and not policy.decide(as_message(memory)).keep:
            junk.add(memory)
    loop, shared = _read(store, texts.of(LOOP)), _read(store, holders.of(2))
    return [
        duplicate.rate("duplicate", "a newer memory of the same voice says the same", count),
        loop.rate("loop", f"the same text {LOOP} times or more in one session", count),
        secret.rate("secret", "holds what the rules take for a secret: `memento scrub`", count),
        shared.rate("shared", "a secret that was taken out of it stood in another memory too", count),
        superseded.rate("superseded", "marked: a newer memory takes its place", count),
        stale.rate("stale", "less than a twentieth of its importance is left", count),
        junk.rate("junk", "today's rules would not keep it: `memento policy diff`", count),
    ]


class _Hits:
    """The memories that one thing was found in: how many, and the first few."""

    def __init__(self) -> None:
        self.count = 0
        self.examples: list[str] = []

    def add(self, memory: Memory | Step) -> None:
        """Count a memory, or what is to be done with one."""
        self.count += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"{memory.id[:8]} {' '.join(memory.text.split())[:100]}")

    def rate(self, name: str, meaning: str, memories: int) -> Rate:
        """Return the share of all memories."""
        return Rate(name, meaning, self.count, self.count / memories if memories else 0.0, self.examples)


class _Groups:
    """Row numbers grouped by an 8-byte hash of what they have in common."""

    def __init__(self) -> None:
        self._hashes, self._nums = array("q"), array("q")

    def add(self, common: tuple[str, ...], num: int) -> None:
        """Take in a row."""
        self._hashes.append(hash(common))
        self._nums.append(num)

    def of(self, least: int) -> list[int]:
        """Return the row numbers, in order and each once, that at least `least` have something in common with."""
        import numpy as np

        hashes, nums = np.frombuffer(self._hashes, np.int64), np.frombuffer(self._nums, np.int64)
        _, group, sizes = np.unique(hashes, return_inverse=True, return_counts=True)
        found: list[int] = np.unique(nums[sizes[group] >= least]).tolist()
        return found


def _planned(store: MemoryStore, now: int) -> tuple[_Hits, set[str]]:
    """Return what a newer memory repeats, and the ids of what a newer one contradicts and is not marked yet."""
    duplicate, outdated = _Hits(), set()
    for step in plan(store, now).steps:
        if step.doing == "same":
            duplicate.add(step)
        elif step.doing == "outdated":
            outdated.add(step.id)
    return duplicate, outdated


def _read(store: MemoryStore, nums: Sequence[int]) -> _Hits:
    """Return these rows as hits; the first few are read."""
    hits = _Hits()
    with store.database.read() as connection:
        for memory in rows.by_nums(connection, nums[:_EXAMPLES]).values():
            hits.add(memory)
    hits.count = len(nums)
    return hits
