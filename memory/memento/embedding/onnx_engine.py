"""The default engine: ONNX Runtime on the CPU.

Invariant: with int8 weights a text's vector depends on the text alone. The runtime derives one quantisation scale from
all activations of a call, so texts that share a call change each other's vectors (mean cosine 0.99 between the same
text alone and in a batch of eight); each is given a call of its own, which is no slower.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from memento.embedding.engine import BATCH_TEXTS, BATCH_TOKENS, Embedded, Embedder, default_threads, mean_vector
from memento.embedding.model_files import TOKENIZER, ModelFiles, Precision
from memento.embedding.passages import Chunker
from memento.embedding.telemetry import disable_telemetry
from memento.embedding.token_codes import WordTokens, pack_signs
from memento.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession


class OnnxEmbedder(Embedder):
    """A model in int8 (fp32 where it has no int8) or fp32; safe to use from several threads."""

    def __init__(self, files: ModelFiles, precision: Precision, threads: int | None = None) -> None:
        graph, precision = files.graph(precision)
        self.model = files.model
        self.engine = f"onnxruntime-{precision}"
        self.dimensions = files.dimensions
        self._recipe = files.recipe
        self._batch_texts = BATCH_TEXTS[precision]
        self._chunker = Chunker(files.folder / TOKENIZER, files.recipe)
        self._words = WordTokens(self._chunker.token_of)
        self._session = _session(graph, threads or default_threads())

    def passages(self, text: str) -> list[tuple[int, int]]:
        """Return the (start, end) character spans of the text's chunks."""
        return [(chunk.start, chunk.end) for chunk in self._chunker.chunks(text, self._recipe.passage_prompt)]

    def embed(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return per text its chunks' unit vectors, shape (chunks, dimensions)."""
        return [vectors for vectors, _ in self._embed(texts, self._recipe.passage_prompt)]

    def embed_queries(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return one unit vector per text, shape (dimensions,), embedded as one batch."""
        return [mean_vector(vectors) for vectors, _ in self._embed(texts, self._recipe.query_prompt)]

    def embed_to_bytes(self, texts: Sequence[str]) -> list[Embedded]:
        """Return the result of `embed` as stored, with token codes."""
        found = self._embed(texts, self._recipe.passage_prompt)
        return [Embedded(vectors.tobytes(), codes) for vectors, codes in found]

    def embed_queries_to_bytes(self, texts: Sequence[str]) -> list[Embedded]:
        """Return the result of `embed_queries` as stored, with token codes if the engine has them."""
        found = self._embed(texts, self._recipe.query_prompt)
        return [Embedded(mean_vector(vectors).tobytes(), codes) for vectors, codes in found]

    def _embed(self, texts: Sequence[str], prompt: str) -> Iterator[tuple[NDArray[np.float32], bytes]]:
        """Yield for each text its vectors (chunks, dimensions) and the codes of its words."""
        import numpy as np

        chunked = [self._chunker.chunks(text, prompt) for text in texts]
        rows = [chunk.ids for chunks in chunked for chunk in chunks]
        words = [places for chunks in chunked for places in self._words.places(chunks)]
        found: dict[int, NDArray[np.float32]] = {}
        codes = [b""] * len(rows)
        for batch in batches([len(ids) for ids in rows], self._batch_texts):
            own, tokens = self._run([rows[index] for index in batch])
            found.update(zip(batch, own, strict=True))
            for index, hidden in zip(batch, tokens, strict=False):  # none where the model shows none
                codes[index] = pack_signs(hidden[words[index]])
        vectors = np.array([found[index] for index in range(len(rows))], np.float32)
        for start, end in pairwise(accumulate((len(chunks) for chunks in chunked), initial=0)):
            yield vectors[start:end], b"".join(codes[start:end])

    def _run(self, rows: list[list[int]]) -> tuple[NDArray[np.float32], Sequence[NDArray[np.float32]]]:
        """Run the model on rows of token ids, padded to the longest; return unit vectors and each row's token vectors.

        There are no token vectors if the model does not output them.
        """
        import numpy as np

        lengths = np.array([len(row) for row in rows])
        mask = np.arange(lengths.max()) < lengths[:, None]
        ids = np.zeros(mask.shape, np.int32)
        ids[mask] = np.concatenate([np.array(row, np.int32) for row in rows])
        vectors, *tokens = self._session.run(None, {"input_ids": ids, "attention_mask": mask.astype(np.int32)})
        return np.asarray(vectors, np.float32), tokens[0] if tokens else ()


def batches(lengths: Sequence[int], texts: int) -> Iterator[list[int]]:
    """Yield the indices of `lengths`, the short first, in groups of `texts` and BATCH_TOKENS at most."""
    group: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if group and (len(group) == texts or (len(group) + 1) * lengths[index] > BATCH_TOKENS):
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def _session(path: Path, threads: int) -> InferenceSession:
    disable_telemetry()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Memory patterns are kept per input shape, and every text has its own length.
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # The runtime's own exceptions have no common base that it exports.
        raise ModelError(f"{path} cannot be loaded ({error}): run `memento model pull`") from error
