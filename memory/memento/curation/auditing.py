"""An audit of a store: how much of it is said twice, runs in circles, is a secret, outdated, or junk; with examples.

Junk is looked for twice: by today's rules, and by what those do not look at (`noise`).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from memento.base.times import now_ms
from memento.curation.consolidation import Step, plan
from memento.curation.noise import LOOKED_FOR, Echoes, is_empty, is_hidden, is_repetitive
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
    """Of all memories, in [0, 1]; for `hidden`, of those that were tried."""
    examples: Sequence[str] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON-serialisable form."""
        return asdict(self)


def audit(store: MemoryStore, now: int | None = None) -> list[Rate]:
    """Return how much of the store is duplicate, loop, secret, superseded, stale or junk; `now` in Unix milliseconds.

    Writes nothing. Raises PolicyError.
    """
    at = now_ms() if now is None else now
    duplicate, outdated = _planned(store, at)
    superseded, secret, stale, junk = _Hits(), _Hits(), _Hits(), _Hits()
    empty, repetitive, hidden, looked_for = _Hits(), _Hits(), _Hits(), 0
    texts, holders, echoes, count = _Groups(), _Groups(), Echoes(), 0
    with store.database.read() as connection:
        step = max(1, rows.count(connection) // LOOKED_FOR)
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
        echoes.add(memory.text, row.num)
        if is_empty(memory):
            empty.add(memory)
        if is_repetitive(memory):
            repetitive.add(memory)
        if count % step == 0:
            looked_for += 1
            with store.database.read() as connection:
                if is_hidden(connection, memory, row.num):
                    hidden.add(memory)
    loop, shared, echo = (_read(store, nums) for nums in (texts.of(LOOP), holders.of(2), echoes.found()))
    return [
        duplicate.rate("duplicate", "a newer memory of the same voice says the same", count),
        loop.rate("loop", f"the same text {LOOP} times or more in one session", count),
        secret.rate("secret", "holds what the rules take for a secret: `memento scrub`", count),
        shared.rate("shared", "a secret that was taken out of it stood in another memory too", count),
        superseded.rate("superseded", "marked: a newer memory takes its place", count),
        stale.rate("stale", "less than a twentieth of its importance is left", count),
        junk.rate("junk", "today's rules would not keep it: `memento policy diff`", count),
        empty.rate("empty", "no word of content", count),
        repetitive.rate("repetitive", "the same words over and over", count),
        echo.rate("echo", "older memories, whoever said them, hold nearly all its sentences", count),
        hidden.rate("hidden", f"of {looked_for} tried: a search for its own rarest words finds others", looked_for),
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
