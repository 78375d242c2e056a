"""Vectors of the segments of long texts, until the last segment is embedded.

A text of megabytes takes minutes, and a caller has half a second at a time. Each segment is committed at once, so any
process continues where the last one stopped.
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import pairwise
from typing import Any

import apsw

from memento.base.identity import HASH_BYTES
from memento.storage.vectors import PendingText


def embedded_until(connection: apsw.Connection, model: str, num: int) -> int:
    """Return the character up to which the model has embedded a row's text."""
    sql = "SELECT max(stop) FROM embedded_segments WHERE num = ? AND model = ?"
    return int(connection.execute(sql, (num, model)).get or 0)


def write_segment(
    connection: apsw.Connection, model: str, row: PendingText, *, span: tuple[int, int], vectors: bytes, codes: bytes
) -> None:
    """Store one segment inside the caller's transaction, unless the row's text has changed."""
    connection.execute(
        "INSERT OR REPLACE INTO embedded_segments (num, model, start, stop, embedding_hash, embedding, codes) "
        "SELECT num, ?, ?, ?, ?, ?, ? FROM memories WHERE num = ? AND text = ?",
        (model, *span, _hash(vectors), vectors, codes, row.num, row.text),
    )


def join_segments(connection: apsw.Connection, model: str, row: PendingText) -> tuple[bytes, bytes] | None:
    """Return the vectors of all segments in order, and the codes of the first, which holds enough words for a text.

    None if the segments do not tile the text or one is damaged.
    """
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT start, stop, embedding, embedding_hash, codes FROM embedded_segments "
        "WHERE num = ? AND model = ? ORDER BY start",
        (row.num, model),
    ).fetchall()
    bounds = [(0, 0), *((start, stop) for start, stop, *_ in rows), (len(row.text), 0)]
    tiles = all(left[1] == right[0] for left, right in pairwise(bounds))
    if not tiles or any(_hash(embedding) != known for *_, embedding, known, _ in rows):
        return None
    return b"".join(embedding for *_, embedding, _, _ in rows), rows[0][-1]


def delete_segments(connection: apsw.Connection, num: int) -> None:
    """Delete a row's segments inside the caller's transaction."""
    connection.execute("DELETE FROM embedded_segments WHERE num = ?", (num,))


def delete_other_models(connection: apsw.Connection, model: str) -> None:
    """Delete the segments of all other models, inside the caller's transaction."""
    connection.execute("DELETE FROM embedded_segments WHERE model <> ?", (model,))


def _hash(vectors: bytes) -> bytes:
    return blake2b(vectors, digest_size=HASH_BYTES).digest()
