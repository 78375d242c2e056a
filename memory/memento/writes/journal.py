"""The journal of direct writes, which have no other copy (`remember`, `observe`, `forget`, `ignore`, `pin`).

Ingested messages can be read again from their source. Direct writes cannot, so each is a redacted line here, flushed
before it is acknowledged. The next store that opens replays what its rows lack: observations made while the store could
not be written, writes lost in a power cut, and, after a restore, writes since that backup. A line stays until two
backups hold it.

The first line names the journal, so that a position is not mistaken for one in its successor. Entries are applied in
order and are idempotent, so a kill at any moment is harmless.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import apsw
import msgspec

from memento.base import killpoints
from memento.base.durable import create_private_file, make_private_folder, publish, sync
from memento.base.times import require_storable
from memento.errors import StoreError
from memento.memory import Counts, NewMemory
from memento.storage import capture, ignored, instructions, meta, rows, sources, tombstones
from memento.storage.capture import Batch
from memento.storage.database import Database
from memento.storage.meta import JournalPosition
from memento.storage.sources import Defect, LedgerKey, SourceState, Tally

_SAMPLE: Final = 4096


class Write(msgspec.Struct, frozen=True, tag="write", tag_field="op"):
    """A memory was written; `revive` lifts the tombstone of a forgotten one."""

    memory: NewMemory
    revive: bool = False

    def apply(self, connection: apsw.Connection) -> Counts:
        """Apply it inside the caller's transaction."""
        return rows.put(connection, [self.memory], revive=self.revive)


class Forget(msgspec.Struct, frozen=True, tag="forget", tag_field="op"):
    """Memories were forgotten, so their ids stay out."""

    ids: list[str]
    """Ids, and the other tombstones of these memories."""

    def apply(self, connection: apsw.Connection) -> int:
        """Apply it inside the caller's transaction; return the number of deleted memories. Missing ones stay out."""
        tombstones.add_tombstones(connection, self.ids)
        return rows.delete(connection, self.ids)


class Ignore(msgspec.Struct, frozen=True, tag="ignore", tag_field="op"):
    """A session or a project was ignored, or captured again."""

    kind: Literal["session", "project"]
    value: str
    out: bool = True

    def apply(self, connection: apsw.Connection) -> bool:
        """Apply it inside the caller's transaction; tell whether it changed anything."""
        if not self.out:
            return ignored.remove(connection, self.kind, self.value)
        ignored.add(connection, self.kind, self.value)
        return True


class Pin(msgspec.Struct, frozen=True, tag="pin", tag_field="op"):
    """A standing instruction was pinned or unpinned."""

    id: str
    pinned: bool = True
    everywhere: bool = False

    def apply(self, connection: apsw.Connection) -> bool:
        """Apply it inside the caller's transaction; tell whether the memory exists."""
        return instructions.pin(connection, self.id, pinned=self.pinned, everywhere=self.everywhere)


Entry = Write | Forget | Ignore | Pin


def journal_path(database: Path) -> Path:
    """Return the journal that belongs to a database file."""
    return database.with_name(database.name + ".journal.jsonl")


def write(database: Database, make: Callable[[apsw.Connection], Sequence[Entry]]) -> list[Any]:
    """Apply entries in one transaction, wait for the disk, and return what each apply returned.

    `make` builds the entries, given the transaction's connection. Raises StoreError.
    """
    path = journal_path(database.path)
    with database.write() as connection:
        entries = make(connection)
        applied = [entry.apply(connection) for entry in entries]
        in_journal = _append_in_transaction(connection, path, entries)
        killpoints.reach("journal.written")
    if not in_journal:  # the journal cannot be written: sync the database instead
        with database.write(durable=True) as connection:
            meta.add_to_counter(connection, "unjournaled", 1)
    return applied


def _append_in_transaction(connection: apsw.Connection, path: Path, entries: Sequence[Entry]) -> bool:
    """Append entries inside the transaction that applies them, so that both have one order; False if it fails."""
    try:
        before, after = _append(path, entries)
    except OSError:
        return False
    if before.is_start or before == meta.read_journal_position(connection):  # else the next start replays the gap
        meta.write_journal_position(connection, after)
    return True


def append(path: Path, entry: Entry) -> None:
    """Append an entry that the store cannot apply now, and wait for the disk. Raises StoreError if that fails too."""
    try:
        make_private_folder(path.parent)
        _append(path, [entry])
    except OSError as error:
        raise StoreError(f"neither the store nor its journal {path} can be written: {error.strerror}") from None


def replay(database: Database) -> int:
    """Apply entries that the rows lack and return how many; quarantine unreadable lines.

    Raises StoreError, OSError.
    """
    path = journal_path(database.path)
    if not path.exists():
        return 0
    with database.read() as connection:
        known = meta.read_journal_position(connection)
    with _locked(path) as log:
        if _replay_start(log, known) is None:
            return 0
    with database.write(durable=True) as connection, _locked(path) as log:
        start = _replay_start(log, meta.read_journal_position(connection))
        if start is None:
            return 0
        log.seek(start.offset)
        content = log.read()
        applied = _apply(connection, path, start.offset, content)
        meta.write_journal_position(connection, JournalPosition(start.journal, start.offset + len(content)))
    return applied


def trim(path: Path, held: Sequence[JournalPosition]) -> None:
    """Remove the lines before all of these positions. Raises OSError."""
    if not held or not path.exists():
        return
    with _locked(path) as log:
        name = _name(log)
        if name is None or any(one.journal != name for one in held):
            return
        start = min(one.offset for one in held)
        log.seek(start)
        _replace(path, log.read())


def scrub(path: Path, ids: frozenset[str], mentions: Callable[[bytes], bool] = lambda _: False) -> int:
    """Remove the lines of forgotten memories; return how many. Raises OSError.

    `mentions` tells of a line that cannot be read whether they are in it.
    """
    if not path.exists():
        return 0
    with _locked(path) as log:
        lines = log.readlines()[1:]
        kept = [line for line in lines if not _is_about(line, ids, mentions)]
        if len(kept) < len(lines):
            _replace(path, b"".join(kept))
    return len(lines) - len(kept)


def redact(path: Path, redacted: Callable[[str], str]) -> int:
    """Replace each entry by what `redacted` returns for it; return how many changed. Raises OSError."""
    if not path.exists():
        return 0
    with _locked(path) as log:
        lines = log.readlines()[1:]
        changed = [_without_secrets(line, redacted) for line in lines]
        count = sum(new != old for new, old in zip(changed, lines, strict=True))
        if count:
            _replace(path, b"".join(changed))
    return count


def _without_secrets(line: bytes, redacted: Callable[[str], str]) -> bytes:
    try:
        entry = msgspec.json.decode(line, type=Entry)
        if isinstance(entry, Write):  # the plain text first, since JSON escapes may hide a secret
            memory = replace(entry.memory, text=redacted(entry.memory.text), speaker=redacted(entry.memory.speaker))
            entry = Write(memory, entry.revive) if memory != entry.memory else entry
        whole = redacted(msgspec.json.encode(entry).decode())
        if whole == line.decode().rstrip("\n"):
            return line
        return msgspec.json.encode(msgspec.json.decode(whole, type=Entry)) + b"\n"
    except (ValueError, RecursionError):
        return line


def _is_about(line: bytes, ids: frozenset[str], mentions: Callable[[bytes], bool]) -> bool:
    try:
        entry = msgspec.json.decode(line, type=Entry)
    except (ValueError, RecursionError):
        return mentions(line)
    return isinstance(entry, Write) and entry.memory.id in ids


def _replace(path: Path, lines: bytes) -> None:
    """Replace the journal by a new one with these lines, holding its lock; waiting processes reopen the file."""
    partial = path.with_name(path.name + ".partial")
    with os.fdopen(create_private_file(partial), "wb") as file:
        file.write(_header() + lines if lines else b"")
    publish(partial, path)


def _append(path: Path, entries: Sequence[Entry]) -> tuple[JournalPosition, JournalPosition]:
    """Append entries and wait for the disk; return the positions before and after them. Raises OSError."""
    lines = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
    with _locked(path) as log:
        is_new = not log.seek(0, os.SEEK_END)
        if is_new:
            log.write(_header())
        end = log.tell()
        try:
            log.write(_after_torn_line(log, end) + lines)
            log.flush()
            os.fsync(log.fileno())
        except OSError:
            os.ftruncate(log.fileno(), 0 if is_new else end)
            raise
        name = _name(log)
        after = log.seek(0, os.SEEK_END)
    if is_new:
        sync(path.parent)
    return JournalPosition(name or "", end, is_start=is_new), JournalPosition(name or "", after)


def _replay_start(log: BinaryIO, known: JournalPosition) -> JournalPosition | None:
    """Return the position where replaying begins; None if everything was replayed."""
    name = _name(log)
    size = log.seek(0, os.SEEK_END)
    if not size:
        return None
    log.seek(0)
    first = len(log.readline()) if name else 0
    start = known.offset if known.journal == name and first <= known.offset <= size else first
    return JournalPosition(name or "", start) if start < size else None


def _apply(connection: apsw.Connection, path: Path, start: int, content: bytes) -> int:
    """Apply the lines after `start`, with a ledger like any source's; its offset counts all bytes ever applied."""
    earlier = sources.find(connection, str(path), 0, 0)
    total, offset = (earlier.offset if earlier else 0) + len(content), start
    defects: list[Defect] = []
    applied = bytes_applied = 0
    for line in content.splitlines(keepends=True):
        try:
            _entry(line).apply(connection)
            applied, bytes_applied = applied + 1, bytes_applied + len(line)
        except (ValueError, OverflowError, RecursionError):
            sample = line[:_SAMPLE].decode("utf-8", "replace").replace("\0", "\ufffd")
            defects.append(Defect(offset, len(line), "broken_json", sample))
        offset += len(line)
    ledger = {
        LedgerKey("stored", sources.JOURNAL): Tally(applied, bytes_applied),
        LedgerKey("quarantined", "broken_json"): Tally(len(defects), sum(defect.length for defect in defects)),
    }
    used = {key: tally for key, tally in ledger.items() if tally.messages}
    capture.write_batches(
        connection, [Batch(SourceState(path=str(path), format=sources.JOURNAL, offset=total), (), used, defects)]
    )
    return applied


def _entry(line: bytes) -> Entry:
    entry: Entry = msgspec.json.decode(line, type=Entry)
    if isinstance(entry, Write):
        require_storable(entry.memory.timestamp)
    return entry


def _header() -> bytes:
    return b'{"journal":"' + os.urandom(8).hex().encode() + b'"}\n'


def _name(log: BinaryIO) -> str | None:
    """Return the name on the first line; None if that is missing or damaged."""
    log.seek(0)
    try:
        return str(msgspec.json.decode(log.readline())["journal"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return None


def _after_torn_line(log: BinaryIO, end: int) -> bytes:
    """Return the separator before a new line: a newline if a kill or a full disk left half a line."""
    log.seek(end - 1)
    return b"" if log.read(1) == b"\n" else b"\n"


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """Open the journal (0600) and hold its lock, so that one process writes or replays at a time."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            if path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor)):
                yield log
                return
