"""Ingestion on one core: MB/s and messages/s into committed rows, texts/s with embedding, and peak memory.

Usage: python bench/ingest.py [--megabytes N] [--embed N]   (MEMENTO_MODEL_DIR names the model)
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.claude_code_log import write_log

MEMENTO = [str(Path(sys.executable).with_name("memento"))]


def ingest(log: Path, home: Path, *flags: str) -> dict[str, Any]:
    """Ingest a log into a store of its own, in a process of its own."""
    environment = {**os.environ, "MEMENTO_HOME": str(home), "MEMORY_DB_PATH": str(home / "memory.db")}
    done = subprocess.run(
        [*MEMENTO, "ingest", "--json", *flags, str(log)], capture_output=True, check=True, env=environment, text=True
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=100, help="size of the log ingested without embedding")
    parser.add_argument("--embed", type=float, default=4.0, help="size of the log ingested with embedding, MB")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log, small = folder / "log.jsonl", folder / "small.jsonl"
        write_log(log, options.megabytes, seed=1)
        write_log(small, options.embed, seed=2)
        first = ingest(log, folder / "a", "--no-embed")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        again = ingest(log, folder / "a", "--no-embed")
        embedded = ingest(small, folder / "b")
        without = ingest(small, folder / "c", "--no-embed")
    rate = first["seen"] / first["seconds"]
    print(f"{'ingest, no embedding':<28} {first['megabytes_per_second']:>8.1f} MB/s {rate:>10,.0f} messages/s")
    print(f"{'of which stored':<28} {first['stored']:>8,} memories from {first['bytes_read'] / 1e6:,.0f} MB")
    print(f"{'peak memory':<28} {peak:>8.0f} MB")
    print(f"{'a second run, unchanged':<28} {again['seconds'] * 1000:>8.0f} ms, {again['stored']} stored")
    total = embedded["seconds"]
    print(f"{'embedding while ingesting':<28} {embedded['embedded']:>8,} texts (reading them took {total:.2f} s,")
    print(f"{'':<28} {'':>8} {without['seen'] / without['seconds']:,.0f} messages/s without)")
    print(f"{'texts/s with embedding':<28} {embedded['embedded'] / embedded['seconds_embedding']:>8.0f}")


if __name__ == "__main__":
    main()
