"""The vector backend that was asked for, kept beside the index: made or read when it is first needed, then extended."""

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
"""Rows added to a graph at once."""
SAVE_GROWTH: Final = 1.1
"""A backend's file is written again when the backend has grown by so much."""
LOCK_SECONDS: Final = 0.25


class BackendState:
    """The accelerator of one store in this process. Not safe for use from several threads at once."""

    def __init__(self, backend: str, folder: Path, rust: bool | None = None, threads: int = 1) -> None:
        """Take `recall.index`, the vector file's folder, and what `rust` and `recall.threads` say."""
        self._backend = backend
        self._rust = rust
        self._threads = threads
        self._folder = folder
        self._made: PartialIndex | None = None
        self._origin: object = None
        self._saved = 0

    def index(self, rows: Rows) -> VectorIndex:
        """Return an index over these rows. Raises ConfigError where `rust` demands an engine that is not there."""
        return index_of(rows, resolved(self._backend, self._rust))

    def attach(self, index: VectorIndex, deadline: float | None = None) -> None:
        """Give the index its accelerator; what it cannot take in by `deadline` is scanned.

        Raises ConfigError where the backend is not installed.
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
        if self._made.covered > rows:  # written by a process that saw more rows than this one yet
            self._made = None
            return
        index.accelerator = self._made
        if not isinstance(self._made, Graph) and self._made.covered < rows:
            _extend(self._made, index.rows, deadline)
            self._save_when_grown(index)

    def grow(self, index: VectorIndex, rows: int) -> int:
        """Add up to `rows` rows to a graph, saving it now and then; return how many were added."""
        graph = index.accelerator
        if not isinstance(graph, Graph):
            return 0
        before, end = graph.covered, min(len(index.rows.nums), graph.covered + rows)
        while graph.covered < end:
            graph.extend(index.rows.vectors[: min(end, graph.covered + SLICE) * index.rows.dimensions])
        self._save_when_grown(index)
        return graph.covered - before

    def save(self, index: VectorIndex, within: float = LOCK_SECONDS) -> None:
        """Write what the backend keeps beside the vector file it was made from. Raises OSError."""
        if isinstance(index.accelerator, PersistentIndex) and isinstance(index.rows, VectorFile):
            with locked(self._folder, within):
                persistence.save(index.accelerator, self._folder, index.rows.header.epoch)
            self._saved = index.accelerator.covered

    def _save_when_grown(self, index: VectorIndex) -> None:
        made = index.accelerator
        if isinstance(made, PersistentIndex) and made.covered > max(
            self._saved * SAVE_GROWTH, self._saved + made.cheap
        ):
            with suppress(OSError):  # no space: it is made again in the next process
                self.save(index)


def _extend(made: PartialIndex, rows: Rows, deadline: float | None) -> None:
    end, before = len(rows.nums), -1
    while before < made.covered < end and (deadline is None or time.monotonic() < deadline):
        before = made.covered
        made.extend(rows.vectors[: min(end, before + made.at_once) * rows.dimensions])
