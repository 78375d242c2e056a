"""Embeddings in the database: pending rows, what was written since an index was updated, and the query cache."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import apsw

from memento.base.identity import HASH_BYTES, text_hash
from memento.base.times import now_ms
from memento.storage import meta
from memento.storage.filters import IN_JSON_LIST, Filter, json_list, where

TOUCH_MS: Final = 60_000
"""A cached embedding's use is recorded once a minute at most, so that a query rarely writes."""


class PendingRow(NamedTuple):
    """A row without an embedding of the current model, without its text."""

    num: int
    size: int
    """UTF-8 bytes of its text."""


class PendingText(NamedTuple):
    """A row to embed."""

    num: int
    text: str
    """The text to embed, without its speaker, which ranking compares by itself (docs/recall.md)."""


class StoredEmbedding(NamedTuple):
    """A row's embedding as stored: k x dimensions float32, row-major, native byte order."""

    num: int
    seq: int
    blob: bytes


class CachedEmbedding(NamedTuple):
    """A query's embedding from the cache."""

    blob: bytes
    codes: bytes
    stale: bool
    """Whether its use should be recorded now."""


def pending_rows(connection: apsw.Connection, model: str, limit: int) -> list[PendingRow]:
    """Return rows that this model has not embedded, newest first, since those are asked for soonest."""
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
    return [PendingRow(*row) for row in rows]


def pending_texts(connection: apsw.Connection, nums: Sequence[int]) -> list[PendingText]:
    """Return these rows with their texts, in the order of `nums`, without deleted ones."""
    sql = f"SELECT num, text FROM memories WHERE num {IN_JSON_LIST}"
    found: dict[int, str] = dict(connection.execute(sql, (json_list(nums),)))
    return [PendingText(num, found[num]) for num in nums if num in found]


def count_pending(connection: apsw.Connection, model: str) -> int:
    """Count the rows that this model has not embedded."""
    return int(
        connection.execute(
            "SELECT (SELECT count(*) FROM memories WHERE model IS NULL) "
            "+ (SELECT count(*) FROM memories WHERE model < ?) + (SELECT count(*) FROM memories WHERE model > ?)",
            (model, model),
        ).get
    )


def write(connection: apsw.Connection, model: str, done: Sequence[tuple[PendingText, bytes]]) -> None:
    """Write vectors (as in `StoredEmbedding`) in the caller's transaction; a row whose text changed stays pending.

    Sequence numbers come from a counter, not from the rows: the last row may have lost its embedding by growing, and
    its number must not be used again.
    """
    seq = meta.add_to_counter(connection, meta.EMBEDDINGS, len(done)) - len(done)
    for position, (row, blob) in enumerate(done, 1):
        connection.execute(
            "UPDATE memories SET model = ?, embedding_seq = ?, embedding_hash = ?, embedding = ? "
            "WHERE num = ? AND text = ?",
            (model, seq + position, blake2b(blob, digest_size=HASH_BYTES).digest(), blob, row.num, row.text),
        )


def written_since(connection: apsw.Connection, model: str, seq: int) -> Iterable[StoredEmbedding]:
    """Yield the model's embeddings written after `seq`, in the order they were written."""
    rows = connection.execute(
        "SELECT num, embedding_seq, embedding FROM memories WHERE model = ? AND embedding_seq > ? "
        "ORDER BY embedding_seq",
        (model, seq),
    )
    return (StoredEmbedding(*row) for row in rows)


def count_deletions(connection: apsw.Connection) -> int:
    """Return the number of deletions so far; while it is unchanged, no row of an index was deleted."""
    return meta.read_counter(connection, meta.DELETIONS)


def store_id(connection: apsw.Connection) -> str:
    """Return the store's random identity, which its copies share."""
    return str(connection.execute("SELECT value FROM meta WHERE key = 'store'").get)


def last_sequence(connection: apsw.Connection) -> int:
    """Return the last sequence number given: the number of embeddings ever written."""
    return meta.read_counter(connection, meta.EMBEDDINGS)


def newest_sequence(connection: apsw.Connection, model: str) -> int:
    """Return the sequence number of the model's newest embedding; 0 if it has none."""
    return int(connection.execute("SELECT max(embedding_seq) FROM memories WHERE model = ?", (model,)).get or 0)


def count_since(connection: apsw.Connection, model: str, seq: int) -> int:
    """Count the model's embeddings written after `seq`."""
    found = connection.execute("SELECT count(*) FROM memories WHERE model = ? AND embedding_seq > ?", (model, seq)).get
    return int(found)


def newest_hashes(connection: apsw.Connection, model: str, seq: int, limit: int) -> list[tuple[int, bytes]]:
    """Return (row number, hash) of the newest embeddings up to `seq`, which a matching derived file must hold."""
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT num, embedding_hash FROM memories WHERE model = ? AND embedding_seq <= ? "
        "ORDER BY embedding_seq DESC LIMIT ?",
        (model, seq, limit),
    ).fetchall()
    return [(num, known) for num, known in rows]


def embedded_rows(connection: apsw.Connection, model: str) -> list[int]:
    """Return the row numbers of every memory that the model has embedded."""
    return [num for (num,) in connection.execute("SELECT num FROM memories WHERE model = ?", (model,))]


def matching_rows(connection: apsw.Connection, filter_: Filter) -> list[int]:
    """Return the row numbers of embedded memories that pass the filter, ascending."""
    condition, parameters = where(filter_)
    sql = f"SELECT num FROM memories WHERE model IS NOT NULL AND {condition} ORDER BY num"
    return [num for (num,) in connection.execute(sql, parameters)]


def read_cached(connection: apsw.Connection, model: str, text: str) -> CachedEmbedding | None:
    """Return the cached embedding of a text."""
    row: tuple[Any, ...] | None = connection.execute(
        "SELECT embedding, codes, timestamp FROM embedding_cache WHERE text_hash = ?", (_cache_key(model, text),)
    ).fetchone()
    return CachedEmbedding(row[0], row[1], row[2] < now_ms() - TOUCH_MS) if row else None


def count_cached(connection: apsw.Connection) -> int:
    """Count the cached embeddings."""
    return int(connection.execute("SELECT count(*) FROM embedding_cache").get)


def touch_cached(connection: apsw.Connection, model: str, text: str) -> None:
    """Note inside the caller's transaction that a cached embedding was used now."""
    connection.execute(
        "UPDATE embedding_cache SET timestamp = ? WHERE text_hash = ?", (now_ms(), _cache_key(model, text))
    )


def write_cached(connection: apsw.Connection, model: str, text: str, *, blob: bytes, codes: bytes, keep: int) -> None:
    """Add an embedding to the cache and evict the least recently used ones beyond `keep`."""
    connection.execute(
        "INSERT INTO embedding_cache (text_hash, embedding, codes, timestamp) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (text_hash) DO UPDATE SET timestamp = excluded.timestamp",
        (_cache_key(model, text), blob, codes, now_ms()),
    )
    trim_cache(connection, keep)


def trim_cache(connection: apsw.Connection, keep: int) -> int:
    """Evict the least recently used cached embeddings beyond `keep`, in the caller's transaction; return how many.

    A use stamped by a clock that was ahead counts as one of now, or newer entries would be evicted until then.
    """
    beyond = max(0, count_cached(connection) - keep)
    if beyond:
        connection.execute(
            "DELETE FROM embedding_cache WHERE rowid IN "
            "(SELECT rowid FROM embedding_cache ORDER BY min(timestamp, ?), rowid LIMIT ?)",
            (now_ms(), beyond),
        )
    return beyond


def _cache_key(model: str, text: str) -> bytes:
    return text_hash(f"{model}\0{text}")


def write_codes(connection: apsw.Connection, model: str, done: Iterable[tuple[PendingText, bytes]]) -> None:
    """Store the token codes of rows with a speaker, inside the caller's transaction, unless their text has changed.

    Between a user and an assistant they gained a point at most (docs/recall.md), and those texts are long: a kilobyte
    or two of codes each.
    """
    connection.executemany(
        "INSERT OR REPLACE INTO token_codes (num, model, codes) SELECT num, ?, ? FROM memories "
        "WHERE num = ? AND text = ? AND speaker <> ''",
        [(model, codes, row.num, row.text) for row, codes in done if codes],
    )


def read_codes(connection: apsw.Connection, model: str, nums: Sequence[int]) -> dict[int, bytes]:
    """Return {row number: token codes} for the rows that have some."""
    sql = f"SELECT num, codes FROM token_codes WHERE model = ? AND num {IN_JSON_LIST}"
    return dict(connection.execute(sql, (model, json_list(nums))))
