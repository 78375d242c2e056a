"""What ranking reads of its candidates: the turn itself, its text, and who spoke before and after it in its session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import apsw

from memento.storage.filters import Filter, quote, where

TEXT_CHARACTERS: Final = 3_000
"""What is looked at of a long text: an answer to a question says so at its beginning."""
_CHUNK: Final = 500


class Turn(NamedTuple):
    """One memory, as far as ranking looks at it before it reads the text."""

    num: int
    id: str
    session: str
    timestamp: int
    """Unix milliseconds; 0 = unknown."""
    role: str
    speaker: str
    importance: float
    active: bool
    superseded_by: str | None
    length: int
    """Bytes of the text."""


class Around(NamedTuple):
    """The row numbers of a turn's neighbours in its session, the nearest first."""

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()


_TURN: Final = "num, id, session_id, timestamp, role, speaker, importance, active, superseded_by, octet_length(text)"
_SIDE: Final = """
(SELECT group_concat(num) FROM (
    SELECT near.num FROM memories AS near
    WHERE near.session_id = turn.session_id AND (near.timestamp, near.num) {sign} (turn.timestamp, turn.num)
    ORDER BY near.timestamp {order}, near.num {order} LIMIT ?1))
"""
_REPLACEMENTS: Final = f"""
WITH RECURSIVE newer (num, superseded_by) AS (
    SELECT next.num, next.superseded_by FROM memories AS old JOIN memories AS next ON next.id = old.superseded_by
    WHERE old.num IN ({{marks}})
    UNION
    SELECT next.num, next.superseded_by FROM newer JOIN memories AS next ON next.id = newer.superseded_by
    LIMIT {_CHUNK}
)
SELECT num FROM newer
"""


def turns(connection: apsw.Connection, nums: Sequence[int], within: Filter | None = None) -> dict[int, Turn]:
    """Return the turns of these row numbers that exist and pass the filter."""
    found: dict[int, Turn] = {}
    condition, parameters = where(within or Filter())
    for part in _parts(nums):
        marks = ", ".join("?" * len(part))
        sql = f"SELECT {_TURN} FROM memories WHERE num IN ({marks}) AND {condition}"
        for row in connection.execute(sql, (*part, *parameters)):
            found[row[0]] = Turn._make(row)
    return found


def texts(connection: apsw.Connection, nums: Sequence[int]) -> dict[int, str]:
    """Return the first TEXT_CHARACTERS of each text."""
    found: dict[int, str] = {}
    for part in _parts(nums):
        marks = ", ".join("?" * len(part))
        sql = f"SELECT num, substr(text, 1, {TEXT_CHARACTERS}) FROM memories WHERE num IN ({marks})"
        found.update(connection.execute(sql, part))
    return found


def around(connection: apsw.Connection, nums: Sequence[int], reach: int) -> dict[int, Around]:
    """Return up to `reach` neighbours on each side; a memory without a session has none."""
    before, after = _SIDE.format(sign="<", order="DESC"), _SIDE.format(sign=">", order="ASC")
    found: dict[int, Around] = {}
    for part in _parts(nums):
        marks = ", ".join("?" * len(part))
        sql = f"SELECT num, {before}, {after} FROM memories AS turn WHERE num IN ({marks}) AND session_id <> ''"
        for num, earlier, later in connection.execute(sql, (reach, *part)):
            found[num] = Around(_nums(earlier), _nums(later))
    return found


def latest(connection: apsw.Connection, within: Filter, limit: int) -> list[int]:
    """Return the row numbers of the latest that pass the filter, the latest first."""
    condition, parameters = where(within)
    sql = f"SELECT num FROM memories WHERE {condition} ORDER BY timestamp DESC, num DESC LIMIT ?"
    return [num for (num,) in connection.execute(sql, (*parameters, limit))]


def replacements(connection: apsw.Connection, nums: Sequence[int]) -> set[int]:
    """Return the row numbers of what replaced these memories, and of what replaced that."""
    found: set[int] = set()
    for part in _parts(nums):
        marks = ", ".join("?" * len(part))
        found.update(num for (num,) in connection.execute(_REPLACEMENTS.format(marks=marks), part))
    return found


def has_another_session(connection: apsw.Connection, session: str, within: Filter) -> bool:
    """Tell whether a memory of no session or of another one passes the filter."""
    condition, parameters = where(within)
    sql = f"SELECT EXISTS (SELECT 1 FROM memories WHERE (session_id < ? OR session_id > ?) AND {condition})"
    return bool(connection.execute(sql, (session, session, *parameters)).get)


def has_speaker(connection: apsw.Connection, word: str) -> bool:
    """Tell whether anybody of that name has spoken."""
    sql = "SELECT EXISTS (SELECT 1 FROM memories_fts WHERE memories_fts MATCH ?)"
    return bool(connection.execute(sql, (f"speaker : {quote(word)}",)).get)


def _nums(text: str | None) -> tuple[int, ...]:
    return tuple(map(int, text.split(","))) if text else ()


def _parts(nums: Sequence[int]) -> Iterable[Sequence[int]]:
    return (nums[start : start + _CHUNK] for start in range(0, len(nums), _CHUNK))
