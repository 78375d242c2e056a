"""The stored conversation before a message: what was said in its session, and by its speakers earlier."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final

from memento.storage import fulltext, rows
from memento_policies.before import EARLIER, OPENING, Before, after, joined
from memento_policies.text import encode

if TYPE_CHECKING:
    from memento.storage.database import Database

_LAST: Final = 8
"""Number of last turns of the session that are read in full."""


def conversation_before(database: Database, session_id: str, speaker: str) -> Before:
    """Return what was said before `speaker` continues a session, whose id may be empty. Raises StoreError."""
    with database.read() as connection:
        said = rows.last_of_session(connection, encode(session_id)[0], _LAST) if session_id else []
    before = OPENING
    for one in dict.fromkeys((*(turn.speaker for turn in said), speaker)):
        before = add_speaker(database, before, one)
    return reduce(lambda before, turn: after(before, turn.text, turn.speaker), said, before)


def add_speaker(database: Database, before: Before, speaker: str) -> Before:
    """Return the conversation with another speaker and his stored texts. Raises StoreError."""
    with database.read() as connection:
        return joined(before, fulltext.texts_by_speaker(connection, encode(speaker)[0], EARLIER))
