"""The table `meta`: notes that the store keeps about itself, counters, and how far the journal was applied.

The journal's position commits with the rows, so a restored backup knows its own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import apsw

from memento.base.times import local

HEALTH_CURSOR: Final = "health_cursor"
"""The last row number that the hourly health check examined."""
FORGETTING: Final = "forgetting"
"""Set while free pages, the journal or backups may still hold something forgotten."""
HEALED: Final = "healed"
"""JSON: the last repair or restore (health.healings.Healing)."""
INSTRUCTIONS: Final = "instructions"
"""The rules by which stored memories were last searched for standing instructions."""
RESTORED: Final = "restored"
"""Time of the restored backup, Unix milliseconds; kept until every source has been read again."""


def read_note(connection: apsw.Connection, name: str) -> str:
    """Return a note, empty if there is none."""
    return str(connection.execute("SELECT value FROM meta WHERE key = ?", (name,)).get or "")


def write_note(connection: apsw.Connection, name: str, value: str) -> None:
    """Write a note inside the caller's transaction."""
    connection.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def delete_note(connection: apsw.Connection, name: str) -> None:
    """Remove a note inside the caller's transaction."""
    connection.execute("DELETE FROM meta WHERE key = ?", (name,))


def restore_notice(connection: apsw.Connection) -> str:
    """Return a notice for readers while sources are still unread after a restore, else an empty text."""
    at = read_note(connection, RESTORED)
    if not at.isdigit():
        return ""
    when = local(int(at))
    return (
        f"a backup of {when} was restored, and the sources have not all been read again: newer memories may be "
        "missing; `memento watch` or `memento ingest` reads them"
    )


DELETIONS: Final = "deletions"
EMBEDDINGS: Final = "embeddings"


def add_to_counter(connection: apsw.Connection, name: str, amount: int) -> int:
    """Add to a counter inside the caller's transaction; return its new value."""
    value = connection.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) "
        "ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + CAST(excluded.value AS INTEGER) "
        "RETURNING value",
        (name, str(amount)),
    ).get
    return int(value)


def read_counter(connection: apsw.Connection, name: str) -> int:
    """Return a counter's value, 0 if it was never increased."""
    return int(connection.execute("SELECT value FROM meta WHERE key = ?", (name,)).get or 0)


_JOURNAL: Final = "journal"


class JournalPosition(NamedTuple):
    """A position in a journal."""

    journal: str
    """The name on the journal's first line."""
    offset: int
    """Bytes from its beginning."""
    is_start: bool = False
    """Whether no entry precedes it."""


def read_journal_position(connection: apsw.Connection) -> JournalPosition:
    """Return the position up to which entries were applied."""
    return parse_journal_position(read_journal_note(connection))


def read_journal_note(connection: apsw.Connection) -> str:
    """Return the position as it is stored."""
    return read_note(connection, _JOURNAL)


def parse_journal_position(text: str) -> JournalPosition:
    """Return the position that a store or a manifest holds."""
    journal, _, offset = text.partition(" ")
    return JournalPosition(journal, int(offset)) if offset.isdigit() else JournalPosition("", 0)


def write_journal_position(connection: apsw.Connection, at: JournalPosition) -> None:
    """Record inside the caller's transaction that every entry before this position was applied."""
    write_note(connection, _JOURNAL, f"{at.journal} {at.offset}")
