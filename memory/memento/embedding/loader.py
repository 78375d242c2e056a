"""The one place where an embedding engine is chosen."""

from __future__ import annotations

from pathlib import Path

from memento.base.native import native_module
from memento.embedding.engine import Embedder
from memento.embedding.model_files import Precision, find_model
from memento.errors import ConfigError, ModelError, ModelMissing


def load_embedder(
    folder: Path,
    *,
    precision: Precision = "int8",
    threads: int | None = None,
    torch: bool = False,
    rust: bool | None = None,
) -> Embedder:
    """Load the model installed in `folder`: the native engine, onnxruntime, or sentence-transformers by `torch`.

    `threads` bounds the cores of one call; None takes two, or one where there is only one. `rust` demands the native
    engine (True), refuses it (False), or takes it where it is installed and works (None). Raises ModelMissing when the
    folder holds no complete model, ModelError when it cannot be loaded, ConfigError when a demanded engine is missing.
    """
    if torch and rust:
        raise ConfigError("rust: true and embedding.use_onnx: false ask for two engines: leave one out")
    native = None if torch else native_module(rust)
    files = find_model(folder)
    if files is None:
        raise ModelMissing(folder)
    if torch:
        from memento.embedding.torch_engine import TorchEmbedder

        return TorchEmbedder(files, threads)
    if native is not None:
        from memento.embedding.native_engine import NativeEmbedder

        try:
            return NativeEmbedder(native, files, precision, threads)
        except ModelError:
            if rust:
                raise
    from memento.embedding.onnx_engine import OnnxEmbedder

    return OnnxEmbedder(files, precision, threads)
