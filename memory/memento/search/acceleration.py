"""The vector backend that was asked for, kept beside the index: made or read when it is first needed, then grown."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from memento.search.index.accelerator import Accelerator, Graph
from memento.search.index.backends import accelerator_class
from memento.search.index.saved_graph import load_graph, save_graph
from memento.search.index.vector_file import VectorFile
from memento.search.index.vector_index import VectorIndex

SLICE: Final = 256
"""Rows added to a graph at once."""
SAVE_GROWTH: Final = 1.1
"""A graph is saved again when it has grown by so much."""


class Acceleration:
    """The accelerator of one store in this process. Not safe for use from several threads at once."""

    def __init__(self, backend: str, folder: Path) -> None:
        self.backend = backend
        self._folder = folder
        self._made: Accelerator | None = None
        self._origin: object = None
        self._saved = 0

    def attach(self, index: VectorIndex) -> None:
        """Give the index its accelerator. Raises ConfigError where the backend is not installed."""
        kind = accelerator_class(self.backend, len(index.rows.nums))
        if kind is None:
            return
        origin = index.rows.header.epoch if isinstance(index.rows, VectorFile) else index.rows
        if type(self._made) is not kind or origin != self._origin:
            self._made, self._origin, self._saved = kind(index.rows.vectors.shape[1]), origin, 0
            if isinstance(self._made, Graph) and isinstance(index.rows, VectorFile):
                load_graph(self._made, self._folder, index.rows.header.epoch)
                self._saved = self._made.covered
        if self._made.covered > len(index.rows.nums):  # saved by a process that saw more rows than this one yet
            return
        if not isinstance(self._made, Graph) and self._made.covered < len(index.rows.nums):
            self._made.add(index.rows.vectors[self._made.covered :])
        index.accelerator = self._made

    def grow(self, index: VectorIndex, rows: int) -> int:
        """Add up to `rows` rows to a graph, saving it now and then; return how many were added."""
        graph, total = index.accelerator, len(index.rows.nums)
        if not isinstance(graph, Graph):
            return 0
        before, end = graph.covered, min(total, graph.covered + rows)
        while graph.covered < end:
            graph.add(index.rows.vectors[graph.covered : min(end, graph.covered + SLICE)])
        if graph.covered > self._saved * SAVE_GROWTH:
            with suppress(OSError):  # no space: it is grown again in the next process
                self.save(index)
        return graph.covered - before

    def save(self, index: VectorIndex) -> None:
        """Write a graph beside the vector file it was made from. Raises OSError."""
        if isinstance(index.accelerator, Graph) and isinstance(index.rows, VectorFile):
            save_graph(index.accelerator, self._folder, index.rows.header.epoch)
            self._saved = index.accelerator.covered
