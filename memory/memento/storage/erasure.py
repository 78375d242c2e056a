"""The SQL of forgetting: delete rows so that their bytes are overwritten, and search for remains."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final

import apsw

from memento.storage import ignored, meta, tombstones
from memento.storage.filters import IN_JSON_LIST

_MIN_SESSION_LENGTH: Final = 8
"""A session id of this length or more identifies the session wherever it occurs."""
_FOUND: Final = f"""
SELECT num, id, text, session_id, project, speaker, id NOT {IN_JSON_LIST} FROM memories
WHERE id {IN_JSON_LIST} OR (trust = 'import' AND id {IN_JSON_LIST})
"""
_PLACES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("memories", ("text", "tags", "speaker", "project", "session_id", "source", "meta", "why", "collection")),
    ("sessions", ("title", "session_id")),
    ("ignored", ("value",)),
)
"""Columns whose texts the user may want to keep."""
_OTHER_PLACES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("memories", ("role", "trust", "kind", "coalesce(model, '')")),
    ("sources", ("path", "format", "state", "coalesce(error, '')")),
    ("followed", ("path",)),
    ("ledger", ("reason",)),
    ("quarantine", ("reason", "sample")),
    ("jobs", ("name", "coalesce(last_error, '')")),
    ("meta", ("key", "value")),
    ("sqlite_schema", ("coalesce(sql, '')",)),
)


@dataclass(slots=True)
class Erased:
    """What was erased from a database."""

    memories: list[str] = field(default_factory=list)
    """Ids of the deleted rows."""
    titles: list[str] = field(default_factory=list)
    quarantine: int = 0
    """Samples that were emptied."""
    states: int = 0
    """Parsers' states that named a project or a speaker."""

    def __bool__(self) -> bool:
        return bool(self.memories or self.titles or self.quarantine or self.states)


@contextmanager
def overwriting(connection: apsw.Connection, *, words: bool = True) -> Iterator[None]:
    """Overwrite what the body deletes, inside the caller's transaction; with `words`, in the full-text index too.

    The index is merged into one segment, without deleted postings. FTS5's own `secure-delete`, switched on for one
    deletion, damages an index in which rows were updated without it (SQLite 3.54).
    """
    connection.pragma("secure_delete", "on")
    try:
        yield
        if words:
            connection.execute("INSERT INTO memories_fts (memories_fts) VALUES ('optimize')")
    finally:
        connection.pragma("secure_delete", "fast")


def erase(connection: apsw.Connection, keys: Sequence[str], texts: Iterable[str] = ()) -> Erased:
    """Delete memories and everything derived from them, inside the caller's transaction; add their tombstones.

    `keys` are tombstones: keys that match nothing are ignored, and keys of imports delete only imported memories.
    `texts` are texts of memories that may have been deleted before. Call this inside `overwriting`.
    """
    given = json.dumps(list(keys))
    prefix = tombstones.IMPORTED
    brought = json.dumps([key.removeprefix(prefix) for key in keys if key.startswith(prefix)])
    found: list[tuple[Any, ...]] = connection.execute(_FOUND, (given, given, brought)).fetchall()
    for _, memory, text, session, *_, is_brought in found:
        own = tombstones.memory_keys(memory, text, session)
        tombstones.add_tombstones(connection, tombstones.as_imported(own) if is_brought else own)
    rows = [row for row in found if not row[-1]]
    nums = json.dumps([row[0] for row in found])
    connection.execute(f"DELETE FROM memory_tags WHERE num {IN_JSON_LIST}", (nums,))
    connection.execute(f"DELETE FROM memories WHERE num {IN_JSON_LIST}", (nums,))
    erased = Erased([row[1] for row in found])
    sessions = {str(row[3]) for row in rows} - {""}
    sessions |= _gone(connection, {str(row[3]) for row in found}, "session_id")
    erased.titles = _erase_titles(connection, sessions, {key for key in keys if key.startswith("title:")})
    wanted = {piece for text in (*(row[2] for row in rows), *texts) for piece in tombstones.pieces(text)}
    tombstones.add_pieces(connection, wanted)
    erased.quarantine = _empty_samples(connection, wanted, _gone(connection, sessions, "session_id"))
    out = ignored.load(connection)  # their parsers continue and need these values to leave them out
    heard = [row for row in rows if not out.covers(str(row[3]), str(row[4]))]
    values = {*_gone(connection, {str(row[4]) for row in heard}, "project")}
    values |= _gone(connection, {str(row[5]) for row in heard}, "speaker")
    tombstones.add_values(connection, values)
    erased.states = _blank_states(connection, values)
    if found:
        meta.add_to_counter(connection, meta.DELETIONS, 1)
    return erased


def erase_from_copy(connection: apsw.Connection, keys: Sequence[str], texts: Iterable[str]) -> Erased:
    """Erase from a copy that nobody else uses, and rebuild it; return what was erased."""
    connection.execute("BEGIN IMMEDIATE")
    erased = erase(connection, keys, texts)
    if erased:
        tombstones.add_tombstones(connection, keys)
        meta.delete_note(connection, meta.FORGETTING)
    connection.execute("COMMIT" if erased else "ROLLBACK")
    if erased:  # VACUUM leaves no old pages, so nothing needs to be overwritten
        connection.execute("INSERT INTO memories_fts (memories_fts) VALUES ('optimize')")
        connection.execute("VACUUM")
    return erased


def count_holders(connection: apsw.Connection, needle: str, *, anywhere: bool = False) -> int:
    """Count the memories, titles and ignored names that contain a text, which other memories may share.

    `anywhere` also searches all other tables, ignoring case.
    """
    total = 0
    for table, columns in (*_PLACES, *(_OTHER_PLACES if anywhere else ())):
        joined = " || char(0) || ".join(columns)
        held = "instr(lower({}), lower(?))" if anywhere else "instr({}, ?)"
        found = connection.execute(f"SELECT count(*) FROM {table} WHERE {held.format(joined)} > 0", (needle,)).get
        total += int(found or 0)
    return total


def has_tombstones(connection: apsw.Connection, keys: Sequence[str]) -> bool:
    """Tell whether all of these tombstones exist."""
    there = f"SELECT count(*) FROM tombstones WHERE id {IN_JSON_LIST}"
    return int(connection.execute(there, (json.dumps(list(keys)),)).get or 0) == len({*keys})


def sources_in_forgotten(connection: apsw.Connection, but: Collection[PurePath]) -> list[str]:
    """Return the paths of known transcripts inside forgotten projects; folders in `but` are no projects."""
    gate = tombstones.TombstoneFilter(connection)
    known = connection.execute("SELECT path FROM sources UNION SELECT path FROM followed").fetchall()
    above = {str(path): [str(one) for one in PurePath(str(path)).parents if one not in but] for (path,) in known}
    return [path for path, folders in above.items() if gate.refuses_any(folders)]


def drop_source(connection: apsw.Connection, path: str) -> None:
    """Delete everything known about a source that no longer exists, inside the caller's transaction."""
    connection.execute("DELETE FROM quarantine WHERE source IN (SELECT num FROM sources WHERE path = ?)", (path,))
    connection.execute("DELETE FROM ledger WHERE source IN (SELECT num FROM sources WHERE path = ?)", (path,))
    connection.execute("DELETE FROM sources WHERE path = ?", (path,))
    connection.execute("DELETE FROM followed WHERE path = ?", (path,))


def _erase_titles(connection: apsw.Connection, sessions: set[str], keys: set[str]) -> list[str]:
    if keys:  # the keys are hashes: hash the known sessions to compare
        known = connection.execute("SELECT DISTINCT session_id FROM sessions")
        sessions = sessions | {str(session) for (session,) in known if tombstones.title_key(str(session)) in keys}
    given = json.dumps(sorted(sessions))
    gone = connection.execute(
        f"DELETE FROM sessions WHERE session_id {IN_JSON_LIST} RETURNING title", (given,)
    ).fetchall()
    return [str(title) for (title,) in gone]


def _gone(connection: apsw.Connection, values: set[str], column: str) -> set[str]:
    """Return the values that no memory has in this column any more."""
    there = f"SELECT {column} FROM memories WHERE {column} {IN_JSON_LIST}"
    return values - {""} - {str(one) for (one,) in connection.execute(there, (json.dumps(sorted(values)),))}


def _empty_samples(connection: apsw.Connection, wanted: set[str], sessions: set[str]) -> int:
    """Empty the samples that hold one of these pieces, or that belong to one of these sessions."""
    samples = connection.execute("SELECT num, sample FROM quarantine WHERE sample <> ''")
    emptied = {num: sample for num, sample in samples if tombstones.holds_piece(sample, wanted)} if wanted else {}
    for session in sessions:
        if len(session) >= _MIN_SESSION_LENGTH:
            emptied |= dict(
                connection.execute(
                    "SELECT q.num, q.sample FROM quarantine AS q JOIN sources AS s ON s.num = q.source WHERE "
                    "q.sample <> '' AND (instr(q.sample, ?1) > 0 OR instr(s.path, ?1) > 0 OR instr(s.state, ?1) > 0)",
                    (session,),
                )
            )
    connection.executemany("UPDATE quarantine SET sample = '' WHERE num = ?", [(num,) for num in emptied])
    tombstones.add_samples(connection, emptied.values())
    return len(emptied)


def _blank_states(connection: apsw.Connection, values: set[str]) -> int:
    """Blank these texts in parsers' states. Such a source is read from its beginning when it grows."""
    changed = {}
    for num, state in connection.execute("SELECT num, state FROM sources WHERE state <> '{}'") if values else ():
        known = json.loads(state)
        if (without := tombstones.blank_out(known, values)) != known:
            changed[num] = json.dumps(without)
    connection.executemany(
        "UPDATE sources SET state = ?, head_hash = x'' WHERE num = ?", [(new, num) for num, new in changed.items()]
    )
    return len(changed)
