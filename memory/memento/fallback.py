"""The fallback log: where an observation goes when the store cannot be written, and how it comes back.

One JSON line per memory, redacted already, fsynced before it is acknowledged. The next store that opens replays it;
ids make that idempotent, so a kill in the middle costs nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import msgspec

from memento.durable import sync
from memento.errors import StoreError
from memento.memory import NewMemory
from memento.storage.capture import Batch
from memento.storage.sources import Defect, LedgerKey, SourceState, Tally
from memento.times import storable

FORMAT = "fallback"


def log_path(database: Path) -> Path:
    """Return the fallback log that belongs to a database file."""
    return database.with_name(database.name + ".fallback.jsonl")


def append(path: Path, memory: NewMemory) -> None:
    """Append one memory and wait for the disk. Raises StoreError when that fails too."""
    line = json.dumps(asdict(memory), ensure_ascii=False).encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        with _locked(path) as log:
            end = log.seek(0, os.SEEK_END)
            log.write(_after_torn_line(log, end) + line)
            log.flush()
            os.fsync(log.fileno())
        if not end:
            sync(path.parent)
    except OSError as error:
        raise StoreError(f"neither the store nor its fallback log {path} can be written: {error.strerror}") from None


def replay(path: Path, known: Callable[[str], SourceState | None], commit: Callable[[Batch], object]) -> None:
    """Commit what the log holds and empty it; a line that cannot be read goes to the quarantine.

    `known` returns what the store knows of the log as a source: its offset counts all bytes replayed so far.
    """
    if not path.exists() or not path.stat().st_size:
        return
    with _locked(path) as log:
        if content := log.read():
            earlier = known(str(path))
            commit(_batch(path, content, earlier.offset if earlier else 0))
            log.truncate(0)
            os.fsync(log.fileno())


def _batch(path: Path, content: bytes, offset: int) -> Batch:
    memories: list[NewMemory] = []
    defects: list[Defect] = []
    stored = 0
    for line in content.splitlines(keepends=True):
        try:
            memories.append(_memory(line))
            stored += len(line)
        except (ValueError, OverflowError, RecursionError):
            sample = line[:4096].decode("utf-8", "replace").replace("\0", "\ufffd")
            defects.append(Defect(offset, len(line), "broken_json", sample))
        offset += len(line)
    ledger = {
        LedgerKey("stored", FORMAT): Tally(len(memories), stored),
        LedgerKey("quarantined", "broken_json"): Tally(len(defects), sum(defect.length for defect in defects)),
    }
    used = {key: tally for key, tally in ledger.items() if tally.messages}
    return Batch(SourceState(path=str(path), format=FORMAT, offset=offset), memories, used, defects)


def _memory(line: bytes) -> NewMemory:
    memory = msgspec.json.decode(line, type=NewMemory)
    storable(memory.timestamp)
    return memory


def _after_torn_line(log: BinaryIO, end: int) -> bytes:
    """Return what must precede a new line: a newline where a kill or a full disk left half a line."""
    if not end:
        return b""
    log.seek(end - 1)
    return b"" if log.read(1) == b"\n" else b"\n"


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """Open the log, 0600, holding its lock: one writer or one replay at a time."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        yield log
