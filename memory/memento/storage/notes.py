"""Notes that the store keeps about itself in `meta`, beside the counters."""

from __future__ import annotations

from typing import Final

import apsw

from memento.base.times import local

HEALTH_CURSOR: Final = "health_cursor"
"""The row number up to which the hourly examination has come."""
FORGETTING: Final = "forgetting"
"""Set from the moment something is forgotten until free pages, the journal and the backups are without it too."""
HEALED: Final = "healed"
"""JSON: what was last mended or restored (restore.record.Healing)."""
INSTRUCTIONS: Final = "instructions"
"""By which rules standing instructions were last looked for among what is stored."""
RESTORED: Final = "restored"
"""Time of the backup that was restored, Unix milliseconds; it is kept until every source has been read again."""


def read(connection: apsw.Connection, name: str) -> str:
    """Return a note, empty if there is none."""
    return str(connection.execute("SELECT value FROM meta WHERE key = ?", (name,)).get or "")


def put(connection: apsw.Connection, name: str, value: str) -> None:
    """Write a note inside the caller's transaction."""
    connection.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def drop(connection: apsw.Connection, name: str) -> None:
    """Remove a note inside the caller's transaction."""
    connection.execute("DELETE FROM meta WHERE key = ?", (name,))


def restored(connection: apsw.Connection) -> str:
    """Return what whoever reads an answer must know while sources are still to be read after a restore, or nothing."""
    at = read(connection, RESTORED)
    if not at.isdigit():
        return ""
    when = local(int(at))
    return (
        f"a backup of {when} was restored, and the sources have not all been read again: newer memories may be "
        "missing; `memento watch` or `memento ingest` reads them"
    )
