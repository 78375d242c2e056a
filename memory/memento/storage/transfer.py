"""The SQL of exports and imports: everything in a store that is not derived, and what an import sets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import apsw

from memento.storage.filters import IN_JSON_LIST

_ONLY_MEMORY: Final = (
    "id, text, timestamp, source, session_id, role, speaker, trust, kind, importance, tags, collection, project, meta, "
    "why, active, ingested_at, superseded_by"
)
_OFFSET: Final = (
    "path", "format", "device", "inode", "head_length", "hex(head_hash)", "hex(marker_hash)", "offset", "open_bytes",
    "size", "modified", "state",
)  # fmt: skip


def all_tombstones(connection: apsw.Connection) -> Iterator[str]:
    """Yield every tombstone."""
    return (str(key) for (key,) in connection.execute("SELECT id FROM tombstones ORDER BY id"))


def all_titles(connection: apsw.Connection) -> Iterator[tuple[Any, ...]]:
    """Yield (source, session, title, rank)."""
    yield from connection.execute("SELECT source, session_id, title, title_rank FROM sessions")


def all_memories(connection: apsw.Connection) -> Iterator[dict[str, Any]]:
    """Yield every memory's columns except the embedding, oldest first; tags, meta and why are JSON texts."""
    names = _ONLY_MEMORY.split(", ")
    for row in connection.execute(f"SELECT {_ONLY_MEMORY} FROM memories ORDER BY timestamp, num"):
        yield dict(zip(names, row, strict=True))


def all_offsets(connection: apsw.Connection) -> Iterator[dict[str, Any]]:
    """Yield how far each source was read."""
    names = [name.removeprefix("hex(").removesuffix(")") for name in _OFFSET]
    for row in connection.execute(f"SELECT {', '.join(_OFFSET)} FROM sources ORDER BY num"):
        yield dict(zip(names, row, strict=True))


def mark_superseded(connection: apsw.Connection, memory: str, by: str) -> None:
    """Mark a memory as superseded inside the caller's transaction, unless it is marked."""
    connection.execute("UPDATE memories SET superseded_by = coalesce(superseded_by, ?) WHERE id = ?", (by, memory))


def attested_ids(connection: apsw.Connection, ids: Sequence[str]) -> frozenset[str]:
    """Return the given ids that are stored as someone's own words, not as imported."""
    sql = f"SELECT id FROM memories WHERE id {IN_JSON_LIST} AND trust <> 'import'"
    found = connection.execute(sql, (json.dumps(list(ids)),))
    return frozenset(str(memory) for (memory,) in found)


def has_title(connection: apsw.Connection, source: str, session: str) -> bool:
    """Tell whether a session has a title."""
    found = "SELECT EXISTS (SELECT 1 FROM sessions WHERE source = ? AND session_id = ?)"
    return bool(connection.execute(found, (source, session)).get)
