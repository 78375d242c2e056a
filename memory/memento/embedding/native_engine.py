"""The native engine: tokenising, cutting and ONNX Runtime in Rust, without the GIL; the same files and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from types import ModuleType
from typing import TYPE_CHECKING

from memento.embedding.engine import Embedder, Precision
from memento.embedding.model_files import DIMENSIONS, FP32, INT8, TOKENIZER, ModelFiles
from memento.embedding.passages import encodable
from memento.embedding.sizes import BATCH_TEXTS, default_threads
from memento.errors import ModelError
from memento.native import runtime_library

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NativeEmbedder(Embedder):
    """all-MiniLM-L6-v2 in int8 or fp32; safe to use from several threads, which wait for each other."""

    def __init__(self, module: ModuleType, files: ModelFiles, precision: Precision, threads: int | None = None) -> None:
        self.model = files.model
        self.engine = f"native-{precision}"
        self.dimensions = DIMENSIONS
        self._error = module.NativeError
        library = runtime_library()
        if library is None:
            raise ModelError("the native engine finds no ONNX Runtime: install the package `onnxruntime`")
        try:
            self._native = module.Embedder(
                library,
                files.folder / (INT8 if precision == "int8" else FP32),
                files.folder / TOKENIZER,
                dimensions=DIMENSIONS,
                threads=threads or default_threads(),
                batch=BATCH_TEXTS[precision],
            )
        except self._error as error:
            raise ModelError(f"{error}: run `memento model pull`") from error

    def passages(self, text: str) -> list[tuple[int, int]]:
        """Return the (start, end) character spans of the text's chunks."""
        spans: list[tuple[int, int]] = self._native.passages(encodable(text))
        return spans

    def embed(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return per text its chunks' unit vectors, shape (chunks, 384)."""
        import numpy as np

        try:
            raw, counts = self._native.embed([encodable(text) for text in texts])
        except self._error as error:
            raise ModelError(f"the native engine cannot embed ({error}): set MEMENTO_RUST=0") from error
        vectors = np.frombuffer(raw, np.float32).reshape(-1, DIMENSIONS)
        return [vectors[start:end] for start, end in pairwise(accumulate(counts, initial=0))]
