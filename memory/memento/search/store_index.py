"""The vector index of one store: opened from the vector file, and brought in step with the database before each use.

Where the file cannot be used (no space, no permission, another process rebuilding it for long), the vectors are held
in this process alone, read from the database, and the file is tried again later. Answers are the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from memento.base.identity import HASH_BYTES
from memento.search.acceleration import Acceleration
from memento.search.index.header import Unusable
from memento.search.index.rows import MemoryRows, owners
from memento.search.index.vector_file import VectorFile, locked, sweep
from memento.search.index.vector_index import VectorIndex
from memento.storage import vectors
from memento.storage.database import Database

LOCK_SECONDS: Final = 0.25
"""How long a query waits for another process that writes the file; appending takes milliseconds, a rebuild longer."""
REBUILD_SECONDS: Final = 60.0
"""How long one who asked for a rebuild waits for it."""
RETRY_SECONDS: Final = 5.0
BATCH: Final = 4_096
"""Memories read and appended at once."""
WITNESSES: Final = 32
"""The newest embeddings whose hashes must be in a file that is opened: a restored database has others."""
COMPACT_DEAD: Final = 1_000
COMPACT_SHARE: Final = 4
"""The file is made anew when it holds more than so many dead rows, and one row in so many is dead."""


def folder_of(database: Path) -> Path:
    """Return the folder of the vector file that belongs to a database file."""
    return Path(f"{database}.vectors")


class Step(NamedTuple):
    """Where the database stands."""

    model: str
    dimensions: int
    store: str
    deletions: int
    written: int
    """How many embeddings were ever written: no file is ahead of it."""
    newest: int
    """The model's newest embedding that is still there."""


class StoreIndex:
    """The one VectorIndex of a store in this process. Not safe for use from several threads at once."""

    def __init__(self, database: Database, backend: str = "numpy", rust: bool | None = None, threads: int = 1) -> None:
        self.folder = folder_of(database.path)
        self._acceleration = Acceleration(backend, self.folder, rust, threads)
        self._database = database
        self._index: VectorIndex | None = None
        self._model = self._store = self._examined = ""
        self._retry_at = 0.0

    def current(self, model: str, dimensions: int, deadline: float | None = None) -> VectorIndex:
        """Return the index with every embedding of the model in it that any process has committed.

        Raises DeadlineExceeded; what was done until then is kept.
        """
        with self._database.read(deadline) as connection:
            step = look(connection, model, dimensions)
            if (model, step.store) != (self._model, self._store):  # another model, or a backup was restored
                self._index, self._model, self._store, self._retry_at = None, model, step.store, 0.0
            index = self._opened(connection, step)
            if index is None or index.rows.seq < step.newest or index.rows.deletions != step.deletions:
                index = self._caught_up(connection, step)
        self._acceleration.attach(index, deadline)
        return index

    def latest(self, model: str) -> VectorIndex | None:
        """Return the model's index as `current` left it, without a look at the database; None where there is none."""
        return self._index if model == self._model else None

    def grow(self, rows: int) -> int:
        """Add up to so many rows to the backend where that is a graph; return how many were added."""
        return self._acceleration.grow(self._index, rows) if self._index is not None else 0

    def save(self) -> None:
        """Keep a graph for the next process. Raises OSError."""
        if self._index is not None:
            self._acceleration.save(self._index, REBUILD_SECONDS)

    def rebuild(self, model: str, dimensions: int, within: float = REBUILD_SECONDS) -> VectorIndex:
        """Make the file anew from the database. Raises OSError where it cannot be written `within` so many seconds."""
        with self._database.read() as connection, locked(self.folder, within):
            step = look(connection, model, dimensions)
            self._model, self._store = model, step.store
            index = self._made(connection, step)
        self._acceleration.attach(index)
        return index

    def mend(self) -> bool:
        """Read the whole file, once for each writing of it; where it is damaged, make it anew and return True."""
        file = self._index.rows if self._index else None
        if not isinstance(file, VectorFile) or file.header.epoch == self._examined:
            return False
        self._examined = file.header.epoch
        if not file.damaged_blocks():
            return False
        with suppress(OSError):
            self.rebuild(self._model, file.dimensions, LOCK_SECONDS)
            return True
        return False

    def _opened(self, connection: apsw.Connection, step: Step) -> VectorIndex | None:
        """Return the index as it is in this process or in the file; None where there is none that fits."""
        if self._index is not None and not (isinstance(self._index.rows, VectorFile) and self._index.rows.changed()):
            return self._index
        self._index = None
        try:
            file = VectorFile.open(self.folder, step.store, step.model, step.dimensions)
        except Unusable:
            return None
        index = self._acceleration.index(file)
        if fits(connection, index, step):
            self._index = index
        return self._index

    def _caught_up(self, connection: apsw.Connection, step: Step) -> VectorIndex:
        """Bring the file in step with the database; where that cannot be, a copy in memory."""
        on_file = self._index is not None and isinstance(self._index.rows, VectorFile)
        if on_file or (step.newest and time.monotonic() >= self._retry_at):
            try:
                with locked(self.folder, LOCK_SECONDS):
                    return self._written(connection, step)
            except OSError:
                self._retry_at = time.monotonic() + RETRY_SECONDS
                self._index = None
        if self._index is None:
            self._index = self._acceleration.index(MemoryRows(step.dimensions))
        _catch_up(connection, self._index, step)
        return self._index

    def _written(self, connection: apsw.Connection, step: Step) -> VectorIndex:
        """Bring the file in step, holding its lock."""
        if self._index is not None and not (isinstance(self._index.rows, VectorFile) and self._index.rows.is_current()):
            self._index = None
        index = self._opened(connection, step)
        if index is None:
            return self._made(connection, step)
        file = index.rows
        assert isinstance(file, VectorFile)
        try:
            _catch_up(connection, index, step)
        finally:
            file.publish()
        if index.dead > COMPACT_DEAD and index.dead * COMPACT_SHARE > len(file.nums):
            index = self._made(connection, step)
        return index

    def _made(self, connection: apsw.Connection, step: Step) -> VectorIndex:
        """Write a new epoch of the file, holding its lock; a passed deadline leaves what was written by then."""
        file = VectorFile.create(self.folder, step.store, step.model, step.dimensions)
        file.deletions = step.deletions
        try:
            try:
                for batch in _batches(connection, step, 0):
                    file.append(owners(batch.nums, batch.counts), batch.vectors)
                    file.seq = batch.seq
            finally:
                file.publish()
                sweep(self.folder, file.header.epoch)
        except OSError:
            file.remove()
            raise
        self._index = self._acceleration.index(file)
        return self._index


def look(connection: apsw.Connection, model: str, dimensions: int) -> Step:
    """See where the database stands; what is deleted or embedded behind a look is seen by the next one."""
    deletions, store = vectors.count_deletions(connection), vectors.store_id(connection)
    written, newest = vectors.last_sequence(connection), vectors.newest_sequence(connection, model)
    return Step(model, dimensions, store, deletions, written, newest)


class _Batch(NamedTuple):
    """Embeddings as they are appended: `counts` rows of each memory."""

    seq: int
    nums: list[int]
    counts: list[int]
    vectors: bytes


def _batches(connection: apsw.Connection, step: Step, seq: int) -> Iterator[_Batch]:
    """Yield the model's embeddings written after `seq`, in their order."""
    stored = iter(vectors.written_since(connection, step.model, seq))
    while part := list(islice(stored, BATCH)):
        counts = [len(row.blob) // (4 * step.dimensions) for row in part]
        yield _Batch(part[-1].seq, [row.num for row in part], counts, b"".join(row.blob for row in part))


def _catch_up(connection: apsw.Connection, index: VectorIndex, step: Step) -> None:
    """Take out what was deleted and put in what was embedded since."""
    rows = index.rows
    if rows.deletions != step.deletions:
        index.keep_only(vectors.embedded_rows(connection, step.model))
        rows.deletions = step.deletions
    for batch in _batches(connection, step, rows.seq):
        index.put(batch.nums, batch.counts, batch.vectors)
        rows.seq = batch.seq


def fits(connection: apsw.Connection, index: VectorIndex, step: Step) -> bool:
    """Tell whether the index was made from this database, and not from one that a backup has since replaced."""
    rows = index.rows
    if rows.deletions > step.deletions or rows.seq > step.written:
        return False
    witnesses = vectors.newest_hashes(connection, step.model, rows.seq, WITNESSES)
    return all(blake2b(index.vectors_of(num), digest_size=HASH_BYTES).digest() == known for num, known in witnesses)
