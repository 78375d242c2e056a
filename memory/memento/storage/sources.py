"""Sources: how far each file has been read, and the ledger that says what became of every byte.

Invariant: for each source, the ledger's bytes add up to the bytes read; `offset` and the rows it stands for commit in
one transaction (`capture.commit`), so a kill at any moment loses nothing and repeats nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import apsw

from memento.times import now_ms

Outcome = Literal["stored", "skipped", "quarantined"]


@dataclass(frozen=True, slots=True)
class SourceState:
    """What is known of one file: who it is, and where reading goes on."""

    path: str
    format: str
    device: int = 0
    inode: int = 0
    head_length: int = 0
    head_hash: bytes = b""
    marker_hash: bytes = b""
    offset: int = 0
    open_bytes: int = 0
    size: int = 0
    modified: int = 0
    state: Mapping[str, Any] = field(default_factory=dict)


class LedgerKey(NamedTuple):
    """What became of some messages, and why."""

    outcome: Outcome
    reason: str


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


class SessionTitle(NamedTuple):
    """A session's title; of two the higher rank stays, among equals the later one."""

    session_id: str
    title: str
    rank: int


_COLUMNS = (
    "path, format, device, inode, head_length, head_hash, marker_hash, offset, open_bytes, size, modified, state"
)


def find(connection: apsw.Connection, path: str, device: int, inode: int) -> SourceState | None:
    """Return what is known of a file, by its path, else by its identity: it may have been renamed."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM sources WHERE path = ?", (path,)).fetchone()  # noqa: S608
    if row is None and inode:
        row = connection.execute(
            f"SELECT {_COLUMNS} FROM sources WHERE device = ? AND inode = ?",  # noqa: S608
            (device, inode),
        ).fetchone()
    if row is None:
        return None
    *columns, state = row
    return SourceState(*columns, state=json.loads(state))


def save(connection: apsw.Connection, source: SourceState, renamed_from: str = "") -> int:
    """Write a source's state inside the caller's transaction; return its row number."""
    if renamed_from:
        connection.execute("DELETE FROM sources WHERE path = ?", (source.path,))
        connection.execute("UPDATE sources SET path = ? WHERE path = ?", (source.path, renamed_from))
    values = (
        source.path, source.format, source.device, source.inode, source.head_length, source.head_hash,
        source.marker_hash, source.offset, source.open_bytes, source.size, source.modified,
        json.dumps(dict(source.state)), now_ms(),
    )  # fmt: skip
    number: int = connection.execute(
        f"INSERT INTO sources ({_COLUMNS}, last_read) VALUES ({', '.join('?' * 13)}) "  # noqa: S608
        f"ON CONFLICT (path) DO UPDATE SET ({_COLUMNS}, last_read, error) = ({', '.join('?' * 13)}, NULL) RETURNING num",
        (*values, *values),
    ).get
    return number


def account(connection: apsw.Connection, source: int, ledger: Mapping[LedgerKey, Tally]) -> None:
    """Add to a source's ledger inside the caller's transaction."""
    connection.executemany(
        "INSERT INTO ledger (source, outcome, reason, messages, bytes) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (source, outcome, reason) DO UPDATE SET "
        "messages = messages + excluded.messages, bytes = bytes + excluded.bytes",
        [(source, *key, *tally) for key, tally in ledger.items()],
    )


def quarantine(connection: apsw.Connection, source: int, defects: list[Defect]) -> None:
    """Keep unreadable bytes inside the caller's transaction, once each."""
    now = now_ms()
    connection.executemany(
        "INSERT OR IGNORE INTO quarantine (source, offset, length, reason, sample, at) VALUES (?, ?, ?, ?, ?, ?)",
        [(source, *defect, now) for defect in defects],
    )


def entitle(connection: apsw.Connection, source: str, titles: list[SessionTitle]) -> None:
    """Keep each session's best title inside the caller's transaction."""
    connection.executemany(
        "INSERT INTO sessions (source, session_id, title, title_rank) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (source, session_id) DO UPDATE SET title = excluded.title, title_rank = excluded.title_rank "
        "WHERE excluded.title_rank >= title_rank",
        [(source, *title) for title in titles],
    )
