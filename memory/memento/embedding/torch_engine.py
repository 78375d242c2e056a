"""A model through sentence-transformers, for machines with a GPU; needs the extra `[torch]`.

The fetched model's weights are taken from its fp32 graph, so its vectors carry the same stamp and nothing else is
downloaded. Any other model is loaded from the copy that was made when it was installed for this engine.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memento.embedding.engine import Embedder, mean_vector
from memento.embedding.graph import HEADS, LAYER_NORM_EPSILON, LAYERS, unpack_weights
from memento.embedding.model_files import CHECKPOINT, DIMENSIONS, FP32, MAX_TOKENS, TOKENIZER, ModelFiles
from memento.embedding.passages import Chunker
from memento.embedding.telemetry import disable_telemetry
from memento.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TRANSFORMER = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "vocab_size": 30_522,
    "hidden_size": DIMENSIONS,
    "intermediate_size": 4 * DIMENSIONS,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "layer_norm_eps": LAYER_NORM_EPSILON,
    "max_position_embeddings": 512,
    "type_vocab_size": 1,
}
MODULES = ("Transformer", "Pooling", "Normalize")


class TorchEmbedder(Embedder):
    """A model in sentence-transformers, on the device it chooses."""

    def __init__(self, files: ModelFiles, threads: int | None = None) -> None:
        self.model = files.model
        self.engine = "sentence-transformers"
        self.dimensions = files.dimensions
        self._recipe = files.recipe
        self._chunker = Chunker(files.folder / TOKENIZER, files.recipe)
        self._transformer = _sentence_transformer(files, threads)

    def passages(self, text: str) -> list[tuple[int, int]]:
        """Return the (start, end) character spans of the text's chunks."""
        return self._spans(text, self._recipe.passage_prompt)

    def embed(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return per text its chunks' unit vectors, shape (chunks, dimensions)."""
        return self._embed(texts, self._recipe.passage_prompt)

    def embed_queries(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return one unit vector per text, shape (dimensions,), embedded as one batch."""
        return [mean_vector(chunks) for chunks in self._embed(texts, self._recipe.query_prompt)]

    def _spans(self, text: str, prompt: str) -> list[tuple[int, int]]:
        return [(chunk.start, chunk.end) for chunk in self._chunker.chunks(text, prompt)]

    def _embed(self, texts: Sequence[str], prompt: str) -> list[NDArray[np.float32]]:
        import numpy as np

        spans = [self._spans(text, prompt) for text in texts]
        # Replacing lone surrogates keeps every character's place.
        readable = [text.encode(errors="replace").decode() for text in texts]
        parts = [text[start:end] for text, pieces in zip(readable, spans, strict=True) for start, end in pieces]
        if not parts:
            return []
        encoded = self._transformer.encode(
            parts, prompt=prompt, show_progress_bar=False, convert_to_numpy=True, normalize_embeddings=True
        )
        vectors = np.asarray(encoded, np.float32)
        ends = accumulate((len(pieces) for pieces in spans), initial=0)
        return [vectors[start:end] for start, end in pairwise(ends)]


def _sentence_transformer(files: ModelFiles, threads: int | None) -> Any:
    try:
        import torch

        disable_telemetry()
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ModelError(
            f"sentence-transformers cannot be imported ({error}): install `memento-memory[torch]`"
        ) from error
    if threads is not None:
        torch.set_num_threads(threads)
    if not files.published:
        checkpoint = files.folder / CHECKPOINT
        if not checkpoint.is_dir():
            raise ModelError(
                f"{files.model} was installed without what sentence-transformers loads: run `memento model use "
                f"{files.origin}` with `embedding.use_onnx: false`"
            )
        with _quietly():
            return SentenceTransformer(str(checkpoint), local_files_only=True)
    with tempfile.TemporaryDirectory() as scratch, _quietly():
        write_checkpoint(files.folder, Path(scratch))
        return SentenceTransformer(scratch)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the library from writing about loaded weights to standard error; it still raises errors."""
    from transformers.utils import logging

    level, shows_progress = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shows_progress:
            logging.enable_progress_bar()


def write_checkpoint(folder: Path, checkpoint: Path) -> None:
    """Write the installed model to `checkpoint` in the layout of sentence-transformers."""
    import numpy as np
    import onnx
    from safetensors.numpy import save_file

    weights = unpack_weights(onnx.load(folder / FP32))
    # Nothing uses the pooler, but the library expects one.
    weights["pooler.dense.weight"] = np.zeros((DIMENSIONS, DIMENSIONS), np.float32)
    weights["pooler.dense.bias"] = np.zeros(DIMENSIONS, np.float32)
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    shutil.copyfile(folder / TOKENIZER, checkpoint / TOKENIZER)
    modules = [(index, kind, "" if index == 0 else f"{index}_{kind}") for index, kind in enumerate(MODULES)]
    for _, _, path in modules:
        (checkpoint / path).mkdir(exist_ok=True)
    settings: dict[str, object] = {
        "config.json": TRANSFORMER,
        "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "do_lower_case": True},
        "sentence_bert_config.json": {"max_seq_length": MAX_TOKENS, "do_lower_case": False},
        "1_Pooling/config.json": {"word_embedding_dimension": DIMENSIONS, "pooling_mode_mean_tokens": True},
        "modules.json": [
            {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for index, kind, path in modules
        ],
    }
    for name, value in settings.items():
        (checkpoint / name).write_text(json.dumps(value), "utf-8")
