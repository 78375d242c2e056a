"""Import: merge lines into a store. Known rows stay, new rows are added, what either side forgot stays out.

Ids make it idempotent: importing a file twice, or again after it was cut off, ends in the same rows. A file is data:
its rows pass the gate (`admission`). What would affect more than its own rows (trust, ignored projects, offsets of
sources, existing memories and titles) is applied only if the file is the user's own, as its signature proves or the
user states.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import apsw
import msgspec

from memento.base.link_key import load_key
from memento.errors import UsageError
from memento.memory import NewMemory
from memento.storage import capture, compaction, ignored, rows, sources, tombstones, transfer
from memento.storage.capture import Batch
from memento.storage.sources import LedgerKey, SessionTitle, SourceState, Tally
from memento.store import MemoryStore
from memento.transfer import lines
from memento.transfer.reader import MAX_VALUES, ExportLine, count_values, open_export
from memento.writes.admission import ID, Admission, Refused

BATCH: Final = 1_000
_LONGEST_NAME: Final = 4096
_HIGHEST_RANK: Final = 1_000
_PROBLEMS: Final = 20


@dataclass(slots=True)
class Imported:
    """What an import did."""

    stored: int = 0
    extended: int = 0
    """Known memories that got a longer text."""
    known: int = 0
    forgotten: int = 0
    """Left out, or deleted here, because one of the two stores forgot them."""
    unreadable: list[str] = field(default_factory=list)
    """The first unreadable lines, with the reason."""
    unread: int = 0
    """The number of unreadable lines."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Records left out, by reason: `ignored`, `secret` (a source's path or state), and `untrusted`, which only the
    user's own file may set: ignored projects, offsets of sources, titles that replace others, and tombstones of
    memories in someone's own words."""
    lowered: int = 0
    """Memories whose claimed trust was lowered to `import`."""
    trusted: bool = False
    """Whether the file is proven or stated to be the user's own."""
    complete: bool = False
    """False if the file has no last line, as when it was cut off."""

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


class _ExportRecord(msgspec.Struct, frozen=True):
    """A decoded line of the file; exactly one field is set."""

    memento: dict[str, Any] | None = None
    forgotten: str | None = None
    ignored: _Ignored | None = None
    title: _Title | None = None
    memory: dict[str, Any] | None = None
    offset: dict[str, Any] | None = None
    end: dict[str, Any] | None = None


class _Candidate(NamedTuple):
    line: _ExportRecord
    memory: NewMemory | None
    superseded_by: str


def merge(store: MemoryStore, path: Path | str, *, keep_trust: bool = False) -> Imported:
    """Merge a file that `export` wrote into the store, one transaction per batch; merging it again changes nothing.

    `-` is standard input. `keep_trust` states that the file is the user's own although it is not signed here, as when
    written on another machine. Unreadable lines are counted and reported without their contents. Raises UsageError for
    another kind of file and one beyond its limits, StoreError.
    """
    done = Imported()
    with open_export(str(path)) as export, compaction.compact_after_deletions(store.database):
        _require_head(next(export.records(), None), path)
        done.trusted = keep_trust or export.is_proven(load_key(store.path.parent))
        records = export.records()
        next(records, None)
        admission = Admission(store.policy, store.ignored(), keeps_trust=done.trusted)
        while batch := list(islice(records, BATCH)):
            read = [found for line in batch if (found := _parse_line(line, admission, done))]
            with store.database.write() as connection:
                _BatchWriter(connection, admission, done).put(read)
    done.lowered = admission.lowered
    done.left_out = dict(admission.left_out)
    return done


def _require_head(first: ExportLine | None, path: Path | str) -> None:
    try:
        head = _decode(first.data).memento if first and first.data else None
    except (ValueError, RecursionError):
        head = None
    if not head or head.get("version") != lines.VERSION:
        raise UsageError(
            f"{path} is no export of this version: its first line must name it (memento export FILE.jsonl)"
        )


def _parse_line(line: ExportLine, admission: Admission, done: Imported) -> _Candidate | None:
    try:
        if line.data is None:
            raise Refused("it is too long")
        if count_values(line.data) > MAX_VALUES:
            raise Refused("it holds more values than a record can")
        parsed = _decode(line.data)
        _require_names(parsed)
        memory = admission.admit(_memory(parsed.memory)) if parsed.memory is not None else None
        superseded_by = str((parsed.memory or {}).get("superseded_by") or "")
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        done.unread += 1
        if len(done.unreadable) < _PROBLEMS:
            done.unreadable.append(f"line {line.number:,}: {_problem(error)}")
        return None
    return _Candidate(parsed, memory, superseded_by)


def _require_names(line: _ExportRecord) -> None:
    if line.forgotten is not None and not tombstones.KEY.fullmatch(line.forgotten):
        raise Refused("`forgotten` is not an id")
    if line.ignored is not None and not 0 < len(line.ignored.value) <= _LONGEST_NAME:
        raise Refused("`ignored` names nothing, or too much")


def _problem(error: Exception) -> str:
    """Return what is wrong with a line, without quoting it, since it may hold a secret."""
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, msgspec.ValidationError):
        return "it is no record of an export"
    return "it is not JSON"


def _decode(line: bytes) -> _ExportRecord:
    return msgspec.convert(json.loads(line.decode()), _ExportRecord)


def _memory(fields: dict[str, Any]) -> NewMemory:
    known = {name: value for name, value in fields.items() if name in NewMemory.__dataclass_fields__}
    try:
        return msgspec.convert(known, NewMemory)
    except msgspec.ValidationError:
        for name, value in known.items():
            try:
                msgspec.convert({**_REQUIRED, name: value}, NewMemory)
            except msgspec.ValidationError:
                raise Refused(f"`{name}` is of the wrong type") from None
        missing = ", ".join(f"`{name}`" for name in _REQUIRED if name not in known)
        raise Refused(f"a memory must have {missing or 'other values'}") from None


_REQUIRED: Final = {"id": "", "text": "", "timestamp": 0, "source": ""}


class _BatchWriter:
    """Writes a batch of records inside one transaction."""

    def __init__(self, connection: apsw.Connection, admission: Admission, done: Imported) -> None:
        self._connection, self._admission, self._done = connection, admission, done

    def put(self, read: Sequence[_Candidate]) -> None:
        """Write a batch in order, tombstones first."""
        connection, done = self._connection, self._done
        forgotten = [one.line.forgotten for one in read if one.line.forgotten]
        if not done.trusted:
            if own := transfer.attested_ids(connection, forgotten):
                self._admission.left_out["untrusted"] += len(own)
            forgotten = tombstones.as_imported(forgotten)
        done.forgotten += rows.delete(connection, forgotten)
        tombstones.add_tombstones(connection, forgotten)
        new = self._put_memories([one.memory for one in read if one.memory])
        for one in read:
            if one.memory and ID.fullmatch(one.superseded_by) and (done.trusted or one.memory.id in new):
                transfer.mark_superseded(connection, one.memory.id, one.superseded_by)
            if one.line.ignored:
                self._ignore(one.line.ignored)
            if one.line.title:
                self._title(one.line.title)
            if one.line.offset:
                self._take_offset(one.line.offset)
            done.complete |= one.line.end is not None

    def _put_memories(self, memories: Sequence[NewMemory]) -> frozenset[str]:
        """Write memories and return the ids of new ones; an untrusted file never changes someone's own words."""
        done, connection = self._done, self._connection
        own = frozenset[str]()
        if not done.trusted:
            own = transfer.attested_ids(connection, [memory.id for memory in memories])
        counts = rows.put(connection, [memory for memory in memories if memory.id not in own])
        done.stored += len(counts.stored)
        done.extended += len(counts.extended)
        done.known += counts.duplicates + sum(memory.id in own for memory in memories)
        done.forgotten += counts.forgotten
        return frozenset(counts.stored)

    def _ignore(self, wanted: _Ignored) -> None:
        """Ignore a session, or a project if the file is trusted, since that affects all its future messages."""
        if wanted.kind == "project" and not self._done.trusted:
            self._admission.left_out["untrusted"] += 1
        else:
            value = self._admission.session(wanted.value) if wanted.kind == "session" else wanted.value
            ignored.add(self._connection, wanted.kind, value)

    def _title(self, wanted: _Title) -> None:
        title = self._admission.title(wanted.source, wanted.session_id, wanted.title)
        if title is None:
            return
        if not self._done.trusted and transfer.has_title(self._connection, *title[:2]):
            self._admission.left_out["untrusted"] += 1
            return
        rank = min(max(wanted.rank, 0), _HIGHEST_RANK if self._done.trusted else 0)
        sources.set_titles(self._connection, [SessionTitle(*title, rank)])

    def _take_offset(self, fields: dict[str, Any]) -> None:
        """Store a source's offset, unless this store has one."""
        if not self._done.trusted:
            self._admission.left_out["untrusted"] += 1
            return
        if self._admission.has_secret(json.dumps(fields, ensure_ascii=False)):
            self._admission.left_out["secret"] += 1  # it is read from its beginning, which stores nothing twice
            return
        try:
            hashes = {name: bytes.fromhex(fields[name]) for name in ("head_hash", "marker_hash")}
            state = msgspec.convert({**fields, **hashes}, SourceState)
        except (ValueError, TypeError, LookupError):
            self._done.unread += 1
            return
        if sources.find(self._connection, state.path, 0, 0) is None:
            read = {LedgerKey("skipped", "imported"): Tally(0, state.offset)}
            capture.write_batches(self._connection, [Batch(state, (), read)])
