"""Vector indexes that are no backends of Memento, as accelerators of its index: for `bench/search.py --others`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from memento.search.index.partial_index import Accelerator, matrix

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Found = tuple[NDArray[np.int64], NDArray[np.float32]]
    Vectors = NDArray[np.float32]

FACTORIES: Final = {
    "faiss fp16": ("SQfp16", ""),
    "faiss SQ8": ("SQ8", ""),
    "faiss HNSW ef64": ("HNSW32,Flat", "efSearch=64"),
    "faiss HNSW ef128": ("HNSW32,Flat", "efSearch=128"),
    "faiss IVF": ("IVF1024,Flat", "nprobe=128"),
    "faiss RaBitQ": ("RaBitQfs,Refine(Flat)", "k_factor_rf=20"),
}
"""faiss's factory strings, and the parameters of a search."""
USEARCH: Final = {"usearch": "f32", "usearch f16": "f16"}
RESCORED: Final = 20
"""sqlite-vec's bits bring so many times what is wanted, to be scored exactly."""
NAMES: Final = (*FACTORIES, *USEARCH, "sqlite-vec bit")


class Factory(Accelerator):
    """An index by faiss's factory string; trained on the first vectors it gets."""

    factory: ClassVar[str]
    parameters: ClassVar[str]

    def __init__(self, dimensions: int) -> None:
        import faiss

        faiss.omp_set_num_threads(1)
        self._faiss, self._dimensions = faiss, dimensions
        self._index: Any = faiss.index_factory(dimensions, self.factory, faiss.METRIC_INNER_PRODUCT)

    @property
    def covered(self) -> int:
        """How many rows it holds."""
        return int(self._index.ntotal)

    def extend(self, vectors: memoryview[float]) -> None:
        """Take in the rows behind those covered."""
        rows = matrix(vectors, self._dimensions)
        if not self._index.is_trained:
            if hasattr(self._index, "cp"):
                self._index.cp.min_points_per_centroid = 1  # a small index is no reason for a warning
            self._index.train(rows)
        self._index.add(rows[self.covered :])
        if self.parameters:
            space: Any = self._faiss.ParameterSpace()
            space.set_index_parameters(self._index, self.parameters)

    def nearest(self, query: Vectors, count: int, vectors: Vectors, allowed: NDArray[np.bool_] | None) -> Found:
        """Return the nearest rows and their cosines."""
        scores, rows = self._index.search(query[None], count)
        return rows[0], scores[0]


class Usearch(Accelerator):
    """usearch's HNSW."""

    dtype: ClassVar[str]

    def __init__(self, dimensions: int) -> None:
        from usearch.index import Index

        self._dimensions = dimensions
        self._index: Any = Index(ndim=dimensions, metric="ip", dtype=self.dtype, connectivity=16, expansion_search=128)

    @property
    def covered(self) -> int:
        """How many rows it holds."""
        return len(self._index)

    def extend(self, vectors: memoryview[float]) -> None:
        """Take in the rows behind those covered."""
        import numpy as np

        rows = matrix(vectors, self._dimensions)
        self._index.add(np.arange(self.covered, len(rows)), rows[self.covered :], threads=1)

    def nearest(self, query: Vectors, count: int, vectors: Vectors, allowed: NDArray[np.bool_] | None) -> Found:
        """Return the nearest rows and their cosines."""
        found = self._index.search(query, count, threads=1)
        return found.keys.astype("int64"), 1 - found.distances


class SqliteVecBits(Accelerator):
    """sqlite-vec's bit vectors, the nearest by Hamming distance scored exactly."""

    def __init__(self, dimensions: int) -> None:
        import apsw
        import sqlite_vec

        self._dimensions, self._covered = dimensions, 0
        self._connection = apsw.Connection(":memory:")
        self._connection.enable_load_extension(True)
        self._connection.load_extension(sqlite_vec.loadable_path())
        self._connection.execute(f"CREATE VIRTUAL TABLE bits USING vec0 (code bit[{dimensions}])")

    @property
    def covered(self) -> int:
        """How many rows it holds."""
        return self._covered

    def extend(self, vectors: memoryview[float]) -> None:
        """Take in the rows behind those covered."""
        new = matrix(vectors, self._dimensions)[self._covered :]
        with self._connection:
            self._connection.executemany(
                "INSERT INTO bits (rowid, code) VALUES (?, vec_quantize_binary(?))",
                ((number, row.tobytes()) for number, row in enumerate(new, self._covered)),
            )
        self._covered += len(new)

    def nearest(self, query: Vectors, count: int, vectors: Vectors, allowed: NDArray[np.bool_] | None) -> Found:
        """Return the nearest rows and their cosines."""
        import numpy as np

        found = self._connection.execute(
            "SELECT rowid FROM bits WHERE code MATCH vec_quantize_binary(?) AND k = ?",
            (query.tobytes(), RESCORED * count),
        )
        rows = np.array([row for (row,) in found], np.int64)
        scores = vectors[rows] @ query
        best = np.argsort(-scores)[:count]
        return rows[best], scores[best]


def other_index(name: str) -> type[Accelerator]:
    """Return the class of one of NAMES. Raises ImportError where its package is not installed."""
    if name in FACTORIES:
        import faiss  # noqa: F401

        factory, parameters = FACTORIES[name]
        return type(name, (Factory,), {"name": name, "factory": factory, "parameters": parameters})
    if name in USEARCH:
        import usearch  # noqa: F401

        return type(name, (Usearch,), {"name": name, "dtype": USEARCH[name]})
    import sqlite_vec  # noqa: F401

    return SqliteVecBits
