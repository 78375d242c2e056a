"""Figures over the whole store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import apsw

from memento.memory import EPISODIC, KNOWLEDGE, CacheUse
from memento.storage.timestamps import AHEAD


@dataclass(frozen=True, slots=True)
class Stats:
    """What a store holds."""

    path: str
    memories: int
    embedded: int
    """Memories with an embedding of any model."""
    by_collection: Mapping[str, int]
    """Memories of each."""
    by_source: Mapping[str, int]
    by_role: Mapping[str, int]
    sessions: int
    """Number of sessions that the memories come from."""
    first: int
    """Time of the oldest memory whose time is known, Unix milliseconds; 0 = none."""
    last: int
    """Time of the latest memory whose stamp was not ahead of the clock, Unix milliseconds."""
    sources: int
    """Files read so far."""
    skipped: int
    """Messages and records that were read and not kept."""
    quarantined: int
    """Records that could not be read."""
    cached_queries: int
    """Embeddings of queries that are kept."""
    bytes: int
    """Size of the database file."""
    model: str
    """The embedding model in use; empty = none installed."""
    tiers: Mapping[str, int]
    """Answers and memories in this process (`working`), memories of `episodic` and of `knowledge` (`semantic`)."""
    caches: Mapping[str, CacheUse]
    """`working`, and queries' vectors in this process (`queries`) and in the database (`queries_stored`)."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON-serialisable form."""
        return {**asdict(self), "caches": {name: use.as_dict() for name, use in self.caches.items()}}


def stats(connection: apsw.Connection, path: str, model: str, caches: Mapping[str, CacheUse]) -> Stats:
    """Count everything in the store; `caches` describes what this process keeps."""

    def number(sql: str) -> int:
        return int(connection.execute(sql).get or 0)

    def groups(column: str) -> dict[str, int]:
        sql = f"SELECT {column}, count(*) FROM memories GROUP BY 1 ORDER BY 2 DESC"
        return dict(connection.execute(sql))

    collections = groups("collection")
    return Stats(
        path=path,
        memories=number("SELECT count(*) FROM memories"),
        embedded=number("SELECT count(*) FROM memories WHERE model IS NOT NULL"),
        by_collection=collections,
        by_source=groups("source"),
        by_role=groups("role"),
        sessions=number("SELECT count(DISTINCT session_id) FROM memories WHERE session_id <> ''"),
        first=number("SELECT min(timestamp) FROM memories WHERE timestamp > 0"),
        last=number(f"SELECT timestamp FROM memories WHERE NOT {AHEAD} ORDER BY timestamp DESC LIMIT 1"),
        sources=number("SELECT count(*) FROM sources WHERE format <> 'unrecognised'"),
        skipped=number("SELECT sum(messages) FROM ledger WHERE outcome = 'skipped'"),
        quarantined=number("SELECT count(*) FROM quarantine"),
        cached_queries=caches["queries_stored"].entries,
        bytes=number("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"),
        model=model,
        tiers={
            "working": caches["working"].entries,
            "episodic": collections.get(EPISODIC, 0),
            "semantic": collections.get(KNOWLEDGE, 0),
        },
        caches=caches,
    )
