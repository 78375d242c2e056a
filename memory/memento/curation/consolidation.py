"""Consolidation: what says the same or is outdated is marked, what matters for long becomes knowledge.

The plan is a function of the rows and the rules, so running it again changes nothing. Rows are marked and moved, never
merged: each stays the record of one message, so a source that is read again meets its own rows and nothing is counted
twice. Recall shows one of those that say the same, with their number. Only a rule under `forget`, which is empty unless
somebody writes one, deletes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from sys import intern
from types import MappingProxyType
from typing import Any, Final, Literal

from memento import journal
from memento.curation.similarity import Text, chains, near_duplicates
from memento.memory import EPISODIC, KNOWLEDGE, Memory
from memento.storage import curating, fading, repeats, rows
from memento.store import MemoryStore
from memento.times import now_ms
from memento_policies.retention import DAY_MS, Retention, Traits, load_retention
from memento_policies.statements import Known

FADED: Final = 1 / 20
"""A memory of which no more than this share of its importance is left has faded."""
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
Doing = Literal["same", "outdated", "promote", "forget", "unmark", "fade", "revive"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do with one memory."""

    doing: Doing
    id: str
    text: str
    why: str
    by: str = ""
    """The newer memory, where one takes its place."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What consolidation does, or has done."""

    steps: Sequence[Step] = ()
    memories: int = 0
    faded: int = 0
    """Memories of which less than a twentieth is left of their importance, when it is done; they stay."""
    counts: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON-serialisable form."""
        return asdict(self)


def consolidate(store: MemoryStore, *, dry_run: bool = False, now: int | None = None) -> Plan:
    """Plan, and unless `dry_run` carry it out; return the plan. `now` in Unix milliseconds.

    Repeats, outdated statements and what has faded are marked, wishes and decisions become knowledge, nothing is
    deleted but what a policy of the user's own tells to forget. Raises PolicyError, StoreError.
    """
    found = plan(store, now_ms() if now is None else now)
    if found.steps and not dry_run:
        _carry_out(store, found)
    return found


def plan(store: MemoryStore, now: int) -> Plan:
    """Return what is to be done, each step with its reason."""
    retention = load_retention(store.config.policy_dir)
    with store.database.read() as connection:
        memories = [_slim(memory) for memory in rows.every(connection) if memory.active]
        repeated, faded = repeats.marked(connection), fading.faded(connection)
    marks = {**_outdated(memories, retention), **_same(memories, retention)}
    traits = {memory.id: traits_of(memory, now) for memory in memories}
    steps = [*_marked(memories, marks, repeated), *_moved(memories, marks, traits, retention)]
    fades = {name: why for name, one in traits.items() if (why := _fades(one, retention))}
    steps += [
        Step("fade", memory.id, memory.text, fades[memory.id])
        if memory.id in fades
        else Step("revive", memory.id, memory.text, "it is knowledge now, or the rules have changed")
        for memory in memories
        if memory.id in traits and (memory.id in fades) != (memory.id in faded)
    ]
    return Plan(steps, len(memories), len(fades), dict(Counter(step.doing for step in steps)))


def _marked(memories: Sequence[Memory], marks: Mapping[str, Step], repeated: Set[str]) -> Iterator[Step]:
    """Yield what is to be marked otherwise than it is."""
    marked = {memory.id: memory.superseded_by for memory in memories}
    for step in marks.values():
        if marked[step.id] != step.by or (step.doing == "same") != (step.id in repeated):
            yield step
    for memory in memories:
        if memory.superseded_by and memory.id not in marks:
            yield Step("unmark", memory.id, memory.text, "the newer one is gone, or the rules have changed")


def _moved(
    memories: Sequence[Memory], marks: Mapping[str, Step], traits: dict[str, Traits], retention: Retention
) -> Iterator[Step]:
    """Yield what is to be forgotten or promoted; `traits` are those it has afterwards."""
    for memory in memories:
        if rule := retention.forgotten_by(traits[memory.id]):
            del traits[memory.id]
            yield Step("forget", memory.id, memory.text, rule.name)
        elif (
            memory.collection == EPISODIC
            and memory.id not in marks
            and (promoted := retention.promoted_by(traits[memory.id]))
        ):
            traits[memory.id] = replace(traits[memory.id], collection=KNOWLEDGE)
            yield Step("promote", memory.id, memory.text, promoted.name)


def _fades(traits: Traits, retention: Retention) -> str:
    """Return why a memory has faded; empty where it has not."""
    rule = retention.half_life(traits)
    if rule is None or rule.days is None or retention.faded(traits) >= traits.importance * FADED:
        return ""
    return f"{rule.name}: {traits.age_days:,.0f} days old, and every {rule.days:g} days half of its importance goes"


def traits_of(memory: Memory, now: int) -> Traits:
    """Return what retention looks at."""
    age = (now - memory.timestamp) / DAY_MS if memory.timestamp else 0.0
    return Traits(memory.role, memory.kind, memory.collection, memory.tags, memory.importance, age)


def _slim(memory: Memory) -> Memory:
    """Return the memory without what no rule looks at: a store has a hundred thousand."""
    return replace(
        memory,
        source="",
        session_id="",
        role=intern(memory.role),
        speaker=intern(memory.speaker),
        trust="",
        kind=intern(memory.kind),
        collection=intern(memory.collection),
        project=intern(memory.project),
        tags=tuple(map(intern, memory.tags)),
        meta=_NOTHING,
        why=_NOTHING,
    )


def _voice(memory: Memory) -> str:
    return "\0".join((memory.role, memory.speaker, memory.kind, memory.project))


def _age(memory: Memory) -> tuple[int, str]:
    return memory.timestamp, memory.id


def _same(memories: Iterable[Memory], retention: Retention) -> dict[str, Step]:
    """Return a step for every text of which a newer one says the same."""
    known = {memory.id: memory for memory in memories}
    texts = [Text(memory.id, _voice(memory), memory.text) for memory in known.values()]
    steps: dict[str, Step] = {}
    for group in chains(near_duplicates(texts, retention.same_above)):
        *older, newest = sorted((known[one] for one in group), key=_age)
        for memory in older:
            why = f"said again on {newest.time[:10] or 'an unknown day'}"
            steps[memory.id] = Step("same", memory.id, memory.text, why, newest.id)
    return steps


def _outdated(memories: Sequence[Memory], retention: Retention) -> dict[str, Step]:
    """Return a step for every statement of a person that a newer one of the same voice contradicts."""
    known: defaultdict[str, Known] = defaultdict(Known)
    texts = {memory.id: memory.text for memory in memories}
    steps: dict[str, Step] = {}
    for memory in sorted(memories, key=_age):
        if memory.role != "user" or memory.kind != "turn":
            continue  # an agent explains: "the triangle is equilateral" is of the moment
        for statement in retention.statements.of(memory.text):
            for old in known[_voice(memory)].hear(statement, memory.id):
                why = f"{old.of}: {old.was!r} became {statement.value!r}"
                steps[old.source] = Step("outdated", old.source, texts[old.source], why, memory.id)
    return steps


def _carry_out(store: MemoryStore, found: Plan) -> None:
    marks = {step.id: step.by or None for step in found.steps if step.doing in ("same", "outdated", "unmark")}
    promoted = [step.id for step in found.steps if step.doing == "promote"]
    forgotten = [step.id for step in found.steps if step.doing == "forget"]
    with store.database.write() as connection:
        curating.supersede(connection, marks)
        repeats.unmark(connection, marks)
        repeats.mark(connection, {step.id: step.by for step in found.steps if step.doing == "same"})
        curating.move(connection, promoted, KNOWLEDGE)
        fading.fade(connection, [step.id for step in found.steps if step.doing == "fade"])
        fading.revive(connection, [step.id for step in found.steps if step.doing == "revive"])
    if forgotten:
        journal.write(store.database, lambda _: [journal.Forget(forgotten)])
