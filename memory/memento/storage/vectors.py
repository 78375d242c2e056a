"""Embeddings in the database: which rows wait for one, what was written since an index last looked, and the cache."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import apsw

from memento.base.identity import HASH_BYTES, text_hash
from memento.base.times import now_ms
from memento.storage import counters
from memento.storage.filters import AMONG, Filter, listed, where

TOUCH_MS: Final = 60_000
"""Uses of a cached embedding are noted to the minute: a query should not have to write."""


class Waiting(NamedTuple):
    """A row without an embedding of the current model, without its text."""

    num: int
    size: int
    """UTF-8 bytes of its text."""


class Pending(NamedTuple):
    """A row to embed."""

    num: int
    text: str
    """What is embedded, without who said it: ranking looks at the speaker itself (docs/recall.md)."""


class Stored(NamedTuple):
    """A row's embedding as it lies in the database: k x dimensions float32, row-major, native byte order."""

    num: int
    seq: int
    blob: bytes


class Cached(NamedTuple):
    """A query's embedding from the cache."""

    blob: bytes
    codes: bytes
    stale: bool
    """Whether its last known use is so long ago that this one is to be noted."""


def pending(connection: apsw.Connection, model: str, limit: int) -> list[Waiting]:
    """Return rows that this model has not embedded, the newest first: they are asked for soonest."""
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT num, octet_length(text) FROM memories WHERE model IS NULL AND embedding_seq IS NULL "
        "ORDER BY num DESC LIMIT ?",
        (limit,),
    ).fetchall()
    if len(rows) < limit:
        rows += connection.execute(
            "SELECT num, octet_length(text) FROM memories WHERE model < ? OR model > ? LIMIT ?",
            (model, model, limit - len(rows)),
        ).fetchall()
    return [Waiting(*row) for row in rows]


def texts(connection: apsw.Connection, nums: Sequence[int]) -> list[Pending]:
    """Return these rows with their texts, in the order of `nums`, without those that have gone."""
    sql = f"SELECT num, text FROM memories WHERE num {AMONG}"
    found: dict[int, str] = dict(connection.execute(sql, (listed(nums),)))
    return [Pending(num, found[num]) for num in nums if num in found]


def pending_count(connection: apsw.Connection, model: str) -> int:
    """Count the rows that this model has not embedded."""
    return int(
        connection.execute(
            "SELECT (SELECT count(*) FROM memories WHERE model IS NULL) "
            "+ (SELECT count(*) FROM memories WHERE model < ?) + (SELECT count(*) FROM memories WHERE model > ?)",
            (model, model),
        ).get
    )


def write(connection: apsw.Connection, model: str, done: Sequence[tuple[Pending, bytes]]) -> None:
    """Write vectors (as in `Stored`) in the caller's transaction; a row whose text changed meanwhile keeps waiting.

    The sequence comes from a counter and not from the rows: the last row may have lost its embedding by growing, and
    its number must not come again.
    """
    seq = counters.add(connection, counters.EMBEDDINGS, len(done)) - len(done)
    for position, (row, blob) in enumerate(done, 1):
        connection.execute(
            "UPDATE memories SET model = ?, embedding_seq = ?, embedding_hash = ?, embedding = ? "
            "WHERE num = ? AND text = ?",
            (model, seq + position, blake2b(blob, digest_size=HASH_BYTES).digest(), blob, row.num, row.text),
        )


def since(connection: apsw.Connection, model: str, seq: int) -> Iterable[Stored]:
    """Yield the model's embeddings written after `seq`, in the order they were written."""
    rows = connection.execute(
        "SELECT num, embedding_seq, embedding FROM memories WHERE model = ? AND embedding_seq > ? "
        "ORDER BY embedding_seq",
        (model, seq),
    )
    return (Stored(*row) for row in rows)


def deletions(connection: apsw.Connection) -> int:
    """Return the generation of deletions: while it stands still, no row an index knows has gone."""
    return counters.read(connection, counters.DELETIONS)


def store_id(connection: apsw.Connection) -> str:
    """Return the store's random identity, made with it; a copy has the same."""
    return str(connection.execute("SELECT value FROM meta WHERE key = 'store'").get)


def written(connection: apsw.Connection) -> int:
    """Return how many embeddings were ever written: the last sequence number given."""
    return counters.read(connection, counters.EMBEDDINGS)


def newest(connection: apsw.Connection, model: str) -> int:
    """Return the sequence number of the model's newest embedding, 0 when it has none."""
    return int(connection.execute("SELECT max(embedding_seq) FROM memories WHERE model = ?", (model,)).get or 0)


def count(connection: apsw.Connection, model: str, seq: int) -> int:
    """Count the model's embeddings written after `seq`."""
    found = connection.execute("SELECT count(*) FROM memories WHERE model = ? AND embedding_seq > ?", (model, seq)).get
    return int(found)


def hashes(connection: apsw.Connection, model: str, seq: int, limit: int) -> list[tuple[int, bytes]]:
    """Return (row number, hash) of the newest embeddings up to `seq`: what a derived file must hold to fit."""
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT num, embedding_hash FROM memories WHERE model = ? AND embedding_seq <= ? "
        "ORDER BY embedding_seq DESC LIMIT ?",
        (model, seq, limit),
    ).fetchall()
    return [(num, known) for num, known in rows]


def embedded(connection: apsw.Connection, model: str) -> list[int]:
    """Return the row numbers of every memory that the model has embedded."""
    return [num for (num,) in connection.execute("SELECT num FROM memories WHERE model = ?", (model,))]


def passing(connection: apsw.Connection, filter_: Filter) -> list[int]:
    """Return the row numbers of embedded memories that pass the filter, ascending."""
    condition, parameters = where(filter_)
    sql = f"SELECT num FROM memories WHERE model IS NOT NULL AND {condition} ORDER BY num"
    return [num for (num,) in connection.execute(sql, parameters)]


def cached(connection: apsw.Connection, model: str, text: str) -> Cached | None:
    """Return the cached embedding of a text."""
    row: tuple[Any, ...] | None = connection.execute(
        "SELECT embedding, codes, timestamp FROM embedding_cache WHERE text_hash = ?", (_cache_key(model, text),)
    ).fetchone()
    return Cached(row[0], row[1], row[2] < now_ms() - TOUCH_MS) if row else None


def cached_count(connection: apsw.Connection) -> int:
    """Count the cached embeddings."""
    return int(connection.execute("SELECT count(*) FROM embedding_cache").get)


def touch(connection: apsw.Connection, model: str, text: str) -> None:
    """Note inside the caller's transaction that a cached embedding was used now."""
    connection.execute(
        "UPDATE embedding_cache SET timestamp = ? WHERE text_hash = ?", (now_ms(), _cache_key(model, text))
    )


def cache(connection: apsw.Connection, model: str, text: str, blob: bytes, codes: bytes, keep: int) -> None:
    """Put one embedding into the cache and let those beyond `keep` go that were not used for longest."""
    connection.execute(
        "INSERT INTO embedding_cache (text_hash, embedding, codes, timestamp) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (text_hash) DO UPDATE SET timestamp = excluded.timestamp",
        (_cache_key(model, text), blob, codes, now_ms()),
    )
    trim_cache(connection, keep)


def trim_cache(connection: apsw.Connection, keep: int) -> int:
    """Remove the cached embeddings beyond `keep` that were not used for longest; return how many.

    A use that was noted while a clock was ahead counts as one of now: nothing newer would be kept until then. Inside
    the caller's transaction.
    """
    beyond = max(0, cached_count(connection) - keep)
    if beyond:
        connection.execute(
            "DELETE FROM embedding_cache WHERE rowid IN "
            "(SELECT rowid FROM embedding_cache ORDER BY min(timestamp, ?), rowid LIMIT ?)",
            (now_ms(), beyond),
        )
    return beyond


def _cache_key(model: str, text: str) -> bytes:
    return text_hash(f"{model}\0{text}")
