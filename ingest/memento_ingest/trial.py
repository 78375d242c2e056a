"""What a policy would decide: about the messages of transcripts, and about what is stored already. Writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from memento.base.identity import memory_id
from memento.memory import Memory
from memento.storage import rows, tombstones
from memento.store import MemoryStore
from memento.writes.new_memory import as_message
from memento_ingest.batch_ingest import Ingestion, Options
from memento_ingest.report import Report
from memento_policies import Decision, Message, Policy

_MOVED = 0.1
"""A change of importance by less is not worth telling."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One message and what was decided about it."""

    keep: bool
    reason: str
    points: list[tuple[str, float]]
    """What spoke for (positive) or against (negative) keeping it."""
    importance: float
    """Also of a message that is skipped: what it would have had."""
    tags: list[str]
    role: str
    kind: str
    text: str
    redactions: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON-serialisable form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Difference:
    """A message about which the policy decides otherwise now."""

    id: str
    text: str
    was: str
    now: str


@dataclass(slots=True)
class Differences:
    """What a policy would have decided otherwise about a store."""

    judged: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    """Stored memories it would not have kept, by reason."""
    kept: Counter[str] = field(default_factory=Counter)
    """Messages of the sources that are still there which it would have kept and the store has not, by reason."""
    importance: int = 0
    """Memories whose importance would differ by a tenth or more."""
    tags: int = 0
    """Memories with other tags."""
    secrets: int = 0
    """Memories in which it sees a secret: `memento scrub` removes it."""
    examples: list[Difference] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON-serialisable form."""
        return {**asdict(self), "skipped": dict(self.skipped), "kept": dict(self.kept)}


def judge_transcripts(policy: Policy, paths: Sequence[str], format_name: str) -> tuple[list[Judged], Report]:
    """Judge every message of files, folders, globs and `-`, in their order."""
    found: list[Judged] = []

    def take(message: Message, decision: Decision) -> None:
        found.append(_judged(policy, message, decision))

    report = Ingestion(policy, Options(format_name), None, on_judged=take).run(paths)
    return found, report


def differences(store: MemoryStore, policy: Policy, examples: int = 10) -> Differences:
    """Compare what is stored, and the sources that are still there, with what a policy would make of them."""
    found = Differences()
    with store.database.read() as connection:
        for memory in rows.all_memories(connection):
            if memory.why.get("reason") != "remembered":
                _compare(found, memory, policy, examples)
    left_out = _LeftOut(store, policy)
    for source, message, decision in _still_there(store, policy):
        known = memory_id(source, message.key)
        if decision.keep and store.get(known) is None and not left_out.holds(known, message, decision):
            found.kept[decision.reason] += 1
            _example(found, examples, Difference(known, decision.text, "not stored", f"kept: {decision.reason}"))
    return found


class _LeftOut:
    """What the user keeps out of the store, whatever a policy thinks of it: what was forgotten, and what is ignored."""

    def __init__(self, store: MemoryStore, policy: Policy) -> None:
        self._store, self._policy, self._ignored = store, policy, store.ignored()

    def holds(self, memory: str, message: Message, decision: Decision) -> bool:
        if self._ignored.covers(message.session_id, self._policy.redact(message.project).text):
            return True
        with self._store.database.read() as connection:
            return tombstones.is_forgotten(connection, memory, decision.text)


def _judged(policy: Policy, message: Message, decision: Decision) -> Judged:
    return Judged(
        decision.keep,
        decision.reason,
        [(name, round(points, 2)) for name, points in decision.reasons],
        policy.weigh(message).importance,
        list(decision.tags),
        message.role,
        message.kind,
        decision.text,
        dict(decision.redactions),
    )


def _compare(found: Differences, memory: Memory, policy: Policy, examples: int) -> None:
    found.judged += 1
    decision = policy.decide(as_message(memory))
    found.secrets += bool(decision.redactions)
    if not decision.keep:
        found.skipped[decision.reason] += 1
        was = str(memory.why.get("reason", "unknown"))
        _example(found, examples, Difference(memory.id, decision.text, f"kept: {was}", f"skipped: {decision.reason}"))
        return
    found.tags += decision.tags != memory.tags
    found.importance += abs(decision.importance - memory.importance) >= _MOVED


def _example(found: Differences, most: int, one: Difference) -> None:
    if len(found.examples) < most:
        found.examples.append(one)


def _still_there(store: MemoryStore, policy: Policy) -> Iterator[tuple[str, Message, Decision]]:
    judged: list[tuple[str, Message, Decision]] = []

    def take(message: Message, decision: Decision) -> None:
        judged.append((message.source, message, decision))

    for account in store.accounts():
        if Path(account.path).is_file():
            Ingestion(policy, Options(account.format), None, on_judged=take).run([account.path])
            yield from judged
            judged.clear()
