"""What was decided, corrected, left open or went wrong in a folder or about a file, by the tags of the rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, NamedTuple

import apsw

from memento.memory import Memory
from memento.storage import rows
from memento.storage.filters import REPLACED_BY, quote_term

_BELOW: Final = "substr({one}, 1, length({other}) + 1) = {other} || '/'"
"""One folder lies inside another."""


class Wanted(NamedTuple):
    """Which rows are asked for."""

    tags: Sequence[str]
    """At least one of them."""
    min_importance: float
    but_session: str
    """Any session but this one; empty: any."""


def in_folder(connection: apsw.Connection, wanted: Wanted, folder: str, limit: int) -> list[Memory]:
    """Return what people and assistants said in a folder or below it, latest first."""
    where = f"(memories.project = ? OR {_BELOW.format(one='memories.project', other='?')})"
    spoken = "role IN ('user', 'assistant')"
    return _latest(connection, wanted, f"{where} AND {spoken}", (folder, folder, folder), limit)


def with_phrase(connection: apsw.Connection, wanted: Wanted, phrase: str, file: str, limit: int) -> list[Memory]:
    """Return rows whose words hold a phrase, latest first, from the folders that a file lies in or from none."""
    where = f"(memories.project = '' OR {_BELOW.format(one='?', other='memories.project')})"
    named = "memories.num IN (SELECT rowid FROM memories_fts WHERE memories_fts MATCH ?)"
    return _latest(connection, wanted, f"{where} AND {named}", (file, f"text : {quote_term(phrase)}"), limit)


def last_stored(connection: apsw.Connection) -> int | None:
    """Return when the newest row was stored, Unix milliseconds; None in an empty store."""
    found = connection.execute("SELECT ingested_at FROM memories ORDER BY num DESC LIMIT 1").get
    return None if found is None else int(found)


def _latest(
    connection: apsw.Connection, wanted: Wanted, where: str, parameters: Sequence[str], limit: int
) -> list[Memory]:
    current = f"active AND {REPLACED_BY} IS NULL AND memories.num NOT IN (SELECT num FROM faded)"
    tagged = "memories.num IN (SELECT num FROM memory_tags WHERE tag IN (SELECT value FROM json_each(?)))"
    condition = f"{tagged} AND {current} AND importance >= ? AND session_id <> ? AND {where}"
    # No session has the id " ", and memories of no session have "".
    given = (json.dumps(list(wanted.tags)), wanted.min_importance, wanted.but_session or " ", *parameters)
    return rows.select(connection, condition, given, "timestamp DESC, memories.num DESC", limit)
