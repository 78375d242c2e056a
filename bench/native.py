"""The native scan beside what the machine's memory gives, and two threads beside one; all in one run.

Usage: python bench/native.py [--sizes N ...] [--texts PATH]...   (after `make native`; others: bench/search.py)
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.datasets import benchmark
from bench.real_vectors import grown, real_vectors

from memento.base import native

QUERIES = 200


def median_ms(call: Callable[[Any], object], arguments: Any) -> float:
    """Return the median of single calls, after some that warm up."""
    import numpy as np

    for argument in arguments[:20]:
        call(argument)
    times = []
    for argument in arguments:
        start = time.perf_counter()
        call(argument)
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e3


def measure(vectors: Any, queries: Any) -> None:
    """Print one size: search with one and two threads, and summing as many bytes as the codes take."""
    import numpy as np

    module = native.native_module(True)
    assert module is not None
    index = module.Index(vectors.shape[1])
    start = time.perf_counter()
    index.extend(vectors)
    build = time.perf_counter() - start
    size = index.memory / 1e9
    words = np.ones(index.memory // 8, np.uint64)
    read = median_ms(lambda _: words.sum(), range(QUERIES))
    nums = np.arange(len(vectors))
    memories, asked = module.Directory(nums), [query.tobytes() for query in queries]
    one, two = (
        median_ms(lambda q, n=n: memories.nearest(index, vectors, nums, q, 10, None, n), asked)  # type: ignore[misc]
        for n in (1, 2)
    )
    print(
        f"{len(vectors):>11,}{build:>9.2f}{size * 1e3:>10.1f}{one:>9.3f}{two:>9.3f}{one / two:>8.2f}x"
        f"{1e3 * size / one:>12.1f}{1e3 * size / read:>14.1f}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--texts", type=benchmark, action="append", default=[], help="its turns are embedded")
    options = parser.parse_args()
    about = native.describe()
    if about.problem:
        print(f"not measured: {about.problem}")
        return
    print(f"memento_native {about.version}, {about.simd}; ten nearest, {QUERIES} queries, medians; rescoring included")
    print(
        f"{'vectors':>11}{'build s':>9}{'codes MB':>10}{'ms':>9}{'ms, two':>9}{'ratio':>9}{'GB/s':>12}{'sum, GB/s':>14}"
    )
    import numpy as np

    real = np.random.default_rng(0).permutation(real_vectors(options.texts))
    for count in options.sizes:
        measure(grown(real[QUERIES:], count), real[:QUERIES])


if __name__ == "__main__":
    main()
