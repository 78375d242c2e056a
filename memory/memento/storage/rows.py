"""Rows of `memories`: written once per id, extended in place, read back as Memory.

Invariant: any order, split and repeat of ingestion converges on the same rows. The id identifies the record, and of two
texts under one id the longer stays (of equal length, the greater): a maximum, so the order does not matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import apsw

from memento.base.identity import row_hash
from memento.base.subwords import subwords
from memento.base.times import now_ms
from memento.memory import Counts, Memory, NewMemory
from memento.storage import erasure, meta
from memento.storage.filters import IN_JSON_LIST, REPLACED_BY, json_list
from memento.storage.stored_json import mapping, texts
from memento.storage.tombstones import IMPORTED, TombstoneFilter

HASHED: Final = (
    "id", "text", "timestamp", "source", "session_id", "role", "speaker", "trust", "kind", "importance", "tags",
    "collection", "project", "meta", "why",
)  # fmt: skip
"""The columns covered by `content_hash`."""
JSON_COLUMNS: Final = tuple(map(HASHED.index, ("tags", "meta", "why")))
"""Indexes of the HASHED columns that hold JSON."""

_STORED: Final = (
    "id, text, timestamp, source, session_id, role, speaker, trust, kind, importance, tags, collection, project, "
    "active, ingested_at, superseded_by, meta, why"
)
_READ: Final = _STORED.replace("superseded_by", REPLACED_BY)
_INSERT: Final = f"""
INSERT INTO memories ({", ".join(HASHED)}, active, ingested_at, content_hash, subwords)
VALUES ({", ".join("?" * (len(HASHED) + 4))}) ON CONFLICT (id) DO NOTHING
"""
_GROW: Final = f"""
UPDATE memories SET ({", ".join(HASHED[1:])}, active, ingested_at, content_hash, subwords)
    = ({", ".join("?" * (len(HASHED) + 3))}),
    model = NULL, embedding_seq = NULL, embedding_hash = NULL, embedding = NULL
WHERE id = ? AND (length(text) < length(?) OR (length(text) = length(?) AND text < ?))
"""
REPEATED: Final = "repeated"
"""Key of a memory's meta: how many later records of its session said the same and were not stored."""
_REPEATED: Final = f"SELECT meta ->> '{REPEATED}' FROM memories WHERE id = ? AND json_valid(meta)"
_OVERWRITTEN: Final = 500
"""Largest number of deleted memories whose postings are overwritten at once. For more, that would block other writers
too long: their words stay in old segments until storage.compaction merges those."""


@dataclass(frozen=True, slots=True)
class NumberedMemory:
    """A memory with its row number."""

    num: int
    memory: Memory


def put(connection: apsw.Connection, memories: Iterable[NewMemory], *, revive: bool = False) -> Counts:
    """Write memories inside the caller's transaction.

    Forgotten memories stay out, unless `revive`: an explicit `remember` of the same text lifts the tombstone.
    """
    gate = TombstoneFilter(connection)
    now = now_ms()
    stored: list[str] = []
    extended: list[str] = []
    duplicates = forgotten = 0
    for given in memories:
        memory = given.clamped(now)
        if revive:
            gate.lift(memory)
        elif gate.refuses(memory):
            forgotten += 1
            continue
        gate.allow_values(memory)
        columns = _columns(memory)
        rest = (int(memory.active), now, row_hash(columns), subwords(memory.text))
        connection.execute(_INSERT, (*columns, *rest))
        if connection.changes():
            stored.append(memory.id)
            continue
        text = memory.text
        repeated = connection.execute(_REPEATED, (memory.id,)).get if memory.role == "tool" else None
        connection.execute(_GROW, (*columns[1:], *rest, memory.id, text, text, text))
        if connection.changes():
            extended.append(memory.id)
            if repeated:
                count_repeats(connection, {memory.id: repeated})
        else:
            duplicates += 1
    return Counts(tuple(stored), tuple(extended), duplicates, forgotten)


def by_nums(connection: apsw.Connection, nums: Sequence[int]) -> dict[int, Memory]:
    """Return {row number: memory} for the rows that exist."""
    return {row.num: row.memory for row in _select(connection, nums)}


def by_prefix(connection: apsw.Connection, prefix: str) -> list[Memory]:
    """Return up to two memories whose id begins with `prefix`, enough to detect ambiguity."""
    low, high = prefix, prefix + "g"  # ids are hexadecimal, `g` follows every digit
    rows = connection.execute(f"SELECT num, {_READ} FROM memories WHERE id >= ? AND id < ? LIMIT 2", (low, high))
    return [_row(row).memory for row in rows]


def select(connection: apsw.Connection, where: str, parameters: Sequence[Any], order: str, limit: int) -> list[Memory]:
    """Return memories by a condition of `filters.where` and an ORDER BY clause."""
    sql = f"SELECT num, {_READ} FROM memories WHERE {where} ORDER BY {order} LIMIT ?"
    return [_row(row).memory for row in connection.execute(sql, (*parameters, limit))]


def distinct_projects(connection: apsw.Connection) -> list[str]:
    """Return the distinct projects, in order."""
    found = connection.execute("SELECT DISTINCT project FROM memories WHERE project <> '' ORDER BY project")
    return [str(project) for (project,) in found]


def count(connection: apsw.Connection) -> int:
    """Return the number of memories."""
    return int(connection.execute("SELECT count(*) FROM memories").get or 0)


def last_of_session(connection: apsw.Connection, session_id: str, limit: int) -> list[Memory]:
    """Return the last `limit` memories written of a session, in the order of writing."""
    return select(connection, "session_id = ?", (session_id,), "num DESC", limit)[::-1]


def all_memories(connection: apsw.Connection) -> Iterator[Memory]:
    """Yield all memories, oldest first; `superseded_by` is as stored, so that memory may no longer exist."""
    return (
        _row(row).memory for row in connection.execute(f"SELECT num, {_STORED} FROM memories ORDER BY timestamp, num")
    )


def rows_after(connection: apsw.Connection, num: int, limit: int) -> list[NumberedMemory]:
    """Return the next rows after number `num`, in order; `superseded_by` is as stored."""
    sql = f"SELECT num, {_STORED} FROM memories WHERE num > ? ORDER BY num LIMIT ?"
    return [_row(row) for row in connection.execute(sql, (num, limit))]


def delete(connection: apsw.Connection, ids: Sequence[str]) -> int:
    """Delete and overwrite memories and everything derived from them, inside the caller's transaction; return how many.

    They leave tombstones. `ids` may include other tombstones; that of a session deletes its titles. A note records that
    other files may still hold the memories.
    """
    if not ids:
        return 0
    here = f"SELECT count(*) FROM memories WHERE id {IN_JSON_LIST}"
    named = [key.removeprefix(IMPORTED) for key in ids]
    most = int(connection.execute(here, (_list(named),)).get or 0)
    with erasure.overwriting(connection, words=most <= _OVERWRITTEN):
        count = len(erasure.erase(connection, ids).memories)
    if count:
        meta.write_note(connection, meta.FORGETTING, "unfinished")
    return count


def deactivate(connection: apsw.Connection, ids: Iterable[str]) -> None:
    """Mark memories as inactive: they lie on an abandoned branch."""
    for memory in ids:
        connection.execute("UPDATE memories SET active = 0 WHERE id = ?", (memory,))


def count_repeats(connection: apsw.Connection, repeats: Mapping[str, int]) -> None:
    """Note with memories how often what they say was said again: in `meta.repeated`, the highest count stands.

    What was repeated is not stored, so the count goes with its memory when that is forgotten.
    """
    for memory, count in repeats.items():
        found = connection.execute(f"SELECT {', '.join(HASHED)} FROM memories WHERE id = ?", (memory,)).fetchone()
        if found is None:
            continue
        place = HASHED.index("meta")
        meta = mapping(str(found[place]))
        known = meta.get(REPEATED)
        if isinstance(known, int) and known >= count:
            continue
        columns = (*found[:place], _json({**meta, REPEATED: count}), *found[place + 1 :])
        changed = (columns[place], row_hash(columns), memory)
        connection.execute("UPDATE memories SET meta = ?, content_hash = ? WHERE id = ?", changed)


def _select(connection: apsw.Connection, nums: Sequence[int]) -> list[NumberedMemory]:
    found = connection.execute(f"SELECT num, {_READ} FROM memories WHERE num {IN_JSON_LIST}", (json_list(nums),))
    return [_row(row) for row in found]


def _columns(memory: NewMemory) -> tuple[Any, ...]:
    return (
        memory.id, memory.text, memory.timestamp, memory.source, memory.session_id, memory.role, memory.speaker,
        memory.trust, memory.kind, memory.importance, _list(memory.tags), memory.collection,
        memory.project, _json(memory.meta), _json(memory.why),
    )  # fmt: skip


_list: Final = json.JSONEncoder(ensure_ascii=False).encode
_object: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _json(value: Mapping[str, Any]) -> str:
    return _object(dict(value)) if value else "{}"


def _row(row: tuple[Any, ...]) -> NumberedMemory:
    num, *columns = row
    columns[10] = texts(columns[10])
    columns[13] = bool(columns[13])
    columns[16], columns[17] = mapping(columns[16]), mapping(columns[17])
    return NumberedMemory(num, Memory(*columns))
