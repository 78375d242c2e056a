"""The state of the configured vector backend beside an index: built or loaded on first use, then extended."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from memento.search.index import persistence
from memento.search.index.backends import accelerator_class, index_of, resolved
from memento.search.index.partial_index import Graph, PartialIndex, PersistentIndex
from memento.search.index.rows import Rows
from memento.search.index.vector_file import VectorFile, locked
from memento.search.index.vector_index import VectorIndex

SLICE: Final = 256
"""Rows added to a graph in one call."""
SAVE_GROWTH: Final = 1.1
"""Growth factor after which a backend's file is saved again."""
LOCK_SECONDS: Final = 0.25


class BackendState:
    """The backend of one store in this process. Not thread-safe."""

    def __init__(self, backend: str, folder: Path, rust: bool | None = None, threads: int = 1) -> None:
        """Set up from `recall.index`, the vector file's folder, `rust` and `recall.threads`."""
        self._backend = backend
        self._rust = rust
        self._threads = threads
        self._folder = folder
        self._made: PartialIndex | None = None
        self._origin: object = None
        self._saved = 0

    def index(self, rows: Rows) -> VectorIndex:
        """Return an index over these rows. Raises ConfigError if `rust` demands an engine that is missing."""
        return index_of(rows, resolved(self._backend, self._rust))

    def attach(self, index: VectorIndex, deadline: float | None = None) -> None:
        """Attach the accelerator to the index; rows that it cannot add by `deadline` are scanned.

        Raises ConfigError if the backend is not installed.
        """
        rows = len(index.rows.nums)
        kind = accelerator_class(resolved(self._backend, self._rust), rows)
        if kind is None:
            return
        file = index.rows if isinstance(index.rows, VectorFile) else None
        origin = file.header.epoch if file else index.rows
        if type(self._made) is not kind or origin != self._origin or self._made.covered > rows:
            self._made, self._origin, self._saved = kind(index.rows.dimensions), origin, 0
            self._made.threads = self._threads
            if (
                isinstance(self._made, PersistentIndex)
                and file
                and persistence.load(self._made, self._folder, file.header.epoch, rows)
            ):
                self._saved = self._made.covered
        if self._made.covered > rows:  # saved by a process that saw more rows than this one
            self._made = None
            return
        index.accelerator = self._made
        if not isinstance(self._made, Graph) and self._made.covered < rows:
            _extend(self._made, index.rows, deadline)
            self._save_when_grown(index)

    def grow(self, index: VectorIndex, rows: int) -> int:
        """Add up to `rows` rows to a graph, saving it from time to time; return how many were added."""
        graph = index.accelerator
        if not isinstance(graph, Graph):
            return 0
        before, end = graph.covered, min(len(index.rows.nums), graph.covered + rows)
        while graph.covered < end:
            graph.extend(index.rows.vectors[: min(end, graph.covered + SLICE) * index.rows.dimensions])
        self._save_when_grown(index)
        return graph.covered - before

    def save(self, index: VectorIndex, within: float = LOCK_SECONDS) -> None:
        """Save a persistent backend beside its vector file. Raises OSError."""
        if isinstance(index.accelerator, PersistentIndex) and isinstance(index.rows, VectorFile):
            with locked(self._folder, within):
                persistence.save(index.accelerator, self._folder, index.rows.header.epoch)
            self._saved = index.accelerator.covered

    def _save_when_grown(self, index: VectorIndex) -> None:
        made = index.accelerator
        if isinstance(made, PersistentIndex) and made.covered > max(
            self._saved * SAVE_GROWTH, self._saved + made.cheap
        ):
            with suppress(OSError):  # no space: the next process rebuilds it
                self.save(index)


def _extend(made: PartialIndex, rows: Rows, deadline: float | None) -> None:
    end, before = len(rows.nums), -1
    while before < made.covered < end and (deadline is None or time.monotonic() < deadline):
        before = made.covered
        made.extend(rows.vectors[: min(end, before + made.at_once) * rows.dimensions])
