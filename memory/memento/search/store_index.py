"""The vector index of one store: read from the vector file and brought in step with the database before each use.

If the file cannot be used (no space, no permission, a long rebuild by another process), the vectors are read from the
database into this process, and the file is tried again later. Answers are the same.
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
from memento.search.backend_state import BackendState
from memento.search.index.header import VectorFileUnusable
from memento.search.index.rows import MemoryRows, expand_counts
from memento.search.index.vector_file import VectorFile, locked, remove_other_epochs
from memento.search.index.vector_index import VectorIndex
from memento.storage import vectors
from memento.storage.database import Database

LOCK_SECONDS: Final = 0.25
"""How long a query waits for another process that writes the file; appending takes milliseconds."""
REBUILD_SECONDS: Final = 60.0
"""How long a requested rebuild waits for the lock."""
RETRY_SECONDS: Final = 5.0
BATCH: Final = 4_096
"""Memories read and appended at once."""
WITNESSES: Final = 32
"""Number of newest embeddings whose hashes are compared when a file is opened: a restored database has others."""
COMPACT_DEAD: Final = 1_000
COMPACT_SHARE: Final = 4
"""The file is rebuilt if more than COMPACT_DEAD rows, and more than one in COMPACT_SHARE, are dead."""


def vector_folder(database: Path) -> Path:
    """Return the folder of the vector file that belongs to a database file."""
    return Path(f"{database}.vectors")


class Watermark(NamedTuple):
    """The position of the database that an index must reach."""

    model: str
    dimensions: int
    store: str
    deletions: int
    written: int
    """Number of embeddings ever written; no file is ahead of it."""
    newest: int
    """Sequence number of the model's newest existing embedding."""


class StoreIndex:
    """The VectorIndex of a store in this process. Not thread-safe."""

    def __init__(self, database: Database, backend: str = "numpy", rust: bool | None = None, threads: int = 1) -> None:
        self.folder = vector_folder(database.path)
        self._backend_state = BackendState(backend, self.folder, rust, threads)
        self._database = database
        self._index: VectorIndex | None = None
        self._model = self._store = self._examined = ""
        self._retry_at = 0.0

    def current(self, model: str, dimensions: int, deadline: float | None = None) -> VectorIndex:
        """Return the index with every committed embedding of the model. Raises DeadlineExceeded; progress is kept."""
        with self._database.read(deadline) as connection:
            watermark = read_watermark(connection, model, dimensions)
            if (model, watermark.store) != (self._model, self._store):  # another model, or a backup was restored
                self._index, self._model, self._store, self._retry_at = None, model, watermark.store, 0.0
            index = self._open(connection, watermark)
            if index is None or index.rows.seq < watermark.newest or index.rows.deletions != watermark.deletions:
                index = self._bring_up_to_date(connection, watermark)
        self._backend_state.attach(index, deadline)
        return index

    def latest(self, model: str) -> VectorIndex | None:
        """Return the model's index as `current` left it, without reading the database; None if there is none."""
        return self._index if model == self._model else None

    def grow(self, rows: int) -> int:
        """Add up to `rows` rows to the backend if it is a graph; return how many were added."""
        return self._backend_state.grow(self._index, rows) if self._index is not None else 0

    def save(self) -> None:
        """Save a persistent backend for the next process. Raises OSError."""
        if self._index is not None:
            self._backend_state.save(self._index, REBUILD_SECONDS)

    def rebuild(self, model: str, dimensions: int, within: float = REBUILD_SECONDS) -> VectorIndex:
        """Rebuild the file from the database. Raises OSError if it cannot be locked `within` seconds, or written."""
        with self._database.read() as connection, locked(self.folder, within):
            watermark = read_watermark(connection, model, dimensions)
            self._model, self._store = model, watermark.store
            index = self._write_new_file(connection, watermark)
        self._backend_state.attach(index)
        return index

    def repair(self) -> bool:
        """Verify the whole file, once per epoch; if it is damaged, rebuild it and return True."""
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

    def _open(self, connection: apsw.Connection, watermark: Watermark) -> VectorIndex | None:
        """Return the index of this process or of the file; None if neither matches the database."""
        if self._index is not None and not (isinstance(self._index.rows, VectorFile) and self._index.rows.changed()):
            return self._index
        self._index = None
        try:
            file = VectorFile.open(self.folder, watermark.store, watermark.model, watermark.dimensions)
        except VectorFileUnusable:
            return None
        index = self._backend_state.index(file)
        if matches_database(connection, index, watermark):
            self._index = index
        return self._index

    def _bring_up_to_date(self, connection: apsw.Connection, watermark: Watermark) -> VectorIndex:
        """Bring the file in step with the database, or a copy in memory if that is not possible."""
        on_file = self._index is not None and isinstance(self._index.rows, VectorFile)
        if on_file or (watermark.newest and time.monotonic() >= self._retry_at):
            try:
                with locked(self.folder, LOCK_SECONDS):
                    return self._update_file(connection, watermark)
            except OSError:
                self._retry_at = time.monotonic() + RETRY_SECONDS
                self._index = None
        if self._index is None:
            self._index = self._backend_state.index(MemoryRows(watermark.dimensions))
        _append_missing(connection, self._index, watermark)
        return self._index

    def _update_file(self, connection: apsw.Connection, watermark: Watermark) -> VectorIndex:
        """Bring the file in step with the database. The caller holds its lock."""
        if self._index is not None and not (isinstance(self._index.rows, VectorFile) and self._index.rows.is_current()):
            self._index = None
        index = self._open(connection, watermark)
        if index is None:
            return self._write_new_file(connection, watermark)
        file = index.rows
        assert isinstance(file, VectorFile)
        try:
            _append_missing(connection, index, watermark)
        finally:
            file.publish()
        if index.dead > COMPACT_DEAD and index.dead * COMPACT_SHARE > len(file.nums):
            index = self._write_new_file(connection, watermark)
        return index

    def _write_new_file(self, connection: apsw.Connection, watermark: Watermark) -> VectorIndex:
        """Write a new epoch of the file. The caller holds its lock; a passed deadline keeps what was written."""
        file = VectorFile.create(self.folder, watermark.store, watermark.model, watermark.dimensions)
        file.deletions = watermark.deletions
        try:
            try:
                for batch in _batches(connection, watermark, 0):
                    file.append(expand_counts(batch.nums, batch.counts), batch.vectors)
                    file.seq = batch.seq
            finally:
                file.publish()
                remove_other_epochs(self.folder, file.header.epoch)
        except OSError:
            file.remove()
            raise
        self._index = self._backend_state.index(file)
        return self._index


def read_watermark(connection: apsw.Connection, model: str, dimensions: int) -> Watermark:
    """Read the database's position; later deletions and embeddings are seen by the next call."""
    deletions, store = vectors.count_deletions(connection), vectors.store_id(connection)
    written, newest = vectors.last_sequence(connection), vectors.newest_sequence(connection, model)
    return Watermark(model, dimensions, store, deletions, written, newest)


class _Batch(NamedTuple):
    """Embeddings to append: `counts` rows of each memory."""

    seq: int
    nums: list[int]
    counts: list[int]
    vectors: bytes


def _batches(connection: apsw.Connection, watermark: Watermark, seq: int) -> Iterator[_Batch]:
    """Yield the model's embeddings written after `seq`, in their order."""
    stored = iter(vectors.written_since(connection, watermark.model, seq))
    while part := list(islice(stored, BATCH)):
        counts = [len(row.blob) // (4 * watermark.dimensions) for row in part]
        yield _Batch(part[-1].seq, [row.num for row in part], counts, b"".join(row.blob for row in part))


def _append_missing(connection: apsw.Connection, index: VectorIndex, watermark: Watermark) -> None:
    """Remove deleted memories from the index and add those embedded since."""
    rows = index.rows
    if rows.deletions != watermark.deletions:
        index.keep_only(vectors.embedded_rows(connection, watermark.model))
        rows.deletions = watermark.deletions
    for batch in _batches(connection, watermark, rows.seq):
        index.put(batch.nums, batch.counts, batch.vectors)
        rows.seq = batch.seq


def matches_database(connection: apsw.Connection, index: VectorIndex, watermark: Watermark) -> bool:
    """Tell whether the index was built from this database, not from one that a backup has replaced."""
    rows = index.rows
    if rows.deletions > watermark.deletions or rows.seq > watermark.written:
        return False
    witnesses = vectors.newest_hashes(connection, watermark.model, rows.seq, WITNESSES)
    return all(blake2b(index.vectors_of(num), digest_size=HASH_BYTES).digest() == known for num, known in witnesses)
