"""One pass over the rows of a store, which leaves columns and no texts: about 300 bytes a memory.

Rows are read a thousand at a time. A read transaction of minutes would keep the write-ahead log from being emptied
beside a busy writer.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Set
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from memento.curation.similarity import Signatures
from memento.memory import INSTRUCTION, Memory
from memento.storage import curation
from memento.storage.database import Database, translated_errors
from memento.storage.stored_json import texts
from memento_policies.claims import Claim
from memento_policies.instructions import Instruction, instructions
from memento_policies.retention import DAY_MS, Retention, Traits
from memento_policies.statements import Said

if TYPE_CHECKING:
    import apsw

_AT_ONCE: Final = 1_000


class _Numbered(Protocol):
    @property
    def num(self) -> int: ...


_Row = TypeVar("_Row", bound=_Numbered)


class Survey:
    """What consolidation looks at of the active memories, each by its place in the order of their row numbers."""

    def __init__(self, database: Database, retention: Retention, now: int) -> None:
        self._now = now
        self._kinds: list[tuple[str, str, str, tuple[str, ...]]] = []
        self._kind_of: dict[tuple[str, str, str, str], int] = {}
        self._voices: dict[str, int] = {}
        self._classes, self._importances = array("i"), array("d")
        self.ids: list[str] = []
        self.times = array("q")
        """Unix milliseconds; 0 = unknown."""
        self.voices = array("i")
        """The number of who speaks about which project: only equal numbers are compared."""
        self.replaced_by: dict[int, str] = {}
        """By place, the id that a memory is marked with."""
        self.repeated: set[int] = set()
        """The places of memories that are marked as said again."""
        self.faded: set[int] = set()
        """The places of memories that are marked as faded."""
        self.lasting: set[int] = set()
        """The places of memories that say something that lasts, of those that may become knowledge."""
        self.remembered: set[int] = set()
        """The places of memories that somebody wrote down on purpose; their collection is theirs to choose."""
        self.ahead: set[int] = set()
        """The places of memories whose stamp was ahead of the clock: when they were said is not known."""
        self.signatures = Signatures()
        self.statements: list[tuple[int, Said | Instruction]] = []
        """What people stated but ordinary claims, and the places of the memories that state it."""
        self.rewordings: dict[int, str] = {}
        """By place, the id of the instruction that a memory was written to replace."""
        self._claims, self._claim_places = array("q"), array("i")
        """The hashes of ordinary claims, and the places of the memories that make them."""
        with translated_errors(database.path):
            for row in walk(database, curation.survey_rows):
                self._add(row, retention)

    def __len__(self) -> int:
        return len(self.ids)

    def age(self, place: int) -> tuple[int, str]:
        """Return what orders memories, oldest first."""
        return self.times[place], self.ids[place]

    def traits(self, place: int) -> Traits:
        """Return what retention looks at."""
        role, kind, collection, tags = self._kinds[self._classes[place]]
        age = _age_days(self.times[place], self._now)
        return Traits(role, kind, collection, tags, self._importances[place], age, place in self.lasting)

    def _add(self, row: curation.SurveyedRow, retention: Retention) -> None:
        place = len(self.ids)
        self.ids.append(row.id)
        self.times.append(row.timestamp)
        self._importances.append(row.importance)
        self._classes.append(self._class_of(row))
        # That a text is the user's own word is only claimed by the file it was imported from.
        trust = row.trust if row.trust == "import" else ""
        voice = "\0".join((row.role, row.speaker, row.kind, row.project, trust))
        self.voices.append(self._voices.setdefault(voice, len(self._voices)))
        self.signatures.add(voice, row.text)
        if row.superseded_by:
            self.replaced_by[place] = row.superseded_by
        if row.repeated:
            self.repeated.add(place)
        if row.faded:
            self.faded.add(place)
        if row.remembered:
            self.remembered.add(place)
        if row.ahead:
            self.ahead.add(place)
        tags = self._kinds[self._classes[place]][3]
        if retention.asks_whether_lasting(row.role, tags) and retention.lasting.holds(row.text):
            self.lasting.add(place)
        if row.role == "user" and row.kind == "turn":  # an agent explains: "the triangle is equilateral" is passing
            for said in retention.statements.of(row.text):
                self._take(place, said)
            if INSTRUCTION in texts(row.tags):
                self.statements.extend((place, told) for told in instructions(row.text))
            if row.replaces and row.trust == "user":
                self.rewordings[place] = str(row.replaces)

    def claimed(self, hashes: Set[int]) -> set[int]:
        """Return the places of memories that make an ordinary claim of one of these hashes."""
        return {place for name, place in zip(self._claims, self._claim_places, strict=True) if name in hashes}

    def claims_of(self, voice: int) -> set[int]:
        """Return the places of memories of a voice that make ordinary claims."""
        return {place for place in self._claim_places if self.voices[place] == voice}

    def _take(self, place: int, said: Said) -> None:
        if not isinstance(said, Claim) or said.telling:
            self.statements.append((place, said))
            return
        for name in said.names():
            self._claims.append(name)
            self._claim_places.append(place)

    def _class_of(self, row: curation.SurveyedRow) -> int:
        """Return the number of a row's role, kind, collection and tags: a store has few that differ."""
        key = row.role, row.kind, row.collection, row.tags
        if (known := self._kind_of.get(key)) is None:
            known = self._kind_of[key] = len(self._kinds)
            self._kinds.append((row.role, row.kind, row.collection, texts(row.tags)))
        return known


def traits_of(memory: Memory, now: int) -> Traits:
    """Return what retention looks at of a memory; `now` in Unix milliseconds."""
    age = _age_days(memory.timestamp, now)
    return Traits(memory.role, memory.kind, memory.collection, memory.tags, memory.importance, age)


def walk(database: Database, read: Callable[[apsw.Connection, int, int], list[_Row]]) -> Iterator[_Row]:
    """Yield what `read` returns of all rows; it is given the number of the last one and how many to return."""
    last = 0
    while True:
        with database.read() as connection:
            found = read(connection, last, _AT_ONCE)
        yield from found
        if not found:
            return
        last = found[-1].num


def _age_days(time: int, now: int) -> float:
    return (now - time) / DAY_MS if time else 0.0
