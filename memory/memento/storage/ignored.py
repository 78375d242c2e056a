"""Sessions and projects that the user ignores: none of their messages is stored, whatever the policy decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import apsw

from memento.base.times import now_ms

Kind = Literal["session", "project"]
KINDS: Final[tuple[Kind, ...]] = ("session", "project")


@dataclass(frozen=True, slots=True)
class Ignored:
    """The sessions and projects that are not captured."""

    sessions: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()

    def covers(self, session: str, project: str) -> bool:
        """Tell whether a message of this session in this project stays out; a project covers its subfolders."""
        if session in self.sessions:
            return True
        return any(project == known or project.startswith(f"{known}/") for known in self.projects)

    def __bool__(self) -> bool:
        return bool(self.sessions or self.projects)


def load(connection: apsw.Connection) -> Ignored:
    """Return everything that is ignored."""
    rows = connection.execute("SELECT kind, value FROM ignored").fetchall()
    return Ignored(
        frozenset(str(value) for kind, value in rows if kind == "session"),
        frozenset(str(value) for kind, value in rows if kind == "project"),
    )


def add(connection: apsw.Connection, kind: Kind, value: str) -> None:
    """Ignore a session or a project from now on, inside the caller's transaction.

    Titles that may belong to it are deleted: its own, and for a project those of all sessions without a memory, since
    only memories say which project a session belongs to.
    """
    connection.execute("INSERT OR IGNORE INTO ignored (kind, value, at) VALUES (?, ?, ?)", (kind, value, now_ms()))
    connection.execute(
        "DELETE FROM sessions WHERE (?1 = 'project' OR session_id = ?2) "
        "AND NOT EXISTS (SELECT 1 FROM memories WHERE memories.session_id = sessions.session_id)",
        (kind, value),
    )


def remove(connection: apsw.Connection, kind: Kind, value: str) -> bool:
    """Capture it again, inside the caller's transaction; return False if it was not ignored."""
    connection.execute("DELETE FROM ignored WHERE kind = ? AND value = ?", (kind, value))
    removed = connection.changes() > 0
    if removed:  # sources with skipped messages are read again
        connection.execute(
            "UPDATE sources SET size = 0, head_hash = x'' WHERE num IN "
            "(SELECT source FROM ledger WHERE outcome = 'skipped' AND reason = 'ignored')"
        )
    return removed


def stored(connection: apsw.Connection, kind: Kind, value: str) -> list[str]:
    """Return the ids of the stored memories of a session or a project."""
    if kind == "session":
        rows = connection.execute("SELECT id FROM memories WHERE session_id = ?", (value,))
    else:
        inside = f"{value}/"
        rows = connection.execute(
            "SELECT id FROM memories WHERE project = ? OR substr(project, 1, ?) = ?", (value, len(inside), inside)
        )
    return [str(found) for (found,) in rows]
