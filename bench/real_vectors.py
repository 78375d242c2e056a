"""Real embeddings to search: texts embedded once and kept in bench/results, and as many more as a size needs.

More are made as mixtures of real ones with noise: they lie in the same clusters.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from memento.config import load_config
from memento.embedding import load_embedder

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.datasets import load
from bench.embedding import realistic_chunks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NOISE = 0.02
"""Of what is made, the standard deviation in each dimension."""
RESULTS = Path(__file__).resolve().parent / "results"


def texts_of(benchmarks: list[Path]) -> list[str]:
    """Return the distinct turns of benchmark files, or generated chunks where none is given."""
    if not benchmarks:
        return realistic_chunks(5_000)
    turns = (turn.text for path in benchmarks for conversation in load(path) for turn in conversation.turns)
    return list(dict.fromkeys(text for text in turns if text.strip()))


def real_vectors(benchmarks: list[Path]) -> NDArray[np.float32]:
    """Return unit vectors of real texts, shape (chunks, 384); embedded once, then read from bench/results."""
    import numpy as np

    texts = texts_of(benchmarks)
    embedder = load_embedder(load_config().model_dir)
    key = hashlib.blake2b("\0".join([embedder.model, *texts]).encode(), digest_size=8).hexdigest()
    cache = RESULTS / f"vectors-{key}.npy"
    if not cache.exists():
        print(f"embedding {len(texts):,} texts once", file=sys.stderr, flush=True)
        RESULTS.mkdir(exist_ok=True)
        np.save(cache, np.concatenate(embedder.embed(texts)))
    return np.asarray(np.load(cache), np.float32)


def grown(real: NDArray[np.float32], count: int, seed: int = 1) -> NDArray[np.float32]:
    """Return `count` unit vectors: real ones, then mixtures of two real ones with noise."""
    import numpy as np

    rng = np.random.default_rng(seed)
    made = np.empty((count, real.shape[1]), np.float32)
    made[: len(real)] = real[:count]
    for start in range(len(real), count, 10_000):
        part = made[start : start + 10_000]
        pairs = rng.integers(0, len(real), (2, len(part)))
        share = rng.uniform(0.5, 0.95, (len(part), 1)).astype(np.float32)
        part[:] = share * real[pairs[0]] + (1 - share) * real[pairs[1]]
        part += rng.standard_normal(part.shape, dtype=np.float32) * np.float32(NOISE)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return made
