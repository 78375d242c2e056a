"""The vector backends by their names in `recall.index`."""

from __future__ import annotations

from typing import Final

from memento.base.native import native_module
from memento.errors import ConfigError
from memento.search.index.partial_index import PartialIndex
from memento.search.index.rows import Rows
from memento.search.index.vector_index import VectorIndex

NAMES: Final = ("auto", "numpy", "faiss", "hnsw", "sqlite-vec", "native")
FAISS_FLAT_ROWS: Final = 100_000
"""Up to this number of rows, `faiss` is its exact flat index; above, HNSW."""


def resolved(backend: str, rust: bool | None) -> str:
    """Return the backend that `auto` means: `native` if `rust` allows the native engine and it exists, else `numpy`.

    Raises ConfigError if `rust` demands an engine that is missing, or refuses the one that `backend` names.
    """
    if backend == "native" and rust is False:
        raise ConfigError("recall.index is native, and rust: false refuses that engine: leave one out")
    if backend != "auto":
        return backend
    return "native" if native_module(rust) else "numpy"


def index_of(rows: Rows, backend: str) -> VectorIndex:
    """Return the index over these rows that a `resolved` backend needs."""
    if backend == "native" and native_module(None) is not None:
        from memento.search.index.native_index import NativeIndex

        return NativeIndex(rows)
    from memento.search.index.numpy_index import NumpyIndex

    return NumpyIndex(rows)


def accelerator_class(backend: str, rows: int) -> type[PartialIndex] | None:
    """Return the class of a `resolved` backend for this number of rows; None for numpy, the exact scan.

    Raises ConfigError naming the extra to install.
    """
    if backend == "numpy":
        return None
    try:
        return _import(backend, rows)
    except ImportError as error:
        raise ConfigError(
            f"recall.index is {backend}, but {error.name} is not installed: run "
            f"`{_REMEDIES[backend]}`, or `memento index use numpy`"
        ) from None


def _import(backend: str, rows: int) -> type[PartialIndex]:
    if backend == "faiss":
        import faiss  # noqa: F401

        from memento.search.index.faiss_backend import FaissFlat, FaissHnsw

        return FaissFlat if rows <= FAISS_FLAT_ROWS else FaissHnsw
    if backend == "hnsw":
        import hnswlib  # noqa: F401

        from memento.search.index.hnsw_backend import Hnswlib

        return Hnswlib
    if backend == "sqlite-vec":
        import sqlite_vec  # noqa: F401

        from memento.search.index.sqlite_vec_backend import SqliteVec

        return SqliteVec
    if native_module(None) is None:
        raise ImportError(name="memento_native")
    from memento.search.index.native_index import NativeCodes

    return NativeCodes


_REMEDIES: Final = {
    "faiss": "pip install 'memento-memory[faiss]'",
    "hnsw": "pip install 'memento-memory[hnsw]'",
    "sqlite-vec": "pip install 'memento-memory[sqlite-vec]'",
    "native": "make native",
}
