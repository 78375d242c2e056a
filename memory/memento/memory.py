"""The nouns of the store: a memory as it is written, as it is read, and as it is found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, NamedTuple, overload

from memento.base.times import is_ahead, iso

Trust = Literal["user", "assistant", "tool", "import"]
"""Who is behind a memory, from the channel it came through, never from what it says."""

KNOWLEDGE = "knowledge"
"""The collection `remember` writes to (semantic tier)."""
EPISODIC = "episodic"
"""The collection ingestion writes to (episodic tier)."""
INSTRUCTION: Final = "instruction"
"""The tag of a standing instruction."""
PINNED: Final = "pinned"
"""The tag of an instruction that the user put before the others."""
EVERYWHERE: Final = "everywhere"
"""The tag of an instruction that holds in every project, and not only where it was given."""
REPLACES: Final = "replaces"
"""The key of `meta` under which a memory names, by its id, the instruction that it rewords."""
STATED_TIME: Final = "stated_time"
"""The key of `meta` that flags a memory whose stamp was ahead of the clock when it was stored; its value is that stamp,
Unix milliseconds.
"""


@dataclass(frozen=True, slots=True)
class NewMemory:
    """A row to be written; `text` is already redacted. The fields are those of `Memory`."""

    id: str
    text: str
    timestamp: int
    """The event's own time, Unix milliseconds; 0 = unknown."""
    source: str
    session_id: str = ""
    role: str = "user"
    speaker: str = ""
    trust: Trust = "user"
    kind: str = "turn"
    importance: float = 0.5
    """In [0, 1]."""
    tags: tuple[str, ...] = ()
    collection: str = KNOWLEDGE
    project: str = ""
    active: bool = True
    """False on an abandoned branch of a conversation (a rewind, a fork)."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    why: Mapping[str, Any] = field(default_factory=dict)
    """The decision that kept it: {"reason": str, "points": [[feature, points], ...]}."""

    def clamped(self, now: int) -> NewMemory:
        """Return the row to store at `now` (Unix milliseconds): a stamp ahead of that becomes `now`, and is flagged."""
        if not is_ahead(self.timestamp, now):
            return self
        return replace(self, timestamp=now, meta={**self.meta, STATED_TIME: self.timestamp})


@dataclass(frozen=True, slots=True)
class Memory:
    """A stored memory, as it was when it was read."""

    id: str
    """32 hexadecimal digits, the same in every store."""
    text: str
    """Without its secrets."""
    timestamp: int
    """The event's own time, Unix milliseconds; 0 = unknown."""
    source: str
    """The transcript's format, such as `claude-code`; `api` for what `remember` wrote."""
    session_id: str
    """Empty where it belongs to no session."""
    role: str
    """`user`, `assistant`, `tool` or `system`."""
    speaker: str
    """Who said it, where people talk to each other; else empty."""
    trust: str
    """Whose word it is, from the channel it came through: `user`, `assistant`, `tool` or `import`."""
    kind: str
    """`turn`, `tool_call` or `summary`."""
    importance: float
    """In [0, 1]."""
    tags: tuple[str, ...]
    collection: str
    """`knowledge` for what was remembered, `episodic` for what was ingested, or one of your own."""
    project: str
    """The folder the agent worked in; empty where unknown."""
    active: bool
    """False on an abandoned branch of a conversation (a rewind, a fork)."""
    ingested_at: int
    """When it was written here, Unix milliseconds."""
    superseded_by: str | None
    """The id of the memory that replaced it, where one did."""
    meta: Mapping[str, Any]
    """Facts from the transcript or from the caller, as JSON holds them."""
    why: Mapping[str, Any]
    """The decision that kept it: {"reason": str, "points": [[feature, points], ...]}."""

    @property
    def time(self) -> str:
        """The event's time as ISO 8601 (UTC), empty when unknown."""
        return iso(self.timestamp)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON-serialisable form that `--json` and `export_json` print."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**fields, "tags": list(self.tags), "meta": dict(self.meta), "why": dict(self.why), "time": self.time}


@dataclass(frozen=True, slots=True)
class Instruction:
    """A standing instruction: what the user said once about how to work."""

    memory: Memory
    """What was said, whole."""
    text: str
    """Its sentences that instruct; all of it where none does by itself, or they say too little."""
    pinned: bool = False
    """The user put it before the others."""
    everywhere: bool = False
    """It holds in every project, though it was given in one."""

    @property
    def id(self) -> str:
        """The memory's id."""
        return self.memory.id

    def as_dict(self) -> dict[str, Any]:
        """Return the memory's fields with the instruction beside them."""
        return {
            **self.memory.as_dict(),
            "instruction": self.text,
            "pinned": self.pinned,
            "everywhere": self.everywhere,
        }


class Feature(NamedTuple):
    """One reason for a result's score: what was measured, and what a unit of it weighs (docs/recall.md)."""

    value: float
    weight: float


class Added(NamedTuple):
    """What a result adds to those that were chosen before it (docs/recall.md, "Gathering")."""

    words: tuple[str, ...]
    """Words of the question that none of those holds."""
    session: bool
    """Whether none of those is of its session."""
    day: str
    """The day on which it happened, where that is none of theirs; else empty."""
    beside: int
    """How many of those stand right beside it in its session."""


@dataclass(frozen=True, slots=True)
class Found:
    """One result of a recall."""

    memory: Memory
    """What was found."""
    score: float
    """In [0, 1]; the best answer of nearly every question with an answer reaches 0.5 (docs/recall.md)."""
    dense: float | None
    """Cosine similarity of the best passage with the query; None where the memory has no embedding yet, and where the
    model cannot read the query's script."""
    lexical: float | None
    """BM25, higher is better; None where no word of the query occurs."""
    copies: int = 0
    """How many more memories of the same role and speaker say the same: those consolidation knows, and equal texts."""
    before: tuple[Memory, ...] = ()
    """What came just before it in its session, oldest first, where context was asked for."""
    after: tuple[Memory, ...] = ()
    features: Mapping[str, Feature] | None = None
    """Why it stands where it stands, where that was asked for."""
    request: Memory | None = None
    """What the user had asked for when an agent at work on a project said or did this, or the user's own question where
    they answered it themselves. None for all else, and where the filters leave it out."""
    unanswered: bool = False
    """True where the user asked an agent at work on a project, and nothing that it answered is stored."""
    adds: Added | None = None
    """What it adds to those that were chosen before it, where `cover` and `explain` were asked for."""
    coverage: float | None = None
    """The share of the query's words that it holds, weighed by how rare they are in this store, in [0, 1]; None where
    the deadline passed before they were counted."""

    @property
    def text(self) -> str:
        """The memory's text."""
        return self.memory.text

    @property
    def id(self) -> str:
        """The memory's id."""
        return self.memory.id

    def as_dict(self) -> dict[str, Any]:
        """Return the memory's fields with the scores and, where there are any, request, context, features, `adds`."""
        scores: dict[str, Any] = {
            "score": self.score, "dense": self.dense, "lexical": self.lexical, "copies": self.copies,
            "unanswered": self.unanswered, "coverage": self.coverage,
        }  # fmt: skip
        for name in ("before", "after"):
            if memories := getattr(self, name):
                scores[name] = [memory.as_dict() for memory in memories]
        if self.request:
            scores["request"] = self.request.as_dict()
        if self.features is not None:
            scores["features"] = {name: one._asdict() for name, one in self.features.items()}
        if self.adds is not None:
            scores["adds"] = {**self.adds._asdict(), "words": list(self.adds.words)}
        return {**self.memory.as_dict(), **scores}


@dataclass(frozen=True, slots=True)
class Recall(Sequence[Found]):
    """The answer to one query: its results, best first unless `by_time` was asked for, and notes about them."""

    query: str
    """As it was asked."""
    results: tuple[Found, ...] = ()
    """What the sequence holds."""
    partial: bool = False
    """True when the deadline passed: what was ready is here."""
    notes: tuple[str, ...] = ()
    """`no model installed: ...`, `120 memories wait for their embedding`, ..."""
    seconds: float = 0.0
    """How long it took, embedding included."""

    def __len__(self) -> int:
        return len(self.results)

    @overload
    def __getitem__(self, index: int) -> Found: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Found, ...]: ...
    def __getitem__(self, index: int | slice) -> Found | tuple[Found, ...]:
        return self.results[index]

    def __iter__(self) -> Iterator[Found]:
        return iter(self.results)


class CacheUse(NamedTuple):
    """How a cache is used: what is in it, what may be, and how often something was found there and not."""

    entries: int
    limit: int
    hits: int
    misses: int

    @property
    def hit_rate(self) -> float:
        """The share of look-ups that found something, in [0, 1]; 0 before the first."""
        return self.hits / max(1, self.hits + self.misses)

    def as_dict(self) -> dict[str, float]:
        """Return the JSON-serialisable form."""
        return {**self._asdict(), "hit_rate": round(self.hit_rate, 4)}


class Counts(NamedTuple):
    """How a batch of memories met the store."""

    stored: tuple[str, ...] = ()
    """Ids that are new."""
    extended: tuple[str, ...] = ()
    """Ids known already, now with a longer text."""
    duplicates: int = 0
    """Known already, as they are."""
    forgotten: int = 0
    """Left out because the user deleted them earlier."""
    ignored: int = 0
    """Left out because the user ignores their session or project, since they were read."""
