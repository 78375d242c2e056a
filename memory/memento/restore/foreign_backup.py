"""Restore of a foreign backup: only its rows are admitted, through the gate, into a new store.

Nothing else in the file is used: not its offsets, watched files, vectors, full-text settings or notes. Derived data is
rebuilt.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import apsw

from memento.errors import BackupDamaged
from memento.memory import Memory, NewMemory
from memento.storage import ignored, rows, sources, tombstones, transfer
from memento.storage.database import Database
from memento.storage.sources import SessionTitle
from memento.writes.admission import Admission, Refused

_BATCH = 1_000


def admit_rows(copy: apsw.Connection, database: Database, admission: Admission) -> None:
    """Write the rows of a copy into an empty store. Raises BackupDamaged if a row cannot be read."""
    with database.write() as connection:
        tombstones.add_tombstones(connection, tombstones.as_imported(transfer.all_tombstones(copy)))
        for session in ignored.load(copy).sessions:
            if session := admission.session(session):
                ignored.add(connection, "session", session)
        titles = (admission.title(*row[:3]) for row in transfer.all_titles(copy))
        sources.set_titles(connection, [SessionTitle(*title, 0) for title in titles if title])
    admitted = _admitted(copy, admission)
    while batch := list(islice(admitted, _BATCH)):
        with database.write() as connection:
            rows.put(connection, [memory for memory, _ in batch])
            for memory, superseded_by in batch:
                if superseded_by:
                    transfer.mark_superseded(connection, memory.id, superseded_by)


def _admitted(copy: apsw.Connection, admission: Admission) -> Iterator[tuple[NewMemory, str | None]]:
    try:
        for memory in rows.all_memories(copy):
            try:
                admitted = admission.admit(_new(memory))
            except Refused:
                admission.left_out["malformed"] += 1
                continue
            if admitted:
                yield admitted, memory.superseded_by
    except (ValueError, TypeError, RecursionError):
        raise BackupDamaged("the backup holds a row that cannot be read") from None


def _new(memory: Memory) -> NewMemory:
    return NewMemory(**{name: getattr(memory, name) for name in NewMemory.__dataclass_fields__})
