"""Consolidation: what says the same or is outdated is marked, what matters for long becomes knowledge.

The plan is a function of the rows and the rules, so running it again changes nothing. Rows are marked and moved, never
merged: each stays the record of one message, so a source that is read again meets its own rows and nothing is counted
twice. Recall shows one of those that say the same, with their number. Only a rule under `forget`, which is empty unless
somebody writes one, deletes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from sys import intern
from typing import Any, Final, Literal

from memento.base.times import local_day, now_ms
from memento.curation.contradictions import contradictions
from memento.curation.recognition import recognise
from memento.curation.similarity import chains
from memento.curation.survey import Survey
from memento.memory import EPISODIC, KNOWLEDGE
from memento.storage import curation, timestamps
from memento.store import MemoryStore
from memento.writes import journal
from memento_policies.retention import Retention, Traits, load_retention

FADED: Final = 1 / 20
"""A memory of which no more than this share of its importance is left has faded."""
_SHOWN: Final = 100
"""Characters of a memory's text that a step shows."""
_MOVES: Final = {"promote": KNOWLEDGE, "demote": EPISODIC}
"""The collection that a step moves a memory to."""
Doing = Literal["same", "outdated", "promote", "demote", "forget", "unmark", "fade", "revive"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do with one memory."""

    doing: Doing
    id: str
    why: str
    by: str = ""
    """The newer memory, where one takes its place."""
    text: str = ""
    """The first characters of the memory's text."""


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
    at = now_ms() if now is None else now
    first = {"clamp": _clamp(store, dry_run=dry_run), "instruct": recognise(store, dry_run=dry_run)}
    found = plan(store, at)
    if found.steps and not dry_run:
        _carry_out(store, found)
    return replace(found, counts={name: count for name, count in first.items() if count} | found.counts)


def plan(store: MemoryStore, now: int) -> Plan:
    """Return what is to be done, each step with its reason."""
    retention = load_retention(store.config.policy_dir)
    survey = Survey(store.database, retention, now)
    marks = {**_outdated(store, survey, retention), **_same(store, survey, retention), **_reworded(survey)}
    steps = [*_marked(survey, marks), *_moved(survey, marks, retention)]
    gone = {step.id for step in steps if step.doing == "forget"}
    moved = {step.id: _MOVES[step.doing] for step in steps if step.doing in _MOVES}
    faded = 0
    for place, memory in enumerate(survey.ids):
        if memory in gone:
            continue
        traits = survey.traits(place)
        why = _fades(replace(traits, collection=moved.get(memory, traits.collection)), retention)
        faded += bool(why)
        if why and place not in survey.faded:
            steps.append(Step("fade", memory, why))
        elif not why and place in survey.faded:
            steps.append(Step("revive", memory, "it is knowledge now, or the rules have changed"))
    with store.database.read() as connection:
        steps = [replace(step, text=curation.read_beginning(connection, step.id, _SHOWN)) for step in steps]
    return Plan(steps, len(survey), faded, dict(Counter(step.doing for step in steps)))


def _clamp(store: MemoryStore, *, dry_run: bool) -> int:
    """Correct the stamps ahead of the clock that an older version stored as they were; return how many there are."""
    with store.database.read() as connection:
        unflagged = timestamps.count_ahead(connection, 0).unflagged
    if unflagged and not dry_run:
        with store.database.write() as connection:
            return timestamps.clamp_ahead(connection)
    return unflagged


def _marked(survey: Survey, marks: Mapping[int, Step]) -> Iterator[Step]:
    """Yield what is to be marked otherwise than it is."""
    for place, step in marks.items():
        if survey.replaced_by.get(place) != step.by or (step.doing == "same") != (place in survey.repeated):
            yield step
    for place in survey.replaced_by:
        if place not in marks:
            yield Step("unmark", survey.ids[place], "the newer one is gone, or the rules have changed")


def _moved(survey: Survey, marks: Mapping[int, Step], retention: Retention) -> Iterator[Step]:
    """Yield what is to be forgotten, promoted or demoted."""
    for place, memory in enumerate(survey.ids):
        traits = survey.traits(place)
        if rule := retention.forgotten_by(traits):
            yield Step("forget", memory, rule.name)
        elif traits.collection == EPISODIC and place not in marks and (promoted := retention.promoted_by(traits)):
            yield Step("promote", memory, promoted.name)
        elif why := "" if place in survey.remembered else _no_longer(marks.get(place), traits, retention):
            yield Step("demote", memory, why, marks[place].by if place in marks else "")


def _no_longer(mark: Step | None, traits: Traits, retention: Retention) -> str:
    """Return why a memory that became knowledge by a rule is none any more; empty where it still is."""
    if traits.collection != KNOWLEDGE:
        return ""
    if mark is not None and mark.doing == "outdated":
        return f"it was reversed: {mark.why}"
    return "" if retention.promoted_by(replace(traits, collection=EPISODIC)) else "no rule promotes it"


def _fades(traits: Traits, retention: Retention) -> str:
    """Return why a memory has faded; empty where it has not."""
    rule = retention.half_life(traits)
    if rule is None or rule.days is None or retention.faded(traits) >= traits.importance * FADED:
        return ""
    return intern(
        f"{rule.name}: {traits.age_days:,.0f} days old, and every {rule.days:g} days half of its importance goes"
    )


def _same(store: MemoryStore, survey: Survey, retention: Retention) -> dict[int, Step]:
    """Return, by place, a step for every text that a newer one repeats."""

    def text_of(place: int) -> str | None:
        with store.database.read() as connection:
            return curation.read_text(connection, survey.ids[place])

    def age(place: int) -> tuple[bool, int, str]:
        """Return what orders copies: one whose stamp was ahead is the newest among its like only."""
        return place not in survey.ahead, *survey.age(place)

    steps: dict[int, Step] = {}
    for group in chains(survey.signatures.pairs(retention.same_above, text_of)):
        *older, newest = sorted(group, key=age)
        why = intern(f"said again on {local_day(survey.times[newest]) or 'an unknown day'}")
        for place in older:
            steps[place] = Step("same", survey.ids[place], why, survey.ids[newest])
    return steps


def _outdated(store: MemoryStore, survey: Survey, retention: Retention) -> dict[int, Step]:
    """Return by its place a step for every statement of a person that a newer one of the same voice contradicts."""
    return {
        old: Step("outdated", survey.ids[old], why, survey.ids[new])
        for old, new, why in contradictions(store.database, survey, retention)
    }


def _reworded(survey: Survey) -> dict[int, Step]:
    """Return, by place, a step for every instruction that its user has reworded, in the same project."""
    if not survey.rewordings:
        return {}
    places = {memory: place for place, memory in enumerate(survey.ids)}
    steps: dict[int, Step] = {}
    for new, replaced in survey.rewordings.items():
        old = places.get(replaced, new)
        if old != new and survey.voices[old] == survey.voices[new]:
            steps[old] = Step("outdated", survey.ids[old], "reworded by its user", survey.ids[new])
    return steps


def _carry_out(store: MemoryStore, found: Plan) -> None:
    def ids(*doing: Doing) -> Iterator[str]:
        return (step.id for step in found.steps if step.doing in doing)

    marked = [step for step in found.steps if step.doing in ("same", "outdated", "unmark")]
    with store.database.write() as connection:
        curation.mark_superseded(connection, ((step.id, step.by or None) for step in marked))
        curation.unmark_repeated(connection, (step.id for step in marked))
        curation.mark_repeated(connection, ((step.id, step.by) for step in marked if step.doing == "same"))
        curation.move_to_collection(connection, ids("promote"), KNOWLEDGE)
        curation.move_to_collection(connection, ids("demote"), EPISODIC)
        curation.mark_faded(connection, ids("fade"))
        curation.unmark_faded(connection, ids("revive"))
    if forgotten := list(ids("forget")):
        journal.write(store.database, lambda _: [journal.Forget(forgotten)])
