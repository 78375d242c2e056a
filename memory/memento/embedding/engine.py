"""The interface of an embedding engine.

Invariant: engines with the same `model` stamp are interchangeable: their vectors can be stored and compared together.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from memento.embedding.model_files import Precision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Embedded(NamedTuple):
    """The embedding of a text as the database stores it."""

    vectors: bytes
    """Row-major float32 in native byte order: a unit vector per chunk."""
    codes: bytes = b""
    """The signs of its token vectors, `dimensions` bits each (token_codes.py); empty if the engine has none."""


class Embedder(ABC):
    """Turns texts into unit vectors; a text longer than the model's window becomes several, one per chunk.

    One of your own sets the three attributes, implements `embed` and `passages`, and is given to MemoryStore. Memories
    embedded under another `model` stamp are embedded again by the next recall. Methods may raise ModelError.

    Thread safety: a store calls its embedder from any of its threads, so one must be safe for use from several.
    Memento's own are.
    """

    model: str
    """The stamp stored beside each vector: the model's name and the first 8 hex digits of its weights' SHA-256."""
    engine: str
    """What runs it: `native-int8`, `native-fp32`, `onnxruntime-int8`, `onnxruntime-fp32` or `sentence-transformers`."""
    dimensions: int
    """The length of a vector: 384 for all-MiniLM-L6-v2."""

    @abstractmethod
    def embed(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return for each text an array of shape (chunks, dimensions): one unit vector per chunk, at least one.

        In the order of `texts`; the chunks are those of `passages`.
        """

    @abstractmethod
    def passages(self, text: str) -> list[tuple[int, int]]:
        """Return the (start, end) character spans of the text's chunks; in order, they tile the whole text."""

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Return one unit vector of shape (dimensions,); of a long text, the normalised mean of its chunks."""
        return self.embed_queries([text])[0]

    def embed_queries(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return one unit vector per text, shape (dimensions,), embedded as one batch."""
        return [mean_vector(chunks) for chunks in self.embed(texts)]

    def embed_to_bytes(self, texts: Sequence[str]) -> list[Embedded]:
        """Return the result of `embed` as stored, with token codes if the engine has them."""
        return [Embedded(vectors.tobytes()) for vectors in self.embed(texts)]

    def embed_queries_to_bytes(self, texts: Sequence[str]) -> list[Embedded]:
        """Return the result of `embed_queries` as stored, with token codes if the engine has them."""
        return [Embedded(vector.tobytes()) for vector in self.embed_queries(texts)]


def mean_vector(chunks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the normalised mean of a text's chunks (chunks, dimensions)."""
    if len(chunks) == 1:
        first: NDArray[np.float32] = chunks[0]
        return first
    mean: NDArray[np.float32] = chunks.mean(axis=0)
    return mean / (mean @ mean) ** 0.5


BATCH_TEXTS: dict[Precision, int] = {"int8": 1, "fp32": 8}
"""Texts in a call. With int8 weights texts that share a call would share the scale of quantisation."""
BATCH_TOKENS = 512
"""Padding included. Larger batches are slower: a core is busy with far less, and padding is computed too."""


def default_threads() -> int:
    """Return the default threads, two at most: the model is small, and the sidecar must not load the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2, cores)
