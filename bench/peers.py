"""Memento beside the vector stores and memories that install from PyPI: what is found, and how long a query takes.

Usage: python bench/peers.py PATH [--split dev|test|all] [--every N] [--python PYTHON] [--only NAME...]

PATH is a benchmark that `bench/eval.py` reads; `--every 2` takes every second of its conversations. PYTHON is the
interpreter of an environment with Memento's dependencies and with the peers to compare (chromadb, lancedb, sqlite-vec,
txtai, mempalace, mem0ai); those that cannot be imported there are named and left out, and nothing is downloaded. Every
one holds the same turns and is asked the same questions, each in a process of its own, and all embed with Memento's
embedder: same weights, same engine. Where Memento is given date, speaker and the time of the question as fields, the
others have date and speaker in the text: `[date] speaker: text`, or `[date] role: text`.

Prints recall_any@5 at turn level, without adversarial questions, and the time of one query, its embedding included.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.datasets import DEV, Conversation, benchmark, load
from bench.peer_stores import PEERS

from memento.config import load_config
from memento.embedding import load_embedder

WARM_UP: Final = 3
"""Queries of each conversation that are asked before the clock runs."""

Row = dict[str, Any]
"""The figures of one of them."""


def chosen(path: Path, split: str, every: int) -> list[Conversation]:
    """Return the conversations to measure, those with questions."""
    conversations = [one for one in load(path) if split == "all" or (one.name in DEV) == (split == "dev")]
    return [one for one in conversations if one.questions][::every]


def measure(name: str, conversations: Sequence[Conversation]) -> Row:
    """Fill one of them with each conversation and ask its questions; return its figures."""
    import numpy as np

    embedder = load_embedder(load_config().model_dir, threads=1)
    hits, times, filling = [], [], 0.0
    for conversation in conversations:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            start = time.perf_counter()
            peer = PEERS[name](Path(folder), embedder)
            peer.fill(conversation)
            filling += time.perf_counter() - start
            for question in conversation.questions[-WARM_UP:]:
                peer.search(f"{question.text} Say so.")
            for question in conversation.questions:
                peer.at = question.at
                start = time.perf_counter()
                found = peer.search(question.text)
                times.append(time.perf_counter() - start)
                if question.kind != "adversarial":
                    hits.append(bool(question.gold & set(found)))
    p50, p99 = np.percentile(times, [50, 99]) * 1e3
    return {"any@5": 100 * float(np.mean(hits)), "p50": p50, "p99": p99, "fill": filling, "questions": len(hits)}


def run(name: str, options: argparse.Namespace) -> tuple[Row, str]:
    """Measure one in a process and a home of its own; return its figures, and why there are none."""
    with tempfile.TemporaryDirectory() as home:
        single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        quiet = {"MEM0_TELEMETRY": "false", "HF_HUB_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "false"}
        model = {"MEMENTO_MODEL_DIR": str(load_config().model_dir.resolve()), "MEMENTO_HOME": home, "HOME": home}
        taken = ["--split", options.split, "--every", str(options.every)]
        command = [options.python, __file__, str(options.path), *taken, "--measure", name]
        done = subprocess.run(
            command, env={**os.environ, **single, **quiet, **model}, capture_output=True, text=True, check=False
        )
    if done.returncode:
        return {}, (done.stderr.strip().splitlines() or ["it ended without a word"])[-1][:100]
    return json.loads(done.stdout.splitlines()[-1]), ""


def installed(package: str) -> str:
    """Return a package's version, empty where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def main() -> None:
    """Print the table; `quicker` is Memento's median over the other's: above 1, the other answers sooner."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=benchmark)
    parser.add_argument("--split", choices=("dev", "test", "all"), default="all")
    parser.add_argument("--every", type=int, default=1, help="take every so manieth conversation")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has the peers")
    parser.add_argument("--only", nargs="+", choices=PEERS, default=tuple(PEERS), help="memento first")
    parser.add_argument("--measure", choices=PEERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not shutil.which(options.python):
        parser.error(f"there is no interpreter {options.python}")
    if options.measure:
        row = measure(options.measure, chosen(options.path, options.split, options.every))
        print(json.dumps({**row, "version": installed(PEERS[options.measure].package)}))
        return
    print(f"{'':<16}{'version':>9}{'quicker':>9}{'any@5':>8}{'- memento':>11}{'p50 ms':>9}{'p99 ms':>9}{'fill s':>8}")
    ours: Row = {}
    for name in options.only:
        row, why = run(name, options)
        if not row:
            print(f"{name:<16}  not measured: {why}", flush=True)
            continue
        ours = ours or row
        print(
            f"{name:<16}{row['version']:>9}{ours['p50'] / row['p50']:>8.2f}x{row['any@5']:>8.1f}"
            f"{row['any@5'] - ours['any@5']:>+11.1f}{row['p50']:>9.1f}{row['p99']:>9.1f}{row['fill']:>8.1f}"
            f"  {PEERS[name].note}",
            flush=True,
        )
    print(f"{ours.get('questions', 0)} questions")


if __name__ == "__main__":
    main()
