"""What curation changes in rows: marks, the collection, and texts in which a secret was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import apsw

from memento.base.identity import row_hash
from memento.memory import REPLACES
from memento.storage.rows import HASHED
from memento.storage.stamps import AHEAD

_COLUMNS = ", ".join(HASHED)
_SURVEYED = (
    "num, id, text, timestamp, role, speaker, kind, importance, tags, collection, project, trust, superseded_by, "
    "EXISTS (SELECT 1 FROM repeats WHERE repeats.num = memories.num), "
    "EXISTS (SELECT 1 FROM faded WHERE faded.num = memories.num), "
    f"{AHEAD}, json_valid(why) AND why ->> 'reason' = 'remembered', "
    f"CASE WHEN instr(meta, '\"{REPLACES}\":') > 0 AND json_valid(meta) THEN meta ->> '$.{REPLACES}' END"
)


class Surveyed(NamedTuple):
    """What consolidation looks at of a row."""

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
    """As it is marked: the newer one may be gone."""
    repeated: int
    faded: int
    ahead: int
    """1 where its stamp was ahead of the clock."""
    remembered: int | None
    """1 where somebody asked for it to be kept as it is: it was not judged."""
    replaces: str | int | float | None
    """The id of the instruction that it rewords, as its meta claims; None for most."""


def survey(connection: apsw.Connection, after: int, limit: int) -> list[Surveyed]:
    """Return the next active rows whose number is greater than `after`, in the order of their numbers."""
    sql = f"SELECT {_SURVEYED} FROM memories WHERE num > ? AND active ORDER BY num LIMIT ?"
    rows: Iterable[tuple[Any, ...]] = connection.execute(sql, (after, limit))
    return [Surveyed(*row) for row in rows]


def text(connection: apsw.Connection, memory: str) -> str | None:
    """Return a memory's text; None when there is no such row."""
    found: str | None = connection.execute("SELECT text FROM memories WHERE id = ?", (memory,)).get
    return found


def beginning(connection: apsw.Connection, memory: str, characters: int) -> str:
    """Return the first characters of a memory's text; nothing when there is no such row."""
    sql = "SELECT substr(text, 1, ?) FROM memories WHERE id = ?"
    return str(connection.execute(sql, (characters, memory)).get or "")


def supersede(connection: apsw.Connection, marks: Iterable[tuple[str, str | None]]) -> None:
    """Say of each memory which newer one takes its place, inside the caller's transaction.

    None: none does; nor does one that was deleted since it was found.
    """
    connection.executemany(
        "UPDATE memories SET superseded_by = (SELECT id FROM memories WHERE id = ?) WHERE id = ?",
        ((by, memory) for memory, by in marks),
    )


def move(connection: apsw.Connection, ids: Iterable[str], collection: str) -> None:
    """Move memories to a collection, inside the caller's transaction."""
    for memory in ids:
        rewrite(connection, memory, {"collection": collection})


def rewrite(connection: apsw.Connection, memory: str, columns: Mapping[str, str]) -> bool:
    """Change columns of a row and its hash with them, inside the caller's transaction; False if there is no such row.

    A new text or speaker waits for its embedding.
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


class Place(NamedTuple):
    """A text outside of the rows of memories: its table, the number of its row, and the text."""

    table: str
    row: int
    text: str


_PLACES = {"quarantine": "sample", "sessions": "title", "sources": "state", "followed": "path"}


def places(connection: apsw.Connection) -> Iterator[Place]:
    """Yield the texts that lie beside the memories: samples, titles, what parsers remember, paths."""
    for table, column in _PLACES.items():
        number = "num" if table in ("quarantine", "sources") else "0"
        for row in connection.execute(f"SELECT {number}, {column} FROM {table}"):
            yield Place(table, *row)


def clean(connection: apsw.Connection, place: Place, text: str) -> None:
    """Put a text without its secret in the place of one that has it, inside the caller's transaction.

    A source whose parser remembers a secret is read again from its beginning; a path with one is not followed.
    """
    if place.table == "sources":
        connection.execute("DELETE FROM sources WHERE num = ?", (place.row,))
    elif place.table == "followed":
        connection.execute("DELETE FROM followed WHERE path = ?", (place.text,))
    elif place.table == "sessions":
        connection.execute("UPDATE sessions SET title = ? WHERE title = ?", (text, place.text))
    else:
        connection.execute("UPDATE quarantine SET sample = ? WHERE num = ?", (text, place.row))


def repeats(connection: apsw.Connection, memory: str) -> int:
    """Count the older memories that this one stands for."""
    return int(connection.execute("SELECT count(*) FROM memories WHERE superseded_by = ?", (memory,)).get or 0)
