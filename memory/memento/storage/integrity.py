"""Integrity checks of a database. SQLite's own check misses nearly every flipped bit; the hashes of rows find them.

Every function checks one thing and returns its problems as texts; an empty list means that it is sound.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final, NamedTuple

import apsw

from memento.base.counted import counted
from memento.base.identity import HASH_BYTES, row_hash
from memento.storage.rows import HASHED, JSON_COLUMNS
from memento.storage.stored_json import are_readable

_CHUNK: Final = 500
_SHOWN: Final = 20


class RowCheck(NamedTuple):
    """The result of checking some rows."""

    damaged: list[int]
    """Numbers of rows whose content does not match its hash."""
    unsound: list[int]
    """Numbers of rows whose embedding does not match its hash; it can be rebuilt."""
    last: int
    """The number of the last row checked; 0 when the end was reached."""


def check_structure(connection: apsw.Connection) -> list[str]:
    """Run SQLite's integrity check: pages, rows, indexes and the full-text index's own structure."""
    try:
        found = [str(text) for (text,) in connection.execute(f"PRAGMA integrity_check({_SHOWN})")]
    except (apsw.CorruptError, apsw.NotADBError) as error:
        return [str(error)]
    return [] if found == ["ok"] else found


def check_pages(connection: apsw.Connection) -> list[str]:
    """Run SQLite's quick check: pages and rows, not the indexes."""
    try:
        found = [str(text) for (text,) in connection.execute(f"PRAGMA quick_check({_SHOWN})")]
    except (apsw.CorruptError, apsw.NotADBError) as error:
        return [str(error)]
    return [] if found == ["ok"] else found


def check_rows(connection: apsw.Connection, after: int = 0, limit: int | None = None) -> RowCheck:
    """Compare up to `limit` rows after number `after` with their hashes.

    Raises apsw.CorruptError, and UnicodeDecodeError for a text that is not valid UTF-8.
    """
    damaged: list[int] = []
    unsound: list[int] = []
    last = after
    left = limit
    while left is None or left > 0:
        chunk: list[tuple[Any, ...]] = connection.execute(
            f"SELECT num, {', '.join(HASHED)}, content_hash, embedding_hash, embedding, active, model, embedding_seq "
            "FROM memories WHERE num > ? ORDER BY num LIMIT ?",
            (last, _CHUNK if left is None else min(_CHUNK, left)),
        ).fetchall()
        if not chunk:
            return RowCheck(damaged, unsound, 0)
        for num, *columns, content, embedding_hash, embedding, active, model, seq in chunk:
            readable = are_readable(*(columns[at] for at in JSON_COLUMNS))
            if row_hash(columns) != content or active not in (0, 1) or not readable:
                damaged.append(num)
            elif not _embedding_is_sound(embedding, embedding_hash, model, seq):
                unsound.append(num)
        last = chunk[-1][0]
        left = None if left is None else left - len(chunk)
    return RowCheck(damaged, unsound, last)


def _embedding_is_sound(embedding: Any, expected: Any, model: Any, seq: Any) -> bool:
    if embedding is None:
        return expected is None and model is None and seq is None
    if not isinstance(embedding, bytes) or not isinstance(seq, int) or not isinstance(model, str):
        return False
    return bool(blake2b(embedding, digest_size=HASH_BYTES).digest() == expected and model and seq > 0)


def check_fulltext(connection: apsw.Connection) -> list[str]:
    """Compare the full-text index with the rows, holding the write lock."""
    try:
        options = connection.execute("SELECT k FROM memories_fts_config WHERE k NOT IN ('version', 'secure-delete')")
        if options.fetchone():  # `rank` could name a function that every query runs
            return ["the full-text index has options that Memento does not set"]
        connection.execute("INSERT INTO memories_fts (memories_fts, rank) VALUES ('integrity-check', 1)")
    except (apsw.CorruptError, apsw.SQLError) as error:
        return [f"the full-text index differs from the rows: {error}"]
    return []


def check_tags(connection: apsw.Connection) -> list[str]:
    """Compare the table of tags with the rows."""
    wanted = "SELECT DISTINCT value, memories.num FROM memories, json_each(memories.tags)"
    there = "SELECT tag, num FROM memory_tags"
    both = f"SELECT 1 FROM ({wanted} EXCEPT {there}) UNION ALL SELECT 1 FROM ({there} EXCEPT {wanted})"
    try:
        wrong = connection.execute(f"SELECT count(*) FROM ({both})").get
    except (apsw.CorruptError, apsw.SQLError) as error:
        return [f"the tags cannot be read: {error}"]
    return [f"the table of tags and the rows differ in {counted(wrong, 'entry')}"] if wrong else []


def check_states(connection: apsw.Connection) -> list[str]:
    """Find sources whose parser's state is not JSON, as when an overflow page was lost."""
    broken = connection.execute("SELECT count(*) FROM sources WHERE NOT json_valid(state)").get
    return [f"the state of {counted(broken, 'source')} cannot be read"] if broken else []


def check_references(connection: apsw.Connection) -> list[str]:
    """Find references to missing rows, and embedding numbers beyond their counter."""
    found = [f"{table} refers to a row that is not in {parent}" for table, _, parent, _ in _foreign_keys(connection)]
    models = connection.execute(
        "SELECT count(DISTINCT embedding_seq) <> count(embedding_seq), coalesce(max(embedding_seq), 0) > "
        "(SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE key = 'embeddings') FROM memories"
    ).fetchone()
    if models and any(models):
        found.append("embeddings carry numbers that were never given")
    return found


def _foreign_keys(connection: apsw.Connection) -> list[tuple[Any, ...]]:
    return connection.execute(f"SELECT * FROM pragma_foreign_key_check LIMIT {_SHOWN}").fetchall()
