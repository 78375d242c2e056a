"""`memento why`: what was decided about a memory, or about the record on a line of a transcript."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from memento.base.counted import counted
from memento.base.home import expand_user
from memento.base.identity import memory_id
from memento.errors import UsageError
from memento.memory import Memory
from memento.storage import curation
from memento.storage.database import is_part_of
from memento.store import MemoryStore
from memento_ingest.batch_ingest import AUTO
from memento_ingest.discovery import open_regular
from memento_ingest.formats.base import LineFormat
from memento_ingest.formats.recognition import HEAD_BYTES, recognise
from memento_ingest.formats.registry import get
from memento_ingest.formats.unreadable import reason
from memento_ingest.lines import LongLine, read_lines
from memento_ingest.span import SourceInfo, Span
from memento_policies import Message

_PLACE: Final = re.compile(r"(?P<path>.+):(?P<line>[1-9]\d{0,15})", re.ASCII | re.DOTALL)
_LOOK_AHEAD: Final = 10_000
"""Lines read behind the one in question: an open message is closed by what follows it."""
_SHOWN: Final = 8
"""Features of importance that a person is shown."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of one message or record."""

    verdict: str
    """`kept`, `skipped` or `quarantined`."""
    reason: str
    where: str
    """The memory's id, or the bytes of the file."""
    stored: bool
    text: str = ""
    role: str = ""
    importance: float | None = None
    tags: list[str] = field(default_factory=list)
    points: list[tuple[str, float]] = field(default_factory=list)
    """The features that spoke for (positive) or against (negative) keeping it."""
    weighed: list[tuple[str, float]] = field(default_factory=list)
    """What importance is made of, in log-odds, the weightiest first; for a record that was judged just now."""
    superseded_by: str = ""
    """The newer memory that says the same or the contrary (`memento consolidate`)."""
    stands_for: int = 0
    """How many older memories this one takes the place of."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON-serialisable form."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Yield the explanation as a person reads it."""
        in_store = "in the store" if self.stored else "not in the store"
        yield f"{self.verdict}: {self.reason} ({self.where}, {in_store})"
        if self.text:
            yield f"  {self.role}: {' '.join(self.text.split())[:200]}"
        if self.importance is not None:
            yield f"  importance {self.importance:.2f}; tags {', '.join(self.tags) or '-'}"
        if self.weighed:
            made_of = ", ".join(f"{name} {points:+.2f}" for name, points in self.weighed[:_SHOWN])
            yield f"  how likely it is to be asked for, in log-odds: {made_of}"
        if self.superseded_by:
            yield f"  superseded by {self.superseded_by}"
        if self.stands_for:
            yield f"  stands for {counted(self.stands_for, 'older one')}"
        for name, points in self.points:
            yield f"  {points:+6.2f}  {name}"


def is_place(what: str) -> bool:
    """Tell FILE:LINE from an id."""
    return _PLACE.fullmatch(what) is not None


def explain_memory(store: MemoryStore, memory: str) -> list[Explanation]:
    """Return the decision that kept a memory; nothing if there is none with this id."""
    found = store.get(memory)
    if found is None:
        return []
    with store.database.read() as connection:
        return [_stored(found, curation.count_repeats(connection, found.id))]


def explain_line(store: MemoryStore, place: str, format_name: str = AUTO) -> list[Explanation]:
    """Judge the record on a line again, as ingestion would now. Raises UsageError for a file that cannot be read."""
    match = _PLACE.fullmatch(place)
    if match is None:
        raise UsageError(f"{place} is not FILE:LINE")
    path, number = expand_user(match["path"]), int(match["line"])
    if is_part_of(store.path, path):
        raise UsageError(f"{path} is the store itself: name a transcript, or ask by id")
    try:
        spans = list(_spans_on(path, number, format_name))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    return [explained for span in spans for explained in _explain(store, span)]


def _spans_on(path: Path, number: int, format_name: str) -> Iterator[Span]:
    with open_regular(path) as stream:
        info = SourceInfo(path.name, str(path), int(path.stat().st_mtime * 1000))
        if format_name == AUTO:
            format_ = recognise(lambda size: os.pread(stream.fileno(), size, 0), info).format
        else:
            format_ = get(format_name)
        if format_ is None:
            raise UsageError(f"{path}: {reason(os.pread(stream.fileno(), HEAD_BYTES, 0), path.name)}")
        if not isinstance(format_, LineFormat):
            raise UsageError(f"{path} is one {format_.name} document: ask by id (`memento recall` prints it)")
        parser = format_.parser(info)
        wanted: range | None = None
        for count, line in enumerate(read_lines(stream), 1):
            if count == number:
                wanted = range(line.offset, line.end)
            if isinstance(line, LongLine):
                spans: Any = [Span(line.offset, line.length, defect="line_too_long")]
            else:
                spans = parser.feed(line)
            yield from (span for span in spans if _overlaps(span, wanted))
            if count >= number + _LOOK_AHEAD:
                break
        if wanted is None:
            raise UsageError(f"{path} has no line {number}")
        yield from (span for span in parser.finish() if _overlaps(span, wanted))


def _overlaps(span: Span, wanted: range | None) -> bool:
    return wanted is not None and span.offset < wanted.stop and span.offset + span.length > wanted.start


def _explain(store: MemoryStore, span: Span) -> Iterator[Explanation]:
    where = f"bytes {span.offset}-{span.offset + span.length}"
    if span.defect:
        yield Explanation("quarantined", span.defect, where, stored=False)
    elif span.skipped:
        reason = f"{span.skipped} ({span.unknown_type})" if span.unknown_type else span.skipped
        yield Explanation("skipped", reason, where, stored=False)
    for message in span.messages:
        decision = store.policy.decide(message)
        memory = memory_id(message.source, message.key)
        yield Explanation(
            "kept" if decision.keep else "skipped",
            decision.reason,
            memory,
            stored=store.get(memory) is not None,
            text=decision.text,
            role=message.role,
            importance=decision.importance if decision.keep else None,
            tags=list(decision.tags),
            points=[(name, round(points, 3)) for name, points in decision.reasons if points],
            weighed=_weighed(store, message) if decision.keep else [],
        )


def _weighed(store: MemoryStore, message: Message) -> list[tuple[str, float]]:
    """Return what a message's importance is made of, the weightiest first."""
    reasons = sorted(store.policy.weigh(message).reasons, key=lambda reason: -abs(reason.points))
    return [(name, round(points, 3)) for name, points in reasons]


def _stored(memory: Memory, stands_for: int) -> Explanation:
    points = [(str(name), float(value)) for name, value in memory.why.get("points", [])]
    reason = str(memory.why.get("reason", "unknown"))
    return Explanation(
        "kept",
        reason,
        memory.id,
        stored=True,
        text=memory.text,
        role=memory.role,
        importance=memory.importance,
        tags=list(memory.tags),
        points=points,
        superseded_by=memory.superseded_by or "",
        stands_for=stands_for,
    )
