"""Embedding: our int8 and fp32 engines beside sentence-transformers, in one run, on one core.

    python bench/embedding.py [--model-dir DIR] [--texts FILE] [--rounds N] [--cpu-time]

Engines take turns inside every round, so that a busy machine slows all of them; medians are shown, and
ratios are over sentence-transformers (left out where it is not installed: `pip install memento-memory[torch]`).
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
os.environ |= THREADS | {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

ROOT = Path(__file__).resolve().parents[1]
BASELINE = "sentence-transformers"
WORDS = "the memory of an agent is what it keeps of the work that was done".split()
"""Words of one token each."""

Embed = Callable[[Sequence[str]], Any]
Clock = Callable[[], float]

COLD_PARTS = """
import time, sys
from pathlib import Path
marks = [("", time.perf_counter())]
def mark(name): marks.append((name, time.perf_counter()))
folder = Path(sys.argv[1])
import numpy; mark("import numpy")
import onnxruntime; mark("import onnxruntime")
from memento.embedding.onnx_engine import _session, OnnxEmbedder; mark("import memento.embedding")
from memento.embedding.passages import Chunker
Chunker(folder / "tokenizer.json"); mark("tokenizer, import included")
session = _session(folder / "model_int8.onnx", 1); mark("session, int8")
ids = numpy.full((1, 8), 2023, numpy.int32)
session.run(None, {"input_ids": ids, "attention_mask": numpy.ones_like(ids)}); mark("first inference, 8 tokens")
for (_, before), (name, after) in zip(marks, marks[1:]): print(f"{name}\\t{(after - before) * 1000}")
"""
COLD_START = """
import sys
from pathlib import Path
from memento.embedding import load_embedder
embedder = load_embedder(Path(sys.argv[1]), precision=sys.argv[2], threads=1, rust=sys.argv[3] == "1")
embedder.embed_queries_to_bytes(["where is the runbook"])
"""
COLD_BASELINE = """
import sys
from sentence_transformers import SentenceTransformer
SentenceTransformer(sys.argv[1], device="cpu").encode("where is the runbook")
"""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("MEMENTO_MODEL_DIR") or ROOT / ".model"
    parser.add_argument("--model-dir", type=Path, default=default, help="an installed model")
    parser.add_argument("--texts", type=Path, help="one text a line, instead of chunks made from the test sentences")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cpu-time", action="store_true", help="count this process's CPU time: for a busy machine")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as checkpoint, tempfile.TemporaryDirectory() as bytecode:
        os.environ["PYTHONPYCACHEPREFIX"] = bytecode
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        engines = load_engines(arguments.model_dir, Path(checkpoint))
        clock = time.process_time if arguments.cpu_time else time.perf_counter
        counted = "CPU time" if arguments.cpu_time else "wall time"
        print(f"one core; {counted}, medians over {arguments.rounds} rounds; engines take turns")
        print_queries(engines, arguments.rounds, clock)
        print_throughput(engines, arguments.model_dir, arguments.texts, max(3, arguments.rounds // 5), clock)
        print_cold_start(arguments.model_dir, Path(checkpoint), BASELINE in engines)


def load_engines(folder: Path, checkpoint: Path) -> dict[str, Embed]:
    """Return the engines by name; sentence-transformers is called directly, with the same weights."""
    from memento.base.native import native_module
    from memento.embedding import load_embedder

    engines: dict[str, Embed] = {
        "int8": load_embedder(folder, precision="int8", threads=1, rust=False).embed_to_bytes,
        "fp32": load_embedder(folder, precision="fp32", threads=1, rust=False).embed_to_bytes,
    }
    if native_module(None):
        engines["native int8"] = load_embedder(folder, precision="int8", threads=1, rust=True).embed_to_bytes
    try:
        import torch
        from sentence_transformers import SentenceTransformer

        from memento.embedding.torch_engine import write_checkpoint
    except ImportError as error:
        print(f"no {BASELINE} to compare with: {error}")
        return engines
    torch.set_num_threads(1)
    write_checkpoint(folder, checkpoint)
    transformer = SentenceTransformer(str(checkpoint), device="cpu")
    engines[BASELINE] = lambda texts: transformer.encode(list(texts), batch_size=32, show_progress_bar=False)
    return engines


def median_seconds(
    engines: dict[str, Embed], texts: Sequence[str], rounds: int, calls: int, clock: Clock
) -> dict[str, float]:
    """Let each engine embed `texts` `calls` times a round, in turn; its first call warms the caches and is left out."""
    times: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(rounds):
        for name, embed in engines.items():
            embed(texts[:8])
            for _ in range(calls):
                started = clock()
                embed(texts)
                times[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def print_row(label: str, seconds: dict[str, float], show: Callable[[float], str]) -> None:
    """Print ratios over the baseline first, then each engine's own figure."""
    baseline = seconds.get(BASELINE)
    ratios = [f"{name} {baseline / seconds[name]:5.2f}x" for name in seconds if name != BASELINE] if baseline else []
    print(f"  {label:26}", *ratios, "|", ", ".join(f"{name} {show(value)}" for name, value in seconds.items()))


def print_queries(engines: dict[str, Embed], rounds: int, clock: Clock) -> None:
    """One text, hot (ten calls in a row), tokenising included."""
    print("\none text, ms")
    for tokens in (8, 16, 64, 256):
        text = " ".join(islice(cycle(WORDS), tokens - 2))
        seconds = median_seconds(engines, [text], rounds, 10, clock)
        print_row(f"{tokens} tokens", seconds, lambda value: f"{value * 1000:.2f}")


def print_throughput(engines: dict[str, Embed], folder: Path, file: Path | None, rounds: int, clock: Clock) -> None:
    """Many texts in one call; sentence-transformers sorts them and takes 32 at a time."""
    from memento.embedding.passages import Chunker

    texts = file.read_text("utf-8").splitlines() if file else realistic_chunks(300)
    chunker = Chunker(folder / "tokenizer.json")
    lengths = [len(chunk.ids) for text in texts for chunk in chunker.chunks(text)]
    print(f"\nthroughput, texts/s: {len(texts)} texts, {statistics.mean(lengths):.0f} tokens in the mean")
    print_row(
        "all in one call", median_seconds(engines, texts, rounds, 1, clock), lambda value: f"{len(texts) / value:.0f}"
    )


def realistic_chunks(count: int) -> list[str]:
    """Return one or two of the test sentences at a time, from a fixed seed: about 34 tokens in the mean."""
    sentences = (ROOT / "tests" / "embedding" / "sentences.txt").read_text("utf-8").split("\n")[:-1]
    draw = random.Random(1)
    return [" ".join(draw.sample(sentences, draw.choice((1, 1, 2)))) for _ in range(count)]


def print_cold_start(folder: Path, checkpoint: Path, with_baseline: bool) -> None:
    """Time new processes: their parts from inside, their whole from outside."""
    from memento.base.native import native_module

    print("\ncold start, ms (new process each time, medians; bytecode compiled before, as in any used installation)")
    rounds = 7
    run(COLD_PARTS, folder)
    parts: dict[str, list[float]] = {}
    for _ in range(rounds):
        for line in run(COLD_PARTS, folder).splitlines():
            name, milliseconds = line.split("\t")
            parts.setdefault(name, []).append(float(milliseconds))
    bare = wall(rounds, "pass")
    for name, values in {"bare Python": [bare], **parts}.items():
        print(f"  {name:38} {statistics.median(values):7.1f}")
    for precision, rust in (("int8", 0), ("fp32", 0), *([("int8", 1)] if native_module(None) else [])):
        label = f"process to first vector, {'native ' if rust else ''}{precision}"
        print(f"  {label:38} {wall(rounds, COLD_START, folder, precision, rust):7.1f}")
    if with_baseline:
        print(f"  {'the same, ' + BASELINE:38} {wall(3, COLD_BASELINE, checkpoint):7.1f}")


def wall(rounds: int, code: str, *arguments: object) -> float:
    """Return the median milliseconds from the start of a new Python to its end."""
    times = []
    run(code, *arguments)
    for _ in range(rounds):
        started = time.perf_counter()
        run(code, *arguments)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def run(code: str, *arguments: object) -> str:
    """Run `code` in a new Python and return what it printed."""
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


if __name__ == "__main__":
    main()
