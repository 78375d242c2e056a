"""The vector backends side by side, one core: building, inserting, the ten nearest, their recall, memory.

Usage: python bench/search.py [--full] [--others] [--texts PATH]...   (PATH: a benchmark's texts)

Every backend answers through the product's own index, in a process of its own. `over numpy` is the ratio of the medians
in this run. `--full` adds 1,000,000 vectors, `--others` indexes that are no backends of Memento, where they are
installed: faiss in fp16, 8 bits, HNSW, IVF and RaBitQ, usearch, sqlite-vec's bits (bench/other_indexes.py).
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
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.datasets import benchmark
from bench.other_indexes import NAMES as OTHERS, other_index
from bench.real_vectors import grown, real_vectors

from memento.errors import ConfigError
from memento.search.backend_state import SLICE
from memento.search.index.backends import FAISS_FLAT_ROWS, accelerator_class, index_of
from memento.search.index.partial_index import Graph, PartialIndex
from memento.search.index.rows import MemoryRows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

QUERIES = 200
INSERTS = 100
SCAN = "numpy"
BACKENDS = (SCAN, "faiss", "faiss hnsw", "hnsw", "sqlite-vec", "native")


def kind_of(name: str) -> type[PartialIndex] | None:
    """Return a backend's class. Raises ConfigError or ImportError where it is not installed."""
    if name in OTHERS:
        return other_index(name)
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
        index.accelerator = made = kind(vectors.shape[1])
        step = SLICE if isinstance(made, Graph) else len(kept)  # as the product does
        while made.covered < len(kept):
            made.extend(index.rows.vectors[: min(len(kept), made.covered + step) * vectors.shape[1]])
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
        f"{'':<18}{'over numpy':>11}{'p50 ms':>9}{'p99 ms':>9}{'recall@10':>11}{'build s':>9}{'insert ms':>11}{'MB':>8}"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    scan = 0.0
    for name in names:
        try:
            kind_of(name)
        except (ConfigError, ImportError):
            print(f"{name:<18}{'not installed':>13}")
            continue
        command = [sys.executable, __file__, "--measure", name, str(folder)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        row = json.loads(done.stdout)
        scan = scan or row["p50"]
        print(
            f"{name:<18}{scan / row['p50']:>10.1f}x{row['p50']:>9.2f}{row['p99']:>9.2f}{row['recall']:>11.4f}"
            f"{row['build']:>9.1f}{row['insert']:>11.3f}{row['megabytes']:>8.0f}",
            flush=True,
        )


def main() -> None:
    """Print one table per size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="1,000,000 vectors too")
    parser.add_argument("--sizes", type=int, nargs="+", help="other sizes")
    known = (*BACKENDS, *OTHERS)
    parser.add_argument("--backends", nargs="+", choices=known, metavar="NAME", help=f"only of {', '.join(known)}")
    parser.add_argument("--others", action="store_true", help="indexes that are no backends, too")
    parser.add_argument("--texts", type=benchmark, action="append", default=[], help="its turns are embedded")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], Path(options.measure[1]))))
        return
    names = options.backends or (known if options.others else BACKENDS)
    real = real_vectors(options.texts)
    print(f"{len(real):,} vectors are real, the rest are mixtures of them")
    for count in options.sizes or (10_000, 100_000, *([1_000_000] if options.full else [])):
        with tempfile.TemporaryDirectory() as folder:
            prepare(Path(folder), real, count)
            table(Path(folder), count, names)


if __name__ == "__main__":
    main()
