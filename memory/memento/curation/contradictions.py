"""Statements of people that newer ones of the same voice contradict.

Most claims are never contradicted, and a store has a hundred thousand: a survey keeps only their hashes. The texts of
those that a denial, a correction or an undone change can be about are read once more.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from memento.curation.survey import Survey
from memento.storage import curation
from memento.storage.database import Database
from memento_policies.claims import Claim
from memento_policies.known import CORRECTABLE, Known
from memento_policies.retention import Retention
from memento_policies.undone import Undone


class Contradiction(NamedTuple):
    """A memory that is outdated, the one that says so, both by their places in the survey, and why."""

    old: int
    new: int
    why: str


def contradictions(database: Database, survey: Survey, retention: Retention) -> list[Contradiction]:
    """Return what newer statements contradict, each memory once.

    A memory whose stamp was ahead contradicts nothing, for it may be the older one. Its time is at most that of
    storing, so what was said after that contradicts it. What a change contradicted holds again once it is taken back.
    """
    known: defaultdict[int, Known] = defaultdict(lambda: Known(retention.alternatives))
    with_ahead: defaultdict[int, Known] = defaultdict(lambda: Known(retention.alternatives))
    places: dict[str, int] = {}
    found: dict[int, Contradiction] = {}
    taken_back: set[int] = set()
    said = [*survey.statements, *_claims(database, survey, retention)]
    for place, statement in sorted(said, key=lambda one: survey.age(one[0])):
        voice, memory = survey.voices[place], survey.ids[place]
        places[memory] = place
        replaced = with_ahead[voice].hear(statement, memory) if survey.ahead else []
        for old in () if place in survey.ahead else (*known[voice].hear(statement, memory), *replaced):
            found[places[old.source]] = Contradiction(places[old.source], place, old.why)
            if isinstance(statement, Undone):
                taken_back.add(places[old.source])
    return [one for one in found.values() if one.new not in taken_back]


def _claims(database: Database, survey: Survey, retention: Retention) -> Iterator[tuple[int, Claim]]:
    """Yield the ordinary claims that something in the store can contradict, each with its place."""
    denials = (said for _, said in survey.statements if isinstance(said, Claim))
    places = survey.claimed({name for said in denials for name in said.contradicts()})
    places |= _before(survey, [place for place, said in survey.statements if _looks_back(said)])
    with database.read() as connection:
        for place in sorted(places):
            for said in retention.statements.of(curation.read_text(connection, survey.ids[place]) or ""):
                if isinstance(said, Claim) and not said.telling:
                    yield place, said


def _looks_back(said: object) -> bool:
    return isinstance(said, Undone) or (isinstance(said, Claim) and said.corrects)


def _before(survey: Survey, events: Iterable[int]) -> set[int]:
    """Return the places of the latest claims of the same voice before each of these."""
    found: set[int] = set()
    claims: dict[int, list[int]] = {}
    for event in events:
        voice = survey.voices[event]
        if voice not in claims:
            claims[voice] = sorted(survey.claims_of(voice), key=survey.age)
        end = bisect_left(claims[voice], survey.age(event), key=survey.age)
        found.update(claims[voice][max(0, end - CORRECTABLE) : end])
    return found
