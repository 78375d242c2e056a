"""The next embedding model: its vectors are collected in a table of their own until every memory has one.

Until then the rows keep the current model's vectors. `switch` moves all of them in one transaction, so a process that
dies leaves one of the two models complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import apsw

from memento.base import killpoints
from memento.base.identity import HASH_BYTES
from memento.storage import meta, segments
from memento.storage.vectors import PendingRow, PendingText

_FOLDER = "model:"
"""Prefix of the key in `meta` that holds the folder of a model, followed by the model's stamp."""


class StoredModels(NamedTuple):
    """The models whose vectors the rows hold."""

    own: bool
    """Whether any vector is of the given model."""
    other: str
    """Another model with vectors; empty if there is none."""


def stored_models(connection: apsw.Connection, model: str) -> StoredModels:
    """Return whose vectors the rows hold, by two index lookups."""
    own, below, above = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM memories WHERE model = ?1), "
        "(SELECT max(model) FROM memories WHERE model < ?1), (SELECT min(model) FROM memories WHERE model > ?1)",
        (model,),
    ).get
    return StoredModels(bool(own), str(below or above or ""))


def count_by_model(connection: apsw.Connection) -> dict[str, int]:
    """Count the rows by the model of their vectors; an empty name counts rows without vectors."""
    return dict(connection.execute("SELECT coalesce(model, ''), count(*) FROM memories GROUP BY 1 ORDER BY 2 DESC"))


def read_folder(connection: apsw.Connection, model: str) -> str:
    """Return the folder of a model; empty if it is not known."""
    return str(connection.execute("SELECT value FROM meta WHERE key = ?", (_FOLDER + model,)).get or "")


def write_folder(connection: apsw.Connection, model: str, folder: str) -> None:
    """Store a model's folder inside the caller's transaction."""
    connection.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (_FOLDER + model, folder),
    )


def count_ready(connection: apsw.Connection, model: str) -> int:
    """Count the vectors of a model that are ready for the switch."""
    return int(connection.execute("SELECT count(*) FROM embeddings_next WHERE model = ?", (model,)).get)


def count_pending(connection: apsw.Connection, model: str) -> int:
    """Count the rows that have another model's vector and none of this model yet."""
    sql = (
        "SELECT (SELECT count(*) FROM memories WHERE model < ?1) + (SELECT count(*) FROM memories WHERE model > ?1) "
        "- (SELECT count(*) FROM embeddings_next WHERE model = ?1)"
    )
    return max(0, int(connection.execute(sql, (model,)).get))


def pending_rows(connection: apsw.Connection, model: str, limit: int) -> list[PendingRow]:
    """Return rows that have another model's vector and none of this one: newest first, then rows that have grown."""
    rows = connection.execute(
        "SELECT num, octet_length(text) FROM memories WHERE model <> ?1 "
        "AND num < (SELECT coalesce(min(num), 9223372036854775807) FROM embeddings_next WHERE model = ?1) "
        "ORDER BY num DESC LIMIT ?2",
        (model, limit),
    ).fetchall()
    if not rows:
        rows = connection.execute(
            "SELECT num, octet_length(text) FROM memories WHERE model <> ?1 "
            "AND num NOT IN (SELECT num FROM embeddings_next WHERE model = ?1) LIMIT ?2",
            (model, limit),
        ).fetchall()
    return [PendingRow(int(str(num)), int(str(size))) for num, size in rows]


def write(connection: apsw.Connection, model: str, done: Sequence[tuple[PendingText, bytes]]) -> None:
    """Store vectors for the switch inside the caller's transaction, and drop those of a third model.

    A row whose text has changed stays pending.
    """
    present = connection.execute("SELECT model FROM embeddings_next LIMIT 1").get
    if present not in (None, model):
        connection.execute("DELETE FROM embeddings_next")
    for row, blob in done:
        connection.execute(
            "INSERT OR REPLACE INTO embeddings_next (num, model, embedding_hash, embedding) "
            "SELECT num, ?, ?, ? FROM memories WHERE num = ? AND text = ?",
            (model, blake2b(blob, digest_size=HASH_BYTES).digest(), blob, row.num, row.text),
        )


def switch(connection: apsw.Connection, model: str) -> int:
    """Move the new model's vectors into their rows, inside the caller's transaction; return how many.

    The sequence numbers are row numbers added to the last one given: they need only be new and distinct.
    """
    highest = int(connection.execute("SELECT max(num) FROM embeddings_next WHERE model = ?", (model,)).get or 0)
    first = meta.add_to_counter(connection, meta.EMBEDDINGS, highest) - highest
    connection.execute(
        "UPDATE memories SET model = ?1, embedding_seq = ?2 + num, (embedding_hash, embedding) = "
        "(SELECT embedding_hash, embedding FROM embeddings_next AS next WHERE next.num = memories.num) "
        "WHERE num IN (SELECT num FROM embeddings_next WHERE model = ?1)",
        (model, first),
    )
    switched = connection.changes()
    killpoints.reach("model.switched")
    connection.execute("DELETE FROM embeddings_next")
    connection.execute("DELETE FROM token_codes WHERE model <> ?", (model,))
    segments.delete_other_models(connection, model)
    return switched
