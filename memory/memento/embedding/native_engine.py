"""The native engine: tokenising, chunking and ONNX Runtime in Rust, without the GIL; the same files and vectors.

A store asks for bytes, which need no numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from memento.base.native import runtime_library
from memento.base.stop_words import STOP_WORDS
from memento.embedding.engine import BATCH_TEXTS, Embedded, Embedder, default_threads
from memento.embedding.model_files import TOKENIZER, ModelFiles, Precision
from memento.embedding.passages import replace_surrogates
from memento.embedding.telemetry import disable_telemetry
from memento.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NativeEmbedder(Embedder):
    """A model in int8 (fp32 where it has no int8) or fp32; threads that use it at once wait for each other."""

    def __init__(self, module: ModuleType, files: ModelFiles, precision: Precision, threads: int | None = None) -> None:
        graph, precision = files.graph(precision)
        self.model = files.model
        self.engine = f"native-{precision}"
        self.dimensions = files.dimensions
        self._error = module.NativeError
        library = runtime_library()
        if library is None:
            raise ModelError("the native engine finds no ONNX Runtime: install the package `onnxruntime`")
        disable_telemetry()
        try:
            self._native = module.Embedder(
                library,
                graph,
                files.folder / TOKENIZER,
                dimensions=files.dimensions,
                window=files.recipe.max_tokens,
                query_prompt=files.recipe.query_prompt,
                passage_prompt=files.recipe.passage_prompt,
                threads=threads or default_threads(),
                batch=BATCH_TEXTS[precision],
                stop_words=sorted(STOP_WORDS),
            )
        except self._error as error:
            raise ModelError(f"{error}: run `memento model pull`") from error

    def passages(self, text: str) -> list[tuple[int, int]]:
        """Return the (start, end) character spans of the text's chunks."""
        spans: list[tuple[int, int]] = self._native.passages(replace_surrogates(text))
        return spans

    def embed(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return per text its chunks' unit vectors, shape (chunks, dimensions)."""
        return [vectors.reshape(-1, self.dimensions) for vectors in _arrays(self.embed_to_bytes(texts))]

    def embed_queries(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return one unit vector per text, shape (dimensions,), embedded as one batch."""
        return _arrays(self.embed_queries_to_bytes(texts))

    def embed_to_bytes(self, texts: Sequence[str]) -> list[Embedded]:
        """Return the result of `embed` as stored, with token codes."""
        return self._embedded(self._native.embed, texts)

    def embed_queries_to_bytes(self, texts: Sequence[str]) -> list[Embedded]:
        """Return the result of `embed_queries` as stored, with token codes if the engine has them."""
        return self._embedded(self._native.embed_queries, texts)

    def _embedded(
        self, embed: Callable[[list[str]], list[tuple[bytes, bytes]]], texts: Sequence[str]
    ) -> list[Embedded]:
        try:
            return [Embedded(*one) for one in embed([replace_surrogates(text) for text in texts])]
        except self._error as error:
            raise ModelError(f"the native engine cannot embed ({error}): set MEMENTO_RUST=0") from error


def _arrays(found: list[Embedded]) -> list[NDArray[np.float32]]:
    import numpy as np

    return [np.frombuffer(one.vectors, np.float32) for one in found]
