"""Sources: how far each file has been read, and the ledger that says what became of every byte.

Invariant: for each source, the ledger's bytes add up to `offset`; `offset` and the rows it stands for commit in
one transaction (`capture.commit`), so a kill at any moment loses nothing and repeats nothing.
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
"""Key of a source's state: how many messages its format found, and how many records it found nothing in."""
MANY_RECORDS: Final = 3
"""Records without a message from which on a source that has no message at all is not of the format it passes for."""

Outcome = Literal["stored", "skipped", "quarantined"]


@dataclass(frozen=True, slots=True)
class SourceState:
    """What is known of one file: who it is, and where reading goes on."""

    path: str
    format: str
    device: int = 0
    inode: int = 0
    head_length: int = 0
    """Bytes at the beginning that `head_hash` covers."""
    head_hash: bytes = b""
    marker_hash: bytes = b""
    """Of the bytes just before `offset`."""
    offset: int = 0
    """Bytes that are accounted for: the next run begins here."""
    open_bytes: int = 0
    """Bytes behind it that were read too and may still grow."""
    size: int = 0
    """Bytes it had when it was last read to its end."""
    modified: int = 0
    """Its time of modification then, nanoseconds."""
    state: Mapping[str, Any] = field(default_factory=dict)
    """What the format's parser needs to go on."""

    @property
    def lacks_messages(self) -> bool:
        """Whether its format found no message in many records."""
        messages, empty = self.state.get(YIELD, (1, 0))
        return bool(messages == 0 and empty >= MANY_RECORDS)


class LedgerKey(NamedTuple):
    """What became of some messages, and why."""

    outcome: Outcome
    reason: str


def unknown_type(name: str) -> str:
    """Return the ledger's reason for a record of a type that no parser knows; an empty name is left out."""
    return f"{UNKNOWN_TYPE}:{name}" if name else UNKNOWN_TYPE


class Tally(NamedTuple):
    """How many messages (or records, where nothing was a message) and how many bytes."""

    messages: int
    bytes: int


class Defect(NamedTuple):
    """Bytes that could not be read, as they go into the quarantine; `sample` is already redacted."""

    offset: int
    length: int
    reason: str
    sample: str


class Quarantined(NamedTuple):
    """An entry of the quarantine, with the file it came from."""

    path: str
    offset: int
    length: int
    reason: str
    sample: str
    at: int


class SessionTitle(NamedTuple):
    """A session's title; of two the higher rank stays, among equals the later one."""

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
    """Take note of sources that are to be watched wherever they lie, inside the caller's transaction."""
    if paths:
        now = now_ms()
        given = [(path, now) for path in paths]
        connection.executemany("INSERT OR IGNORE INTO followed (path, at) VALUES (?, ?)", given)


def followed(connection: apsw.Connection) -> list[str]:
    """Return the sources that were named to be watched."""
    return [str(path) for (path,) in connection.execute("SELECT path FROM followed ORDER BY path")]


def find(connection: apsw.Connection, path: str, device: int, inode: int) -> SourceState | None:
    """Return what is known of a file, by its path, else by its identity: it may have been renamed."""
    row = connection.execute(_BY_PATH, (path,)).fetchone()
    if row is None and inode:  # not both in one statement: SQLite takes four times as long to begin an OR
        row = connection.execute(_BY_IDENTITY, (device, inode)).fetchone()
    if row is None:
        return None
    *known, state = row
    return SourceState(**dict(zip(_NAMES, (*known, json.loads(state)), strict=True)))


class SavedSource(NamedTuple):
    """A source's row number, and whether nothing was known of it before."""

    number: int
    is_new: bool


def save(
    connection: apsw.Connection, source: SourceState, renamed_from: str = "", after: int | None = None
) -> SavedSource:
    """Write a source's state inside the caller's transaction.

    Raises SourceMoved unless its row stands at the offset `after`, which reading went on from: another process may read
    the same files, and the row of a renamed file may have become another file's. None: any offset will do.
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
    """Give a file's row its new path; nothing happens once that is done, or when the row is another file's by now."""
    which = (old, source.device, source.inode)
    found = connection.execute("SELECT num FROM sources WHERE path = ? AND device = ? AND inode = ?", which).get
    if found is not None:
        connection.execute("DELETE FROM sources WHERE path = ?", (source.path,))
        connection.execute("UPDATE sources SET path = ? WHERE num = ?", (source.path, found))


def find_or_add(connection: apsw.Connection, source: SourceState) -> int:
    """Return a source's row number inside the caller's transaction; one that is new gets a row, any other keeps its."""
    connection.execute(_ADD, _values(connection, source))
    found: int = connection.execute("SELECT num FROM sources WHERE path = ?", (source.path,)).get
    return found


def _values(connection: apsw.Connection, source: SourceState) -> tuple[Any, ...]:
    """Return a row's columns. A state that names what was forgotten goes without it, and is not gone on from."""
    state = TombstoneFilter(connection).state(source.state)
    head = source.head_hash if state == source.state else b""
    return (
        source.path, source.format, source.device, source.inode, source.head_length, head,
        source.marker_hash, source.offset, source.open_bytes, source.size, source.modified,
        json.dumps(dict(state)), now_ms(),
    )  # fmt: skip


def attribute_memories(connection: apsw.Connection, source: int, memories: Sequence[str], *, from_start: bool) -> None:
    """Say inside the caller's transaction which memories a source holds; those that did not come in have no row."""
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
    """Forget what was accounted for a source, inside the caller's transaction: it is read from the start again."""
    connection.execute("DELETE FROM ledger WHERE source = ?", (source,))
    connection.execute("DELETE FROM quarantine WHERE source = ?", (source,))


def drop_incomplete_line(connection: apsw.Connection, source: int) -> None:
    """Let go of a source's incomplete last line, inside the caller's transaction: it is read again, maybe whole."""
    connection.execute("DELETE FROM quarantine WHERE source = ? AND reason = ?", (source, INCOMPLETE_LINE))


def quarantine(connection: apsw.Connection, source: int, defects: Sequence[Defect]) -> None:
    """Keep unreadable bytes inside the caller's transaction, once each; what was forgotten leaves an empty sample."""
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
    """Keep each session's best title inside the caller's transaction.

    An ignored session has none, nor has one with a forgotten memory: a title tells what was said.
    """
    if not titles:
        return
    gate, out = TombstoneFilter(connection), ignored.load(connection)
    wanted = [one for one in titles if not gate.refuses_title(one.session_id) and not out.covers(one.session_id, "")]
    if out.projects:  # only a memory tells which project a session is of
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
"""The format of a file that no format recognises: it is named, and looked at again."""
JOURNAL: Final = "journal"
"""The format of the store's own journal: what was replayed is accounted for as of a source, and nothing waits in it."""
LAST_EVENT: Final = "-last_event"
"""Where a source's state holds the time of its latest message, Unix milliseconds; no parser uses this name."""
