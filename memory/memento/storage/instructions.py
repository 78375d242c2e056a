"""Standing instructions: which apply in a project, and which are pinned."""

from __future__ import annotations

import json
from typing import Final, NamedTuple

import apsw

from memento.memory import EVERYWHERE, INSTRUCTION, PINNED
from memento.storage import curation
from memento.storage.filters import REPLACED_BY
from memento.storage.stored_json import texts

_TAGGED: Final = "EXISTS (SELECT 1 FROM memory_tags AS marks WHERE marks.num = {num} AND marks.tag = '{tag}')"
_MARKED: Final = (
    f"({_TAGGED.format(num='memories.num', tag='{tag}')} OR EXISTS (SELECT 1 FROM repeats "
    f"WHERE repeats.newest = memories.num AND {_TAGGED.format(num='repeats.num', tag='{tag}')}))"
)
"""SQL: the memory, or an older one that it repeats, has the tag."""
_CURRENT: Final = f"""
SELECT num, {_MARKED.format(tag=PINNED)} AS pinned, {_MARKED.format(tag=EVERYWHERE)} AS everywhere
FROM memories
WHERE num IN (SELECT num FROM memory_tags WHERE tag IN ('{INSTRUCTION}', '{PINNED}'))
    AND role = 'user' AND kind = 'turn' AND trust = 'user' AND active AND speaker = ?1
    AND {REPLACED_BY} IS NULL AND num NOT IN (SELECT num FROM faded)
    AND (?2 IS NULL OR project = '' OR project = ?2 OR substr(project, ?3) = '/' || ?2 OR everywhere
        OR substr(?2, 1, length(rtrim(project, '/')) + 1) = rtrim(project, '/') || '/')
ORDER BY pinned DESC, round(importance, 1) DESC, timestamp DESC, num DESC LIMIT ?4
"""
_OLDER: Final = (
    "SELECT id, tags FROM memories WHERE num IN (SELECT num FROM repeats WHERE newest = ?) "
    f"AND num IN (SELECT num FROM memory_tags WHERE tag IN ('{PINNED}', '{EVERYWHERE}'))"
)
"""Pinned memories that a newer one repeats."""


class CurrentInstruction(NamedTuple):
    """An instruction that applies, by its row number."""

    num: int
    pinned: int
    everywhere: int


def current(connection: apsw.Connection, project: str | None, speaker: str, limit: int) -> list[CurrentInstruction]:
    """Return the instructions that apply in a project (None: in any), the most important first.

    Only a person's own words count: imported messages and those of an assistant never do, whatever their tags.
    """
    end = -len(project or "") - 1
    return [CurrentInstruction(*row) for row in connection.execute(_CURRENT, (speaker, project, end, limit))]


def pin(connection: apsw.Connection, memory: str, *, pinned: bool, everywhere: bool) -> bool:
    """Pin or unpin a memory as an instruction, inside the caller's transaction; return False if it does not exist.

    Older memories that it repeats are unpinned.
    """
    row = connection.execute("SELECT num, tags FROM memories WHERE id = ?", (memory,)).fetchone()
    if row is None:
        return False
    num, tags = row
    marks = (*((INSTRUCTION, PINNED) if pinned else ()), *((EVERYWHERE,) if everywhere else ()))
    for older, known in connection.execute(_OLDER, (num,)).fetchall():
        _mark(connection, str(older), str(known), ())
    _mark(connection, memory, str(tags), marks)
    return True


def _mark(connection: apsw.Connection, memory: str, tags: str, marks: tuple[str, ...]) -> None:
    """Set a memory's instruction tags to exactly these."""
    known = texts(tags)
    wanted = tuple(dict.fromkeys([*(tag for tag in known if tag not in (PINNED, EVERYWHERE)), *marks]))
    if wanted != known:
        curation.rewrite_row(connection, memory, {"tags": json.dumps(wanted, ensure_ascii=False)})
