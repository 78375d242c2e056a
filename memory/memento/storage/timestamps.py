"""Timestamps ahead of the clock: count the memories that have one, and correct those of older versions."""

from __future__ import annotations

import json
from typing import Final, NamedTuple

import apsw

from memento.base.identity import row_hash
from memento.base.times import EARLIEST_CLOCK, MOST_AHEAD
from memento.memory import STATED_TIME
from memento.storage.rows import HASHED
from memento.storage.stored_json import mapping

_STORED_AT: Final = (
    f"CASE WHEN memories.ingested_at < {EARLIEST_CLOCK} THEN unixepoch() * 1000 ELSE memories.ingested_at END"
)
"""SQL: when a memory was stored; now, if the clock was wrong at that time."""
_UNFLAGGED: Final = f"memories.timestamp > {MOST_AHEAD} + {_STORED_AT}"
"""SQL: the timestamp is ahead and was stored unchecked by an older version."""
AHEAD: Final = f"(instr(memories.meta, '\"{STATED_TIME}\":') > 0 OR {_UNFLAGGED})"
"""SQL: the timestamp was ahead of the clock when the memory was stored, so the time of the event is unknown."""


class AheadCounts(NamedTuple):
    """Numbers of memories whose timestamp was ahead."""

    all: int
    recent: int
    """Those stored since the given time."""
    unflagged: int
    """Those that `clamp_ahead` has not corrected yet."""


class WrongClockCounts(NamedTuple):
    """Numbers of memories stored while the clock was wrong."""

    early: int
    """Before 2020."""
    late: int
    """Later than now."""


def count_ahead(connection: apsw.Connection, since: int) -> AheadCounts:
    """Count the memories whose timestamp was ahead; `since` in Unix milliseconds."""
    recent, unflagged = "coalesce(sum(ingested_at >= ?), 0)", f"coalesce(sum({_UNFLAGGED}), 0)"
    found = connection.execute(f"SELECT count(*), {recent}, {unflagged} FROM memories WHERE {AHEAD}", (since,))
    return AheadCounts(*next(found))


def clamp_ahead(connection: apsw.Connection) -> int:
    """Clamp and flag timestamps that an older version stored unchecked, inside the caller's transaction."""
    nums = [num for (num,) in connection.execute(f"SELECT num FROM memories WHERE {_UNFLAGGED}")]
    read = f"SELECT {_STORED_AT}, {', '.join(HASHED)} FROM memories WHERE num = ?"
    for num in nums:
        stored_at, *values = next(connection.execute(read, (num,)))
        row = dict(zip(HASHED, values, strict=True))
        meta = {**mapping(row["meta"]), STATED_TIME: row["timestamp"]}
        row |= {"timestamp": stored_at, "meta": json.dumps(meta, ensure_ascii=False, separators=(",", ":"))}
        connection.execute(
            "UPDATE memories SET timestamp = ?, meta = ?, content_hash = ? WHERE num = ?",
            (row["timestamp"], row["meta"], row_hash(row.values()), num),
        )
    return len(nums)


def count_wrong_clock(connection: apsw.Connection, now: int) -> WrongClockCounts:
    """Count the memories whose storage time cannot be right at `now` (Unix milliseconds)."""
    sql = "SELECT coalesce(sum(ingested_at < ?), 0), coalesce(sum(ingested_at > ?), 0) FROM memories"
    return WrongClockCounts(*next(connection.execute(sql, (EARLIEST_CLOCK, now + MOST_AHEAD))))
