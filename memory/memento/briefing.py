"""What an agent should know before it begins: what was decided and left open in a project, and said of a file.

Nothing is searched for by likeness here. What is told was tagged by the policy as a decision, a correction, a problem
or a task; of a project it is what counts for much, and of a file what names that very file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memento.memory import Memory
from memento.storage import briefing, meta
from memento.storage.briefing import Wanted

if TYPE_CHECKING:
    from memento.storage.database import Database

DECIDED: Final = "decided"
LEFT_OPEN: Final = "left open"
_PARTS: Final = {
    "correction": "corrected",
    "decision": DECIDED,
    "preference": DECIDED,
    "fix": "fixed",
    "error": "went wrong",
}
"""What is said of a file, by the tag that says so; those that come first are told first."""
_IN_PROJECT: Final = ((DECIDED, ("decision", "preference", "correction")), (LEFT_OPEN, ("todo", "error")))
_MIN_IMPORTANCE: Final = 0.3
"""What counts for less is not told of a project."""
_LOOKED_AT: Final = 60
"""Rows that hold a file's name, of which those that mean this file are chosen."""
_COMMON: Final = frozenset("__init__ __main__ index main mod lib readme license changelog makefile dockerfile".split())
"""Names, without their endings, of which most folders have one."""


class Noted(NamedTuple):
    """A memory, and what it is told for."""

    part: str
    memory: Memory

    def as_dict(self) -> dict[str, Any]:
        """Return the memory's fields with the part beside them."""
        return {**self.memory.as_dict(), "part": self.part}


def of_project(database: Database, project: str, session: str, limit: int) -> list[Noted]:
    """Return what was decided and left open in a folder or below it, in other sessions; `limit` of each at most."""
    folder = project.rstrip("/")
    if not folder:
        return []
    found: list[Noted] = []
    with database.read() as connection:
        for part, tags in _IN_PROJECT:
            wanted = Wanted(tags, _MIN_IMPORTANCE, session)
            found += [Noted(part, one) for one in briefing.in_folder(connection, wanted, folder, limit)]
    told: dict[str, Noted] = {}
    for one in found:
        told.setdefault(one.memory.id, one)
    return list(told.values())


def of_file(database: Database, file: str, session: str, limit: int) -> list[Noted]:
    """Return what was decided, corrected, fixed or went wrong, in other sessions, and names this very file.

    `file` is a whole path. Corrections and decisions come first, the latest before others.
    """
    path = PurePosixPath(file)
    if not path.is_absolute() or not re.search(r"\w", path.name):
        return []
    with database.read() as connection:
        wanted = Wanted(tuple(_PARTS), 0.0, session)
        rows = briefing.with_phrase(connection, wanted, path.name, str(path), _LOOKED_AT)
    told: dict[str, Noted] = {}
    for memory in rows:
        if names(memory.text, path, memory.project):
            part = next(part for tag, part in _PARTS.items() if tag in memory.tags)
            told.setdefault(" ".join(memory.text.split()).lower(), Noted(part, memory))
    order = list(dict.fromkeys(_PARTS.values()))
    return sorted(told.values(), key=lambda one: order.index(one.part))[:limit]


def restored(database: Database) -> str:
    """Return what must be known of every answer while sources are to be read again after a restore, or nothing."""
    with database.read() as connection:
        return meta.restore_notice(connection)


def last_stored(database: Database) -> int | None:
    """Return when the newest memory was stored, Unix milliseconds; None in an empty store."""
    with database.read() as connection:
        return briefing.last_stored(connection)


def names(text: str, file: PurePosixPath, project: str) -> bool:
    """Tell whether a text means this file: no path in it that ends in the file's name leads elsewhere.

    A name that most folders have means this file only with a folder before it, or in the folder that was worked in.
    """
    is_common = file.name.partition(".")[0].lower() in _COMMON
    for before in _mentions(text, file.name):
        parts = [part for part in before.split("/") if part not in ("", ".")]
        if before.startswith("/"):
            if "/" + "/".join(parts) == str(file.parent):
                return True
        elif parts:
            if list(file.parent.parts[-len(parts) :]) == parts:
                return True
        elif not is_common or str(file.parent) == project.rstrip("/"):
            return True
    return False


def _mentions(text: str, name: str) -> Iterator[str]:
    """Yield what stands before a file's name, up to the white space or quote before it, wherever the name occurs."""
    for found in re.finditer(rf"(?<![\w.@+~/-])([\w.@+~/-]*/)?{re.escape(name)}(?![\w-]|\.\w)", text):
        yield found[1] or ""
