"""`memento recall` from process start to printed answer, and its parts; wall time, medians of fresh processes.

Usage: python bench/cold_start.py [--memories N] [--runs N] [--cpu-time]   (MEMENTO_MODEL_DIR names the model)

`--cpu-time` counts the CPU time of the processes, of all their threads: for a busy machine.
"""

from __future__ import annotations

import argparse
import compileall
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from memento import MemoryStore
from memento.base.native import native_module
from memento.config import load_config
from memento.memory import NewMemory
from memento.storage import rows, vectors
from memento.storage.database import Database
from memento.storage.vectors import PendingText

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.embedding import THREADS, realistic_chunks

MEMENTO = str(Path(sys.executable).with_name("memento"))
PARTS = {
    "python": "pass",
    "+ import the command line": "import memento_app.cli",
    "+ numpy": "import memento_app.cli, numpy",
    "+ onnxruntime, tokenizers": "import memento_app.cli, numpy, onnxruntime, tokenizers",
    "+ load the model": "import memento_app.cli, os, pathlib; from memento.embedding import load_embedder; "
    "load_embedder(pathlib.Path(os.environ['MEMENTO_MODEL_DIR'])).embed_query('x')",
}


def fill(database: Database, count: int) -> None:
    """Store generated memories with unit vectors: what a search scans, without an hour of embedding."""
    import numpy as np

    rng, texts = random.Random(1), realistic_chunks(min(count, 5_000))
    numbers = np.random.default_rng(1)
    model = "all-MiniLM-L6-v2@53aa5117"
    with database.write() as connection:
        texts = [f"{text} {rng.randrange(10**6)}" for text in texts]
        start = 1_700_000_000_000
        rows.put(
            connection,
            [NewMemory(f"{n:032x}", texts[n % len(texts)], start + n, "bench") for n in range(count)],
        )
    with database.write() as connection:
        stored = [PendingText(*row) for row in connection.execute("SELECT num, text FROM memories")]
        found = numbers.standard_normal((count, 384), dtype=np.float32)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        vectors.write(connection, model, [(row, vector.tobytes()) for row, vector in zip(stored, found, strict=True)])


def children_seconds() -> float:
    """Return the CPU time of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def median_ms(
    command: list[str], environment: dict[str, str], runs: int, clock: Callable[[], float], vary: bool = False
) -> float:
    """Return the median time of fresh processes; `vary` appends a new word to each: no query is cached."""
    times = []
    for n in range(runs):
        varied = [*command, f"word{n}{random.randrange(10**9)}"] if vary else command
        start = clock()
        subprocess.run(varied, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        times.append((clock() - start) * 1000)
    return statistics.median(times)


def inside_ms(path: Path, runs: int) -> float:
    """Return the median of recalls of new queries in one process, with the store open and warm."""
    times = []
    with MemoryStore(path) as store:
        store.recall("one query before it counts")
        for _ in range(runs):
            query = f"which port was slow {random.randrange(10**9)}"
            start = time.perf_counter()
            store.recall(query)
            times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memories", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    clock = children_seconds if options.cpu_time else time.perf_counter
    # As a user has it: bench.embedding holds its own process to one core.
    left_out = {"PYTHONDONTWRITEBYTECODE", "TOKENIZERS_PARALLELISM", *THREADS}
    environment = {key: value for key, value in os.environ.items() if key not in left_out}
    environment.setdefault("MEMENTO_MODEL_DIR", str(load_config().model_dir))
    compileall.compile_dir(Path(sys.prefix) / "lib", quiet=2)
    with tempfile.TemporaryDirectory() as folder:
        environment["MEMENTO_HOME"] = folder
        environment["MEMORY_DB_PATH"] = str(Path(folder, "memory.db"))
        database = Database(Path(folder, "memory.db"))
        fill(database, options.memories)
        database.close()
        print(f"medians of {options.runs} fresh processes, ms")
        for name, code in PARTS.items():
            print(f"  {name:<52} {median_ms([sys.executable, '-c', code], environment, options.runs, clock):>7.0f}")
        inside = inside_ms(Path(folder, "memory.db"), 4 * options.runs)
        print(f"  {f'recall inside a process, {options.memories:,}, new queries':<52} {inside:>7.0f}")
        recall = [MEMENTO, "recall", "which port was slow"]
        for rust, engine in {"0": "Python engine", "1": "native engine"}.items():
            if rust == "1" and native_module(None) is None:
                print("  the native engine is not built: make native")
                continue
            chosen = environment | {"MEMENTO_RUST": rust}
            new = median_ms(recall, chosen, options.runs, clock, vary=True)
            print(f"  {f'memento recall, {options.memories:,}, a new query, {engine}':<52} {new:>7.0f}")
            print(f"  {f'the same query again, {engine}':<52} {median_ms(recall, chosen, options.runs, clock):>7.0f}")


if __name__ == "__main__":
    main()
