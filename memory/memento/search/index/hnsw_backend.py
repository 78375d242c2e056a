"""hnswlib as a vector backend: the HNSW graph by its authors."""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

from memento.search.index.partial_index import Graph, matrix

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

LINKS: Final = 32
"""M: links of a vector to others. With 16, one in ten was missed among a million."""
BUILD_WIDTH: Final = 200
"""ef when the graph is built."""


class Hnswlib(Graph):
    """hnswlib's Index with inner product: approximate."""

    name: ClassVar[str] = "hnswlib"
    search_width: ClassVar[int] = 160

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._index = self._empty()
        self._index.init_index(max_elements=1024, M=LINKS, ef_construction=BUILD_WIDTH, random_seed=1)

    @property
    def covered(self) -> int:
        """The number of leading rows that it covers."""
        return int(self._index.get_current_count())

    def extend(self, vectors: memoryview[float]) -> None:
        """Add the rows after those covered: about a millisecond each."""
        import numpy as np

        rows = matrix(vectors, self._dimensions)
        end = len(rows)
        if end > self._index.get_max_elements():
            self._index.resize_index(max(end, 2 * self._index.get_max_elements()))
        self._index.add_items(rows[self.covered :], np.arange(self.covered, end), num_threads=1)

    def nearest(
        self, query: NDArray[np.float32], count: int, vectors: NDArray[np.float32], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the approximately nearest rows and their cosines."""
        import numpy as np

        self._index.set_ef(self._width(count))
        may = None if allowed is None else allowed.tobytes().__getitem__
        try:
            rows, distances = self._index.knn_query(query[None], count, num_threads=1, filter=may)
        except RuntimeError:  # it found fewer than `count` and returns none
            return np.empty(0, np.int64), np.empty(0, np.float32)
        return rows[0].astype(np.int64), 1 - distances[0]

    def save(self, path: Path, epoch: str) -> None:
        """Write the graph and its copy of the vectors. Raises OSError; the library itself does not check."""
        self._index.save_index(str(path))
        if path.stat().st_size != self._index.index_file_size():
            raise OSError(errno.ENOSPC, "the graph was not written whole", str(path))

    def load(self, path: Path, epoch: str, rows: int) -> None:
        """Read what `save` wrote."""
        index = self._empty()
        with suppress(RuntimeError):
            index.load_index(str(path))
            self._index = index

    def _empty(self) -> Any:
        import hnswlib

        return hnswlib.Index(space="ip", dim=self._dimensions)
