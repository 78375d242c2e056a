"""Rows of `memories`: written once per id, grown in place, read back as Memory.

The rule that makes every order, split and repeat of ingestion converge: the id names the record, and of two texts
under one id the longer one stays (of equal length, the greater). It is a maximum, so it does not matter who came first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import apsw

from memento.base.identity import row_hash
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
"""The columns under `content_hash`: what an answer is made of and no job ever changes."""
JSON_COLUMNS: Final = tuple(map(HASHED.index, ("tags", "meta", "why")))
"""Which of them hold JSON."""

_STORED: Final = (
    "id, text, timestamp, source, session_id, role, speaker, trust, kind, importance, tags, collection, project, "
    "active, ingested_at, superseded_by, meta, why"
)
_READ: Final = _STORED.replace("superseded_by", REPLACED_BY)
_INSERT: Final = f"""
INSERT INTO memories ({", ".join(HASHED)}, active, ingested_at, content_hash)
VALUES ({", ".join("?" * (len(HASHED) + 3))}) ON CONFLICT (id) DO NOTHING
"""
_GROW: Final = f"""
UPDATE memories SET ({", ".join(HASHED[1:])}, active, ingested_at, content_hash)
    = ({", ".join("?" * (len(HASHED) + 2))}),
    model = NULL, embedding_seq = NULL, embedding_hash = NULL, embedding = NULL
WHERE id = ? AND (length(text) < length(?) OR (length(text) = length(?) AND text < ?))
"""
_OVERWRITTEN: Final = 500
"""Memories whose words are overwritten in the full-text index one by one: more would keep others from writing for too
long, and their words stay in its old segments until these are merged (storage.compaction)."""


@dataclass(frozen=True, slots=True)
class NumberedMemory:
    """What a query found: the row's number beside the memory."""

    num: int
    memory: Memory


def put(connection: apsw.Connection, memories: Iterable[NewMemory], *, revive: bool = False) -> Counts:
    """Write memories inside the caller's transaction.

    What the user deleted stays out, unless `revive`: an explicit `remember` of the same thing lifts the tombstone.
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
        rest = (int(memory.active), now, row_hash(columns))
        connection.execute(_INSERT, (*columns, *rest))
        if connection.changes():
            stored.append(memory.id)
            continue
        text = memory.text
        connection.execute(_GROW, (*columns[1:], *rest, memory.id, text, text, text))
        if connection.changes():
            extended.append(memory.id)
        else:
            duplicates += 1
    return Counts(tuple(stored), tuple(extended), duplicates, forgotten)


def by_nums(connection: apsw.Connection, nums: Sequence[int]) -> dict[int, Memory]:
    """Return the memories of these row numbers that exist."""
    return {row.num: row.memory for row in _select(connection, nums)}


def by_prefix(connection: apsw.Connection, prefix: str) -> list[Memory]:
    """Return up to two memories whose id begins with `prefix`: enough to tell one from ambiguous."""
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
    """Return the memories of a session that were written last, in the order in which they were."""
    return select(connection, "session_id = ?", (session_id,), "num DESC", limit)[::-1]


def all_memories(connection: apsw.Connection) -> Iterator[Memory]:
    """Yield all memories, oldest first, each marked as it is stored: what replaced it may be gone."""
    return (
        _row(row).memory for row in connection.execute(f"SELECT num, {_STORED} FROM memories ORDER BY timestamp, num")
    )


def rows_after(connection: apsw.Connection, num: int, limit: int) -> list[NumberedMemory]:
    """Return the rows whose numbers follow `num`, in their order, each marked as it is stored."""
    sql = f"SELECT num, {_STORED} FROM memories WHERE num > ? ORDER BY num LIMIT ?"
    return [_row(row) for row in connection.execute(sql, (num, limit))]


def delete(connection: apsw.Connection, ids: Sequence[str]) -> int:
    """Delete memories with all that was derived from them inside the caller's transaction, so that the bytes go too.

    They leave tombstones. `ids` may hold other tombstones; that of a session takes its titles. Returns how many
    memories there were; a note says then that files beside the database may hold them still.
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
    """Mark memories as lying on an abandoned branch."""
    for memory in ids:
        connection.execute("UPDATE memories SET active = 0 WHERE id = ?", (memory,))


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
