"""How fast transcripts become messages: MB/s and messages/s on one core, side by side in one run.

Usage: python bench/parsing.py [MEGABYTES] [SEED]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import msgspec

from memento_ingest.formats.claude_code import ClaudeCode
from memento_ingest.lines import read_lines
from memento_ingest.span import Line, SourceInfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.claude_code_log import write_log

ROUNDS = 5
TARGET_MB_S = 200


def split_only(data: bytes) -> int:
    """Count the lines."""
    return sum(1 for _ in read_lines(BytesIO(data)))


def decode_with(decode: Callable[[bytes], object]) -> Callable[[bytes], int]:
    """Return a run that decodes every line and counts them."""

    def run(data: bytes) -> int:
        count = 0
        for line in read_lines(BytesIO(data)):
            if isinstance(line, Line):
                decode(line.data)
                count += 1
        return count

    return run


def to_messages(data: bytes) -> int:
    """Count the messages the parser yields."""
    parser = ClaudeCode().parser(SourceInfo("bench.jsonl"))
    count = 0
    for line in read_lines(BytesIO(data)):
        if isinstance(line, Line):
            for span in parser.feed(line):
                count += len(span.messages)
    return count + sum(len(span.messages) for span in parser.finish())


def best_of(run: Callable[[bytes], int], data: bytes) -> tuple[float, int]:
    """Return the best time in seconds, and what `run` counted."""
    best, count = float("inf"), 0
    for _ in range(ROUNDS):
        begin = time.process_time()
        count = run(data)
        best = min(best, time.process_time() - begin)
    return best, count


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("megabytes", type=float, nargs="?", default=64)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        write_log(path, options.megabytes, options.seed)
        data = path.read_bytes()
    lines = data.count(b"\n")
    size = f"{len(data) / 1e6:.1f} MB, {lines:,} lines, mean {len(data) / lines:,.0f} B"
    print(f"seed {options.seed}, {size}; best of {ROUNDS}")
    rows: dict[str, Callable[[bytes], int]] = {
        "split into lines": split_only,
        "json.loads": decode_with(json.loads),
        "msgspec to dict": decode_with(msgspec.json.Decoder().decode),
        "claude-code to messages": to_messages,
    }
    for name, run in rows.items():
        seconds, count = best_of(run, data)
        unit = "messages" if run is to_messages else "lines"
        print(f"{name:<26}{len(data) / 1e6 / seconds:>9,.0f} MB/s {count / seconds:>12,.0f} {unit}/s ({count:,})")
    print(f"target: claude-code to messages >= {TARGET_MB_S} MB/s")


if __name__ == "__main__":
    main()
