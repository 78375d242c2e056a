"""The SQL of curation: marks (superseded, faded, repeated), collections, and texts in which a secret was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apsw

from memento.base.identity import row_hash
from memento.memory import REPLACES
from memento.storage.filters import IN_JSON_LIST, json_list
from memento.storage.rows import HASHED
from memento.storage.timestamps import AHEAD

_COLUMNS = ", ".join(HASHED)
_SURVEYED = (
    "num, id, text, timestamp, role, speaker, kind, importance, tags, collection, project, trust, superseded_by, "
    "EXISTS (SELECT 1 FROM repeats WHERE repeats.num = memories.num), "
    "EXISTS (SELECT 1 FROM faded WHERE faded.num = memories.num), "
    f"{AHEAD}, json_valid(why) AND why ->> 'reason' = 'remembered', "
    f"CASE WHEN instr(meta, '\"{REPLACES}\":') > 0 AND json_valid(meta) THEN meta ->> '$.{REPLACES}' END"
)


class SurveyedRow(NamedTuple):
    """The columns of a row that consolidation reads."""

    num: int
    id: str
    text: str
    timestamp: int
    role: str
    speaker: str
    kind: str
    importance: float
    tags: str
    """JSON, as it is stored."""
    collection: str
    project: str
    trust: str
    superseded_by: str | None
    """As stored: the newer memory may no longer exist."""
    repeated: int
    faded: int
    ahead: int
    """1 if its timestamp was ahead of the clock."""
    remembered: int | None
    """1 if somebody asked for it to be kept as it is: it was not judged."""
    replaces: str | int | float | None
    """The id of the instruction that it rewords, according to its meta; usually None."""


def survey_rows(connection: apsw.Connection, after: int, limit: int) -> list[SurveyedRow]:
    """Return the next active rows whose number is greater than `after`, ordered by number."""
    sql = f"SELECT {_SURVEYED} FROM memories WHERE num > ? AND active ORDER BY num LIMIT ?"
    rows: Iterable[tuple[Any, ...]] = connection.execute(sql, (after, limit))
    return [SurveyedRow(*row) for row in rows]


def read_text(connection: apsw.Connection, memory: str) -> str | None:
    """Return a memory's text; None when there is no such row."""
    found: str | None = connection.execute("SELECT text FROM memories WHERE id = ?", (memory,)).get
    return found


def read_beginning(connection: apsw.Connection, memory: str, characters: int) -> str:
    """Return the first characters of a memory's text; empty if there is no such row."""
    sql = "SELECT substr(text, 1, ?) FROM memories WHERE id = ?"
    return str(connection.execute(sql, (characters, memory)).get or "")


def mark_superseded(connection: apsw.Connection, marks: Iterable[tuple[str, str | None]]) -> None:
    """Set for each memory which newer one supersedes it, inside the caller's transaction.

    None clears the mark; so does a newer memory that no longer exists.
    """
    connection.executemany(
        "UPDATE memories SET superseded_by = (SELECT id FROM memories WHERE id = ?) WHERE id = ?",
        ((by, memory) for memory, by in marks),
    )


def move_to_collection(connection: apsw.Connection, ids: Iterable[str], collection: str) -> None:
    """Move memories to a collection, inside the caller's transaction."""
    for memory in ids:
        rewrite_row(connection, memory, {"collection": collection})


def rewrite_row(connection: apsw.Connection, memory: str, columns: Mapping[str, str]) -> bool:
    """Change columns of a row and its hash, inside the caller's transaction; return False if there is no such row.

    A changed text or speaker drops the embedding, so that the row is embedded again.
    """
    row = connection.execute(f"SELECT {_COLUMNS} FROM memories WHERE id = ?", (memory,)).fetchone()
    if row is None:
        return False
    changed = {**dict(zip(HASHED, row, strict=True)), **columns}
    names = ", ".join(f"{name} = ?" for name in columns)
    connection.execute(
        f"UPDATE memories SET {names}, content_hash = ? WHERE id = ?",
        (*columns.values(), row_hash(changed[name] for name in HASHED), memory),
    )
    if columns.keys() & {"text", "speaker"}:
        connection.execute(
            "UPDATE memories SET model = NULL, embedding_seq = NULL, embedding_hash = NULL, embedding = NULL "
            "WHERE id = ?",
            (memory,),
        )
    return True


class StoredText(NamedTuple):
    """A text outside the table of memories: its table, its row number, and the text."""

    table: str
    row: int
    text: str


_STORED_TEXTS = {"quarantine": "sample", "sessions": "title", "sources": "state", "followed": "path"}


def stored_texts(connection: apsw.Connection) -> Iterator[StoredText]:
    """Yield the texts stored outside of memories: quarantined samples, titles, parsers' states, paths."""
    for table, column in _STORED_TEXTS.items():
        number = "num" if table in ("quarantine", "sources") else "0"
        for row in connection.execute(f"SELECT {number}, {column} FROM {table}"):
            yield StoredText(table, *row)


def replace_stored_text(connection: apsw.Connection, place: StoredText, text: str) -> None:
    """Replace a text that holds a secret by one that does not, inside the caller's transaction.

    A source whose parser's state holds a secret is dropped and read from its beginning; such a path is unfollowed.
    """
    if place.table == "sources":
        connection.execute("DELETE FROM sources WHERE num = ?", (place.row,))
    elif place.table == "followed":
        connection.execute("DELETE FROM followed WHERE path = ?", (place.text,))
    elif place.table == "sessions":
        connection.execute("UPDATE sessions SET title = ? WHERE title = ?", (text, place.text))
    else:
        connection.execute("UPDATE quarantine SET sample = ? WHERE num = ?", (text, place.row))


def count_repeats(connection: apsw.Connection, memory: str) -> int:
    """Count the older memories that this one supersedes."""
    return int(connection.execute("SELECT count(*) FROM memories WHERE superseded_by = ?", (memory,)).get or 0)


def mark_faded(connection: apsw.Connection, memories: Iterable[str]) -> None:
    """Mark memories, by id, as faded (ranked lower in recall), inside the caller's transaction."""
    connection.executemany(
        "INSERT OR IGNORE INTO faded SELECT num FROM memories WHERE id = ?", ((one,) for one in memories)
    )


def unmark_faded(connection: apsw.Connection, memories: Iterable[str]) -> None:
    """Remove the faded mark from memories, by id, inside the caller's transaction."""
    connection.executemany(
        "DELETE FROM faded WHERE num = (SELECT num FROM memories WHERE id = ?)", ((one,) for one in memories)
    )


def mark_repeated(connection: apsw.Connection, newest: Iterable[tuple[str, str]]) -> None:
    """Mark the first memory of each pair as repeated by the second, newer one, inside the caller's transaction."""
    connection.executemany(
        "INSERT OR REPLACE INTO repeats SELECT older.num, newest.num FROM memories AS older, memories AS newest "
        "WHERE older.id = ? AND newest.id = ?",
        newest,
    )


def unmark_repeated(connection: apsw.Connection, memories: Iterable[str]) -> None:
    """Remove the repeated mark from memories, by id, inside the caller's transaction."""
    connection.executemany(
        "DELETE FROM repeats WHERE num = (SELECT num FROM memories WHERE id = ?)", ((one,) for one in memories)
    )


def newest_repeats(connection: apsw.Connection, nums: Sequence[int]) -> dict[int, int]:
    """Return {row number: row number of the newest repeat}, for rows that have one."""
    return dict(connection.execute(f"SELECT num, newest FROM repeats WHERE num {IN_JSON_LIST}", (json_list(nums),)))


def equal_rows(connection: apsw.Connection, nums: Sequence[int]) -> dict[int, set[int]]:
    """Return {row number: row numbers of all other memories that say the same}."""
    newer = newest_repeats(connection, nums)
    last = {num: newer.get(num, num) for num in nums}
    same = {one: {one} for one in last.values()}
    find = f"SELECT newest, num FROM repeats WHERE newest {IN_JSON_LIST}"
    for one, older in connection.execute(find, (json_list(same),)):
        same[one].add(older)
    return {num: same[last[num]] - {num} for num in nums}
