"""The scorecard at full counts, one bar after the other, each in a pytest of its own.

Usage: python bench/soak.py [--bars N,N] [--seed N] [--minutes N] [--write]   (MEMENTO_SEED=N replays one)
`--write` puts the table into docs/reliability.md. Exit code 1 when a bar does not hold.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "reliability.md"
BEGIN: Final = "<!-- soak: begin -->"
END: Final = "<!-- soak: end -->"
CARD: Final = "tests/scorecard"


@dataclass(frozen=True)
class Bar:
    """A bar of the scorecard: the tests that prove it, and their full counts."""

    number: int
    test: str
    counts: dict[str, int] = field(default_factory=dict)


BARS: Final = (
    Bar(1, f"{CARD}/test_bar_01_kills.py", {"MEMENTO_KILLS": 2_000}),
    Bar(2, "tests/sidecar/test_tail_model.py", {"MEMENTO_TAIL_EXAMPLES": 5_000}),
    Bar(3, f"{CARD}/test_bar_03_burst.py", {"MEMENTO_BURST_FILES": 20_000}),
    Bar(4, "tests/formats/test_claude_code_dirty.py", {"MEMENTO_DIRTY_FILES": 1_000}),
    Bar(5, f"{CARD}/test_bar_05_long_lines.py", {"MEMENTO_LONG_MB": 1_000, "MEMENTO_LONG_LINE_MB": 64}),
    Bar(6, f"{CARD}/test_bar_06_vanishing.py", {"MEMENTO_VANISHING_FILES": 1_000}),
    Bar(
        7,
        f"{CARD}/test_bar_07_power.py",
        {"MEMENTO_POWER_IMAGES": 5_000, "MEMENTO_POWER_LIVES": 50, "MEMENTO_POINT_KILLS": 20},
    ),
    Bar(
        8,
        f"{CARD}/test_bar_08_bit_rot.py",
        {
            "MEMENTO_BIT_FLIPS": 1_000, "MEMENTO_ZEROED_PAGES": 200, "MEMENTO_TORN_SECTORS": 200,
            "MEMENTO_CLEAN_CHECKS": 1_000,
        },
    ),
    Bar(9, f"{CARD}/test_bar_09_rollback.py", {"MEMENTO_CORRUPTIONS": 200}),
    Bar(
        10,
        f"{CARD}/test_bar_10_backups.py",
        {"MEMENTO_BACKUPS": 200, "MEMENTO_BACKUP_KILLS": 200, "MEMENTO_BACKUP_DAYS": 30},
    ),
    Bar(11, f"{CARD}/test_bar_11_full_disk.py", {"MEMENTO_FAULTS": 500}),
    Bar(12, f"{CARD}/test_bar_12_queries.py", {"MEMENTO_QUERIES": 100, "MEMENTO_QUERY_ROWS": 100_000}),
    Bar(13, f"{CARD}/test_bar_13_writers.py", {"MEMENTO_WRITERS": 8, "MEMENTO_WRITER_SECONDS": 60}),
    Bar(14, f"{CARD}/test_bar_14_slow_clients.py", {"MEMENTO_SLOW_CLIENTS": 200, "MEMENTO_SLOW_HOOKS": 300}),
    Bar(15, f"{CARD}/test_bar_15_hooks.py", {"MEMENTO_HOOKS": 1_000}),
    Bar(16, f"{CARD}/test_bar_16_secrets.py", {"MEMENTO_SECRETS": 20}),
    Bar(17, f"{CARD}/test_bar_17_trust.py"),
    Bar(18, f"{CARD}/test_bar_18_private.py"),
    Bar(19, f"{CARD}/test_bar_19_jobs.py", {"MEMENTO_DAYS": 60}),
    Bar(
        20,
        f"{CARD}/test_bar_20_process.py",
        {
            "MEMENTO_STARTS": 200, "MEMENTO_SUCCESSORS": 20, "MEMENTO_BACKFILL_LINES": 300_000,
            "MEMENTO_SOAK_SECONDS": 1_800, "MEMENTO_SOAK_BACKLOG": 40_000,
        },
    ),
    Bar(21, f"{CARD}/test_bar_21_hostile_files.py", {"MEMENTO_HOSTILE_FILES": 1_000}),
    Bar(22, f"{CARD}/test_bar_22_forgetting.py", {"MEMENTO_FORGET_ROUNDS": 100}),
    Bar(23, f"{CARD}/test_bar_23_output.py", {"MEMENTO_OUTPUTS": 2_000}),
    Bar(24, f"{CARD}/test_bar_24_ignoring.py", {"MEMENTO_IGNORED_LINES": 34_000}),
    Bar(25, f"{CARD}/test_bar_25_no_false_alarms.py", {"MEMENTO_BUSY_CHECKS": 2_000, "MEMENTO_BUSY_WRITERS": 8}),
    Bar(26, f"{CARD}/test_bar_26_supervision.py", {"MEMENTO_SOCKETS": 3_000, "MEMENTO_THREAD_ROUNDS": 5}),
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """What a run of a bar came to."""

    bar: Bar
    seed: int
    seconds: float
    passed: bool
    measured: list[str]

    @property
    def row(self) -> str:
        """One row of the table."""
        counts = ", ".join(f"{name.removeprefix('MEMENTO_').lower()} {n:,}" for name, n in self.bar.counts.items())
        said = "; ".join(self.measured)
        result = "holds" if self.passed else "**does not hold**"
        day = time.strftime("%Y-%m-%d")
        return f"| {self.bar.number} | {day} | {self.seed} | {counts} | {self.seconds:,.0f} | {result} | {said} |"


def run(bar: Bar, seed: int, counts: dict[str, int]) -> Result:
    """Run one bar and show what pytest says."""
    settings = {name: str(value) for name, value in counts.items()}
    environment = {**os.environ, **settings, "MEMENTO_SOAK": "1", "MEMENTO_SEED": str(seed)}
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "--timeout", "14400"]
    command += ["--hypothesis-seed", str(seed), bar.test]
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:  # of its own: pytest gives only its last three runs theirs
        command += ["--basetemp", folder]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    seconds = time.monotonic() - started
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", flush=True)
    measured = re.findall(r"^\.*measured (.+?) *$", done.stdout, re.MULTILINE)
    return Result(Bar(bar.number, bar.test, counts), seed, seconds, done.returncode == 0, measured)


def merged(results: list[Result], page: str) -> str:
    """Return the page with these rows in place of those of the same bars."""
    before, rest = page.split(BEGIN)
    table, after = rest.split(END)
    rows = {int(row.split("|")[1]): row for row in re.findall(r"^\| \d+ \|.*$", table, re.MULTILINE)}
    rows.update({result.bar.number: result.row for result in results})
    lines = "\n".join(rows[number] for number in sorted(rows))
    return f"{before}{BEGIN}\n{HEADER}\n{lines}\n{END}{after}"


HEADER: Final = "| bar | date | seed | counts | seconds | result | measured |\n|--:|---|--:|---|--:|---|---|"


def main() -> int:
    """Run the bars, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", default="", help="numbers, comma-separated; default: all")
    parser.add_argument("--seed", type=int, default=os.environ.get("MEMENTO_SEED"), help="one seed for every bar")
    parser.add_argument("--minutes", type=float, default=30, help="length of the soak of bar 20")
    parser.add_argument("--kills", type=int, default=2_000, help="number of kills of bar 1")
    parser.add_argument("--hooks", type=int, default=1_000, help="hook calls of bar 15 in each state")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    options = parser.parse_args()
    wanted = {int(number) for number in options.bars.split(",") if number}
    own = {
        "MEMENTO_SOAK_SECONDS": int(options.minutes * 60),
        "MEMENTO_KILLS": options.kills,
        "MEMENTO_HOOKS": options.hooks,
    }
    print(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} CPUs\n\n{HEADER}")
    results = []
    for bar in BARS:
        if wanted and bar.number not in wanted:
            continue
        seed = random.randrange(10**6) if options.seed is None else options.seed
        results.append(run(bar, seed, {name: own.get(name, count) for name, count in bar.counts.items()}))
        print(results[-1].row, flush=True)
        if options.write:
            PAGE.write_text(merged(results, PAGE.read_text("utf-8")), "utf-8")
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
