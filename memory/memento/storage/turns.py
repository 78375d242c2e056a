"""What ranking reads of its candidates: the turn, its text, and its neighbours in the session."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Final, NamedTuple

import apsw

from memento.base.times import EARLIEST_CLOCK, MOST_AHEAD, now_ms
from memento.memory import INSTRUCTION
from memento.storage.filters import IN_JSON_LIST, REPLACED_BY, Filter, json_list, quote_term, where
from memento.storage.timestamps import AHEAD

TEXT_CHARACTERS: Final = 3_000
"""Leading characters of a text that ranking reads: an answer usually shows at the beginning."""
EXCHANGE: Final = 8
"""Messages of people and agents on each side that are searched for the rest of an exchange,"""
EXCHANGE_ROWS: Final = 128
"""among this many neighbours: tool records between them are not counted."""
_Said = tuple[int, str]
"""A row number and the role of who said it."""
_JOINED: Final = re.compile(r"(\d+)(\w+)")
_REPLACED: Final = 1_000
"""Largest number of superseding memories to follow."""
_NO_LIMIT: Final = (1 << 63) - 1


class Turn(NamedTuple):
    """The columns of one memory that ranking reads before the text."""

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
    faded: bool = False
    of_project: bool = False
    """Whether its session belongs to a project, as in transcripts of coding agents."""
    is_instruction: bool = False
    """Whether it is a standing instruction of the user."""


class Exchange(NamedTuple):
    """The row numbers of a user's message and of its answers, found near a turn."""

    opening: int | None = None
    """The user's message: the turn itself, or the last one before it."""
    answers: tuple[int, ...] = ()
    """The assistant's messages up to the user's next one, in order."""
    earlier: tuple[int, ...] = ()
    """The user's messages before the opening, the latest first."""
    later: int | None = None
    """The user's next message."""
    continues: bool = False
    """Whether the turn is the user's, and no agent said anything since they spoke before."""

    def is_unanswered(self, num: int) -> bool:
        """Tell whether a turn opens the exchange and no answer is stored."""
        return self.opening == num and not self.answers


class Around(NamedTuple):
    """The row numbers of a turn's neighbours in its session, nearest first."""

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()


_TURN: Final = (
    f"num, id, session_id, timestamp, role, speaker, importance, active, {REPLACED_BY}, octet_length(text), "
    "num IN faded, project <> '' AND session_id <> '', "
    "role = 'user' AND trust = 'user' AND EXISTS "
    f"(SELECT 1 FROM memory_tags WHERE memory_tags.num = memories.num AND tag = '{INSTRUCTION}')"
)
_SIDE: Final = """
(SELECT group_concat(found) FROM (
    SELECT {what} AS found FROM memories AS near
    WHERE near.session_id = turn.session_id AND (near.timestamp, near.num) {sign} (turn.timestamp, turn.num)
    {{branch}} ORDER BY near.timestamp {order}, near.num {order} LIMIT ?1))
"""
_SAME_BRANCH: Final = "AND near.active >= turn.active"
"""Not for ranking: what is active lies in the rows, all else it needs in an index."""
_REPLACEMENTS: Final = f"""
WITH RECURSIVE newer (num, superseded_by) AS (
    SELECT next.num, next.superseded_by FROM memories AS old JOIN memories AS next ON next.id = old.superseded_by
    WHERE old.num {IN_JSON_LIST}
    UNION
    SELECT next.num, next.superseded_by FROM newer JOIN memories AS next ON next.id = newer.superseded_by
    LIMIT {_REPLACED}
)
SELECT num FROM newer
"""
_AROUND: Final = f"""
SELECT num, {_SIDE.format(sign="<", order="DESC", what="near.num")},
    {_SIDE.format(sign=">", order="ASC", what="near.num")}
FROM memories AS turn WHERE num {IN_JSON_LIST} AND session_id <> ''
"""
_SPOKEN: Final = f"""
(SELECT group_concat(num || role) FROM (
    SELECT num, role FROM (
        SELECT near.num, near.role FROM memories AS near
        WHERE near.session_id = turn.session_id AND (near.timestamp, near.num) {{sign}} (turn.timestamp, turn.num)
        {_SAME_BRANCH} ORDER BY near.timestamp {{order}}, near.num {{order}} LIMIT {EXCHANGE_ROWS})
    WHERE role <> 'tool' LIMIT {EXCHANGE}))
"""
_EXCHANGES: Final = f"""
SELECT num, role, {_SPOKEN.format(sign="<", order="DESC")}, {_SPOKEN.format(sign=">", order="ASC")}
FROM memories AS turn WHERE num {IN_JSON_LIST} AND session_id <> ''
"""


def turns(connection: apsw.Connection, nums: Iterable[int], within: Filter | None = None) -> dict[int, Turn]:
    """Return the turns of these row numbers that exist and pass the filter."""
    condition, parameters = where(within or Filter())
    sql = f"SELECT {_TURN} FROM memories WHERE num {IN_JSON_LIST} AND {condition}"
    return {row[0]: Turn._make(row) for row in connection.execute(sql, (json_list(nums), *parameters))}


def texts(connection: apsw.Connection, nums: Iterable[int]) -> dict[int, str]:
    """Return the first TEXT_CHARACTERS of each text."""
    sql = f"SELECT num, substr(text, 1, {TEXT_CHARACTERS}) FROM memories WHERE num {IN_JSON_LIST}"
    return dict(connection.execute(sql, (json_list(nums),)))


def subwords(connection: apsw.Connection, nums: Iterable[int]) -> dict[int, str]:
    """Return the words of each text that the tokenizer does not see, where there are any; TEXT_CHARACTERS at most."""
    sql = (
        f"SELECT num, substr(subwords, 1, {TEXT_CHARACTERS}) FROM memories WHERE subwords <> '' AND num {IN_JSON_LIST}"
    )
    return dict(connection.execute(sql, (json_list(nums),)))


def around(
    connection: apsw.Connection, nums: Iterable[int], reach: int, *, same_branch: bool = False
) -> dict[int, Around]:
    """Return up to `reach` neighbours on each side; a memory without a session has none.

    With `same_branch`, memories on an abandoned branch are no neighbours of active ones.
    """
    found = connection.execute(_AROUND.format(branch=_SAME_BRANCH if same_branch else ""), (reach, json_list(nums)))
    return {num: Around(_nums(earlier), _nums(later)) for num, earlier, later in found}


def exchanges(connection: apsw.Connection, nums: Iterable[int]) -> dict[int, Exchange]:
    """Return the exchange of each turn within EXCHANGE messages on each side; a turn without a session has none."""
    found = connection.execute(_EXCHANGES, (json_list(nums),))
    return {num: _exchange(num, role, _roles(earlier), _roles(later)) for num, role, earlier, later in found}


def _exchange(num: int, role: str, earlier: Sequence[_Said], later: Sequence[_Said]) -> Exchange:
    """Return the exchange of a turn from its neighbours, given nearest first."""
    before = [] if role == "user" else [*takewhile(_is_not_users, earlier)]
    rest = earlier[len(before) :]
    opening = num if role == "user" else rest[0][0] if rest else None
    said = [*reversed(before), (num, role), *takewhile(_is_not_users, later)]
    return Exchange(
        opening,
        tuple(one for one, by in said if by == "assistant"),
        tuple(one for one, by in earlier if by == "user" and one != opening),
        next((one for one, by in later if by == "user"), None),
        role == "user" and [by for _, by in earlier[:1]] == ["user"],
    )


def _is_not_users(one: _Said) -> bool:
    return one[1] != "user"


def latest(connection: apsw.Connection, within: Filter, limit: int) -> list[int]:
    """Return the row numbers of the latest memories that pass the filter, latest first.

    Memories whose timestamp was ahead of the clock come last, since their time is unknown; so do those stored while the
    clock was fast, until their time has come.
    """
    now = now_ms()
    latest_time = now + MOST_AHEAD if now >= EARLIEST_CLOCK else _NO_LIMIT
    ahead = f"({AHEAD} OR memories.timestamp > {latest_time})"
    condition, parameters = where(within)
    found: list[int] = []
    for stamp in (f"memories.timestamp <= {latest_time} AND NOT {AHEAD}", ahead):
        sql = f"SELECT num FROM memories WHERE {condition} AND {stamp} ORDER BY timestamp DESC, num DESC LIMIT ?"
        found += [num for (num,) in connection.execute(sql, (*parameters, limit - len(found)))]
    return found


def replacements(connection: apsw.Connection, nums: Iterable[int]) -> set[int]:
    """Return the row numbers of all memories that directly or indirectly supersede these."""
    return {num for (num,) in connection.execute(_REPLACEMENTS, (json_list(nums),))}


def has_another_session(connection: apsw.Connection, session: str, within: Filter) -> bool:
    """Tell whether a memory of another session, or of none, passes the filter."""
    condition, parameters = where(within)
    sql = f"SELECT EXISTS (SELECT 1 FROM memories WHERE (session_id < ? OR session_id > ?) AND {condition})"
    return bool(connection.execute(sql, (session, session, *parameters)).get)


def has_speaker(connection: apsw.Connection, word: str) -> bool:
    """Tell whether a speaker has this name."""
    sql = "SELECT EXISTS (SELECT 1 FROM memories_fts WHERE memories_fts MATCH ?)"
    return bool(connection.execute(sql, (f"speaker : {quote_term(word)}",)).get)


def _roles(text: str | None) -> list[_Said]:
    """Return the pairs that `_EXCHANGES` joins as `12user,13assistant`."""
    return [(int(num), role) for num, role in _JOINED.findall(text or "")]


def _nums(text: str | None) -> tuple[int, ...]:
    return tuple(map(int, text.split(","))) if text else ()
