"""Sources: how far each file has been read, and the ledger with the outcome of every byte.

Invariant: for each source, the ledger's bytes add up to `offset`; `offset` and its rows commit in one transaction
(`capture.commit`), so a kill at any moment loses and repeats nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import apsw

from memento.base.times import now_ms
from memento.errors import SourceMoved
from memento.storage import ignored
from memento.storage.tombstones import TombstoneFilter

INCOMPLETE_LINE: Final = "incomplete_line"
UNKNOWN_TYPE: Final = "unknown_type"

YIELD: Final = "-yield"
"""Key of a source's state: the number of messages found, and of records without one."""
TOOLS: Final = "-tools"
"""Key of a source's state: what its tools did up to its offset, for the records that follow."""
MANY_RECORDS: Final = 3
"""A source with this many records and no message is probably not of its assumed format."""

Outcome = Literal["stored", "skipped", "quarantined"]


@dataclass(frozen=True, slots=True)
class SourceState:
    """What is known of one file: its identity, and where reading continues."""

    path: str
    format: str
    device: int = 0
    inode: int = 0
    head_length: int = 0
    """Number of leading bytes that `head_hash` covers."""
    head_hash: bytes = b""
    marker_hash: bytes = b""
    """Of the bytes just before `offset`."""
    offset: int = 0
    """Bytes accounted for in the ledger; the next run begins here."""
    open_bytes: int = 0
    """Bytes after `offset` that were read too and may still grow."""
    size: int = 0
    """Size in bytes when it was last read to its end."""
    modified: int = 0
    """Modification time at that moment, nanoseconds."""
    state: Mapping[str, Any] = field(default_factory=dict)
    """The parser's state, from which it continues."""

    @property
    def lacks_messages(self) -> bool:
        """Whether its format found no message in many records."""
        messages, empty = self.state.get(YIELD, (1, 0))
        return bool(messages == 0 and empty >= MANY_RECORDS)


class LedgerKey(NamedTuple):
    """The outcome of some messages, and its reason."""

    outcome: Outcome
    reason: str


def unknown_type(name: str) -> str:
    """Return the ledger's reason for a record of an unknown type, with the type's name unless it is empty."""
    return f"{UNKNOWN_TYPE}:{name}" if name else UNKNOWN_TYPE


class Tally(NamedTuple):
    """A number of messages (or of records without a message) and of bytes."""

    messages: int
    bytes: int


class Defect(NamedTuple):
    """Unreadable bytes for the quarantine; `sample` is already redacted."""

    offset: int
    length: int
    reason: str
    sample: str


class Quarantined(NamedTuple):
    """An entry of the quarantine, with the path of its file."""

    path: str
    offset: int
    length: int
    reason: str
    sample: str
    at: int


class SessionTitle(NamedTuple):
    """A session's title; the highest rank wins, then the latest."""

    source: str
    session_id: str
    title: str
    rank: int


_COLUMNS = "path, format, device, inode, head_length, head_hash, marker_hash, offset, open_bytes, size, modified, state"


_NAMES: Final = _COLUMNS.split(", ")
_BY_PATH: Final = f"SELECT {_COLUMNS} FROM sources WHERE path = ?"
_BY_IDENTITY: Final = f"SELECT {_COLUMNS} FROM sources WHERE device = ? AND inode = ?"
_MARKS: Final = ", ".join("?" * (len(_NAMES) + 1))
_ADD: Final = f"INSERT INTO sources ({_COLUMNS}, last_read) VALUES ({_MARKS}) ON CONFLICT (path) DO NOTHING"
_RENEW: Final = (
    f"UPDATE sources SET ({_COLUMNS}, last_read, error) = ({_MARKS}, NULL) "
    "WHERE path = ? AND offset = ifnull(?, offset) RETURNING num"
)


def follow(connection: apsw.Connection, paths: Sequence[str]) -> None:
    """Add sources to be watched outside the usual places, inside the caller's transaction."""
    if paths:
        now = now_ms()
        given = [(path, now) for path in paths]
        connection.executemany("INSERT OR IGNORE INTO followed (path, at) VALUES (?, ?)", given)


def followed(connection: apsw.Connection) -> list[str]:
    """Return the paths added by `follow`."""
    return [str(path) for (path,) in connection.execute("SELECT path FROM followed ORDER BY path")]


def find(connection: apsw.Connection, path: str, device: int, inode: int) -> SourceState | None:
    """Return what is known of a file, by its path, else by its identity, since it may have been renamed."""
    row = connection.execute(_BY_PATH, (path,)).fetchone()
    if row is None and inode:  # two statements: SQLite takes four times as long for an OR
        row = connection.execute(_BY_IDENTITY, (device, inode)).fetchone()
    if row is None:
        return None
    *known, state = row
    return SourceState(**dict(zip(_NAMES, (*known, json.loads(state)), strict=True)))


class SavedSource(NamedTuple):
    """A source's row number, and whether the source is new."""

    number: int
    is_new: bool


def save(
    connection: apsw.Connection, source: SourceState, renamed_from: str = "", after: int | None = None
) -> SavedSource:
    """Write a source's state inside the caller's transaction.

    Raises SourceMoved unless its row still has the offset `after`, from which reading continued: another process may
    read the same files, and the row of a renamed file may belong to another file now. None accepts any offset.
    """
    if renamed_from not in ("", source.path):
        _rename(connection, source, renamed_from)
    values = _values(connection, source)
    if after is None:
        connection.execute(_ADD, values)
        if connection.changes():
            return SavedSource(connection.last_insert_rowid(), is_new=True)
    saved = connection.execute(_RENEW, (*values, source.path, after)).get
    if saved is None:
        raise SourceMoved(f"{source.path} was read further by another process")
    return SavedSource(saved, is_new=False)


def _rename(connection: apsw.Connection, source: SourceState, old: str) -> None:
    """Give a file's row its new path, unless that was done or the row belongs to another file now."""
    which = (old, source.device, source.inode)
    found = connection.execute("SELECT num FROM sources WHERE path = ? AND device = ? AND inode = ?", which).get
    if found is not None:
        connection.execute("DELETE FROM sources WHERE path = ?", (source.path,))
        connection.execute("UPDATE sources SET path = ? WHERE num = ?", (source.path, found))


def find_or_add(connection: apsw.Connection, source: SourceState) -> int:
    """Return a source's row number, adding a row if the source is new, inside the caller's transaction."""
    connection.execute(_ADD, _values(connection, source))
    found: int = connection.execute("SELECT num FROM sources WHERE path = ?", (source.path,)).get
    return found


def _values(connection: apsw.Connection, source: SourceState) -> tuple[Any, ...]:
    """Return a row's columns. A state that names something forgotten is cleaned, and reading restarts."""
    state = TombstoneFilter(connection).state(source.state)
    head = source.head_hash if state == source.state else b""
    return (
        source.path, source.format, source.device, source.inode, source.head_length, head,
        source.marker_hash, source.offset, source.open_bytes, source.size, source.modified,
        json.dumps(dict(state)), now_ms(),
    )  # fmt: skip


def attribute_memories(connection: apsw.Connection, source: int, memories: Sequence[str], *, from_start: bool) -> None:
    """Record inside the caller's transaction which stored memories came from a source."""
    if from_start:
        connection.execute("UPDATE sources SET attributed = 1 WHERE num = ?", (source,))
    connection.executemany(
        "INSERT OR IGNORE INTO memory_sources (source, memory) SELECT ?, num FROM memories WHERE id = ?",
        [(source, memory) for memory in memories],
    )


def add_to_ledger(connection: apsw.Connection, source: int, ledger: Mapping[LedgerKey, Tally]) -> None:
    """Add to a source's ledger inside the caller's transaction."""
    connection.executemany(
        "INSERT INTO ledger (source, outcome, reason, messages, bytes) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (source, outcome, reason) DO UPDATE SET "
        "messages = messages + excluded.messages, bytes = bytes + excluded.bytes",
        [(source, *key, *tally) for key, tally in ledger.items()],
    )


def reset_ledger(connection: apsw.Connection, source: int) -> None:
    """Delete a source's ledger and quarantine, inside the caller's transaction: it is read from the start again."""
    connection.execute("DELETE FROM ledger WHERE source = ?", (source,))
    connection.execute("DELETE FROM quarantine WHERE source = ?", (source,))


def drop_incomplete_line(connection: apsw.Connection, source: int) -> None:
    """Drop a source's incomplete last line from the quarantine, inside the caller's transaction: it is read again."""
    connection.execute("DELETE FROM quarantine WHERE source = ? AND reason = ?", (source, INCOMPLETE_LINE))


def quarantine(connection: apsw.Connection, source: int, defects: Sequence[Defect]) -> None:
    """Add unreadable bytes to the quarantine, once each, inside the caller's transaction; forgotten text is blanked."""
    if not defects:
        return
    now, gate = now_ms(), TombstoneFilter(connection)
    connection.executemany(
        "INSERT OR IGNORE INTO quarantine (source, offset, length, reason, sample, at) VALUES (?, ?, ?, ?, ?, ?)",
        [(source, *defect._replace(sample=gate.sample(defect.sample)), now) for defect in defects],
    )


def quarantined(connection: apsw.Connection, limit: int) -> list[Quarantined]:
    """Return the latest entries of the quarantine, latest first."""
    rows = connection.execute(
        "SELECT path, q.offset, q.length, q.reason, q.sample, q.at FROM quarantine AS q "
        "JOIN sources ON sources.num = q.source ORDER BY q.num DESC LIMIT ?",
        (limit,),
    )
    return [Quarantined(*row) for row in rows]


def set_titles(connection: apsw.Connection, titles: Sequence[SessionTitle]) -> None:
    """Store each session's best title inside the caller's transaction.

    An ignored session gets none, nor does one with a forgotten memory, since a title reveals what was said.
    """
    if not titles:
        return
    gate, out = TombstoneFilter(connection), ignored.load(connection)
    wanted = [one for one in titles if not gate.refuses_title(one.session_id) and not out.covers(one.session_id, "")]
    if out.projects:  # only memories say which project a session belongs to
        there = "SELECT EXISTS (SELECT 1 FROM memories WHERE session_id = ?)"
        wanted = [one for one in wanted if connection.execute(there, (one.session_id,)).get]
    connection.executemany(
        "INSERT INTO sessions (source, session_id, title, title_rank) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (source, session_id) DO UPDATE SET title = excluded.title, title_rank = excluded.title_rank "
        "WHERE excluded.title_rank >= title_rank",
        wanted,
    )


def has_title(connection: apsw.Connection, session: str) -> bool:
    """Tell whether a session has a title."""
    return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM sessions WHERE session_id = ?)", (session,)).get)


UNRECOGNISED: Final = "unrecognised"
"""The format of a file that no format recognises; it is reported and tried again."""
JOURNAL: Final = "journal"
"""The format of the store's own journal, whose replayed entries have a ledger like any source."""
LAST_EVENT: Final = "-last_event"
"""Key of a source's state: the time of its latest message, Unix milliseconds; no parser uses this name."""
