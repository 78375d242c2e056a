"""Merging lines into a store: what is known stays as it is, what is new comes in, what either side forgot stays out.

Ids make it idempotent: a file that is imported twice, or that was cut off and is imported again, ends in the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import apsw
import msgspec

from memento.errors import UsageError
from memento.memory import NewMemory
from memento.storage import capture, ignored, rows, sources, transferring
from memento.storage.capture import Batch
from memento.storage.sources import LedgerKey, SessionTitle, SourceState, Tally
from memento.store import MemoryStore
from memento.times import storable
from memento.transfer import lines
from memento_policies import Policy

BATCH: Final = 1_000
_PROBLEMS: Final = 20


@dataclass(slots=True)
class Imported:
    """What an import did."""

    stored: int = 0
    extended: int = 0
    """Known already, now with a longer text."""
    known: int = 0
    forgotten: int = 0
    """Left out, or taken out here, because one of the two stores forgot them."""
    unreadable: list[str] = field(default_factory=list)
    """The first lines that could not be read, and why."""
    unread: int = 0
    """How many there are."""
    complete: bool = False
    """False when the file has no last line: it was cut off."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON-serialisable form."""
        return asdict(self)


class _Ignored(msgspec.Struct, frozen=True):
    kind: Literal["session", "project"]
    value: str


class _Title(msgspec.Struct, frozen=True):
    source: str
    session_id: str
    title: str
    rank: int


class _Line(msgspec.Struct, frozen=True):
    """A line of the file: one of these is set."""

    memento: dict[str, Any] | None = None
    forgotten: str | None = None
    ignored: _Ignored | None = None
    title: _Title | None = None
    memory: dict[str, Any] | None = None
    offset: dict[str, Any] | None = None
    end: dict[str, int] | None = None


class _Read(NamedTuple):
    line: _Line
    memory: NewMemory | None
    superseded_by: str


def merge(store: MemoryStore, path: Path) -> Imported:
    """Merge a file that `export` wrote into the store, a batch in one transaction; merging it again changes nothing.

    Lines that cannot be read are counted and named. Raises UsageError for another kind of file, StoreError.
    """
    done = Imported()
    numbered = lines.read(path)
    first = next(numbered, None)
    try:
        head = _decoded(first[1]).memento if first else None
    except (msgspec.DecodeError, RecursionError):
        head = None
    if not head or head.get("version") != lines.VERSION:
        raise UsageError(
            f"{path} is no export of this version: its first line must name it (memento export FILE.jsonl)"
        )
    while batch := list(islice(numbered, BATCH)):
        read = [found for number, line in batch if (found := _read(number, line, store.policy, done))]
        with store.database.write() as connection:
            _put(connection, read, done)
    return done


def _read(number: int, line: bytes, policy: Policy, done: Imported) -> _Read | None:
    try:
        parsed = _decoded(line)
        memory = _memory(parsed.memory, policy) if parsed.memory else None
        superseded_by = str((parsed.memory or {}).get("superseded_by") or "")
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        done.unread += 1
        if len(done.unreadable) < _PROBLEMS:
            done.unreadable.append(f"line {number}: {error}")
        return None
    return _Read(parsed, memory, superseded_by)


def _decoded(line: bytes) -> _Line:
    return msgspec.json.decode(line, type=_Line)


def _memory(fields: dict[str, Any], policy: Policy) -> NewMemory:
    """Return the row; what another program may have put in is redacted like everything else."""
    known = {name: value for name, value in fields.items() if name in NewMemory.__dataclass_fields__}
    memory = msgspec.convert(known, NewMemory)
    storable(memory.timestamp)
    return replace(memory, text=policy.redact(memory.text).text)


def _put(connection: apsw.Connection, read: Sequence[_Read], done: Imported) -> None:
    forgotten = [one.line.forgotten for one in read if one.line.forgotten]
    done.forgotten += rows.delete(connection, forgotten)
    rows.bury(connection, forgotten)
    counts = rows.put(connection, [one.memory for one in read if one.memory])
    done.stored += len(counts.stored)
    done.extended += len(counts.extended)
    done.known += counts.duplicates
    done.forgotten += counts.forgotten
    for one in read:
        if one.memory and one.superseded_by:
            transferring.supersede(connection, one.memory.id, one.superseded_by)
        if one.line.ignored:
            ignored.add(connection, one.line.ignored.kind, one.line.ignored.value)
        if title := one.line.title:
            given = SessionTitle(title.source, title.session_id, title.title, title.rank)
            sources.entitle(connection, [given])
        if one.line.offset:
            _take_offset(connection, one.line.offset)
        done.complete |= one.line.end is not None


def _take_offset(connection: apsw.Connection, fields: dict[str, Any]) -> None:
    """Take over how far a source was read, unless this store knows it itself."""
    hashes = {name: bytes.fromhex(fields[name]) for name in ("head_hash", "marker_hash")}
    state = msgspec.convert({**fields, **hashes}, SourceState)
    if sources.find(connection, state.path, 0, 0) is None:
        read = {LedgerKey("skipped", "imported"): Tally(0, state.offset)}
        capture.put(connection, [Batch(state, (), read)])
