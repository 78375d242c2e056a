"""The vector backends side by side, one core: building, inserting, the ten nearest, their recall, memory.

Usage: python bench/search.py [--full] [--texts PATH]...   (--full: 1,000,000 vectors too; PATH: a benchmark's texts)

Every backend answers through the product's own index, in a process of its own. `over numpy` is the ratio of the medians
in this run. usearch is not a backend of Memento: it is here to be compared with, where it is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.real_vectors import grown, real_vectors

from memento.errors import ConfigError
from memento.search.index.accelerator import Accelerator, Cover, matrix
from memento.search.index.backends import FAISS_FLAT_ROWS, accelerator_class, index_of
from memento.search.index.rows import MemoryRows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

QUERIES = 200
INSERTS = 100
SCAN = "numpy"
BACKENDS = (SCAN, "faiss", "faiss hnsw", "hnsw", "sqlite-vec", "native", "usearch")


class Usearch(Accelerator):
    """usearch's HNSW, float32."""

    name: ClassVar[str] = "usearch"

    def __init__(self, dimensions: int) -> None:
        from usearch.index import Index

        self._dimensions = dimensions
        self._index: Any = Index(ndim=dimensions, metric="ip", dtype="f32", connectivity=16, expansion_search=128)

    @property
    def covered(self) -> int:
        """How many rows it holds."""
        return len(self._index)

    def extend(self, vectors: memoryview[float]) -> None:
        """Take in the rows behind those covered."""
        import numpy as np

        rows = matrix(vectors, self._dimensions)
        self._index.add(np.arange(self.covered, len(rows)), rows[self.covered :], threads=1)

    def nearest(
        self, query: NDArray[np.float32], count: int, vectors: NDArray[np.float32], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the nearest rows and their cosines."""
        found = self._index.search(query, count, threads=1)
        return found.keys.astype("int64"), 1 - found.distances


def kind_of(name: str) -> type[Cover] | None:
    """Return a backend's class. Raises ConfigError or ImportError where it is not installed."""
    if name == "usearch":
        import usearch  # noqa: F401

        return Usearch
    backend, _, graph = name.partition(" ")
    return accelerator_class(backend, FAISS_FLAT_ROWS + 1 if graph else 1)


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Build one backend from vectors.npy and answer queries.npy; return its figures."""
    import numpy as np
    import psutil

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    kind = kind_of(name)
    vectors, queries = np.load(folder / "vectors.npy"), np.load(folder / "queries.npy")
    process, index = psutil.Process(), index_of(MemoryRows(vectors.shape[1]), name.partition(" ")[0])
    kept = vectors[: -INSERTS - 1]
    index.put(range(len(kept)), [1] * len(kept), kept.tobytes())
    before, start = process.memory_info().rss, time.perf_counter()
    if kind:
        index.accelerator = kind(vectors.shape[1])
        index.accelerator.extend(index.rows.vectors)
    build, megabytes = time.perf_counter() - start, (process.memory_info().rss - before) / 1e6
    for num in range(len(kept), len(vectors)):
        if num == len(kept) + 1:  # the first makes room
            start = time.perf_counter()
        index.put([num], [1], vectors[num].tobytes())
        if index.accelerator:
            index.accelerator.extend(index.rows.vectors)
    insert = (time.perf_counter() - start) / INSERTS
    times, hits, asked = [], 0, [query.tobytes() for query in queries]
    tenths = np.load(folder / "tenths.npy")
    for raw in asked[:20]:
        index.search(raw, 10)
    for query, raw, tenth in zip(queries, asked, tenths, strict=True):
        start = time.perf_counter()
        found = index.search(raw, 10)
        times.append(time.perf_counter() - start)
        hits += sum(float(vectors[num] @ query) >= tenth - 1e-6 for num, _ in found)  # texts said twice tie
    p50, p99 = np.percentile(times, [50, 99]) * 1e3
    return {
        "build": build, "insert": insert * 1e3, "p50": p50, "p99": p99,
        "recall": hits / (10 * len(tenths)), "megabytes": megabytes,
    }  # fmt: skip


def prepare(folder: Path, real: NDArray[np.float32], count: int) -> None:
    """Write vectors, queries that are none of them, and the cosine of each one's tenth nearest."""
    import numpy as np

    shuffled = np.random.default_rng(0).permutation(real)
    queries, rest = shuffled[:QUERIES], shuffled[QUERIES:]
    vectors = grown(rest, count)
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "queries.npy", queries)
    np.save(folder / "tenths.npy", np.stack([np.sort(vectors @ query)[-10] for query in queries]))


def table(folder: Path, count: int, names: Sequence[str]) -> None:
    """Measure every backend at one size and print the rows."""
    print(f"\n{count:,} vectors x 384, {QUERIES} queries, ten nearest")
    print(
        f"{'':<14}{'over numpy':>11}{'p50 ms':>9}{'p99 ms':>9}{'recall@10':>11}{'build s':>9}{'insert ms':>11}{'MB':>8}"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    scan = 0.0
    for name in names:
        try:
            kind_of(name)
        except (ConfigError, ImportError):
            print(f"{name:<14}{'not installed':>13}")
            continue
        command = [sys.executable, __file__, "--measure", name, str(folder)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        row = json.loads(done.stdout)
        scan = scan or row["p50"]
        print(
            f"{name:<14}{scan / row['p50']:>10.1f}x{row['p50']:>9.2f}{row['p99']:>9.2f}{row['recall']:>11.4f}"
            f"{row['build']:>9.1f}{row['insert']:>11.3f}{row['megabytes']:>8.0f}",
            flush=True,
        )


def main() -> None:
    """Print one table per size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="1,000,000 vectors too")
    parser.add_argument("--sizes", type=int, nargs="+", help="other sizes")
    parser.add_argument("--backends", nargs="+", default=BACKENDS, help="some of them only; numpy first")
    parser.add_argument("--texts", type=Path, action="append", default=[], help="a benchmark whose turns are embedded")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], Path(options.measure[1]))))
        return
    real = real_vectors(options.texts)
    print(f"{len(real):,} vectors are real, the rest are mixtures of them")
    for count in options.sizes or (10_000, 100_000, *([1_000_000] if options.full else [])):
        with tempfile.TemporaryDirectory() as folder:
            prepare(Path(folder), real, count)
            table(Path(folder), count, options.backends)


if __name__ == "__main__":
    main()
