"""FAISS as a vector backend: its exact flat index, and its HNSW graph for many vectors."""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

from memento.search.index.partial_index import Accelerator, Graph, matrix

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

LINKS: Final = 32
"""HNSW's M: links of a vector to others."""
BUILD_WIDTH: Final = 160
"""HNSW's efConstruction."""


class _Faiss(Accelerator):
    """The base of both FAISS indexes."""

    _faiss: Any
    _index: Any

    @property
    def covered(self) -> int:
        """The number of leading rows that it covers."""
        return int(self._index.ntotal)

    def extend(self, vectors: memoryview[float]) -> None:
        """Add the rows after those covered: about half a millisecond each for the graph."""
        self._index.add(matrix(vectors, self._index.d)[self.covered :])


class FaissFlat(_Faiss):
    """IndexFlatIP: exact, a copy of all vectors in memory."""

    name: ClassVar[str] = "faiss-flat"

    def __init__(self, dimensions: int) -> None:
        self._faiss = _one_thread()
        self._index = self._faiss.IndexFlatIP(dimensions)

    def nearest(
        self, query: NDArray[np.float32], count: int, vectors: NDArray[np.float32], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the nearest rows and their cosines."""
        parameters = None
        if allowed is not None:
            parameters = self._faiss.SearchParameters(sel=_selector(self._faiss, allowed))
        return _found(*self._index.search(query[None], count, params=parameters))


class FaissHnsw(_Faiss, Graph):
    """IndexHNSWFlat with inner product: approximate."""

    name: ClassVar[str] = "faiss-hnsw"
    search_width: ClassVar[int] = 256

    def __init__(self, dimensions: int) -> None:
        self._faiss = _one_thread()
        self._dimensions = dimensions
        self._index = self._faiss.IndexHNSWFlat(dimensions, LINKS, self._faiss.METRIC_INNER_PRODUCT)
        self._index.hnsw.efConstruction = BUILD_WIDTH

    def nearest(
        self, query: NDArray[np.float32], count: int, vectors: NDArray[np.float32], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the approximately nearest rows and their cosines."""
        selector = None if allowed is None else _selector(self._faiss, allowed)
        parameters = self._faiss.SearchParametersHNSW(efSearch=self._width(count), sel=selector)
        return _found(*self._index.search(query[None], count, params=parameters))

    def save(self, path: Path, epoch: str) -> None:
        """Write the graph and its copy of the vectors. Raises OSError."""
        try:
            self._faiss.write_index(self._index, str(path))
        except RuntimeError:
            raise OSError(errno.ENOSPC, "the graph was not written whole", str(path)) from None

    def load(self, path: Path, epoch: str, rows: int) -> None:
        """Read what `save` wrote."""
        with suppress(RuntimeError):
            self._index = self._faiss.read_index(str(path))


def _one_thread() -> Any:
    """Return the library, limited to one thread, since its threads wait for each other by spinning."""
    import faiss

    faiss.omp_set_num_threads(1)
    return faiss


def _selector(faiss: Any, allowed: NDArray[np.bool_]) -> Any:
    import numpy as np

    return faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


def _found(scores: NDArray[np.float32], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return rows and scores without the places that FAISS could not fill."""
    filled = rows[0] >= 0
    return rows[0][filled], scores[0][filled]
