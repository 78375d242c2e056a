"""The sidecar: lag from an append to the committed row with many files growing, sweep rate, idle cost.

Usage: python bench/watch.py [--files N] [--seconds S] [--rate N]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import apsw
import psutil

from memento_ingest.sidecar.sweep import Sweep

MEMENTO = str(Path(sys.executable).with_name("memento"))


def line(number: int) -> bytes:
    """One prompt whose text names its number."""
    text = f"We decided on rule number {number} for the harbour."
    message = {"role": "user", "content": text}
    record = {"type": "user", "uuid": f"u-{number}", "sessionId": "s", "timestamp": "2026-01-01T00:00:00Z"}
    return json.dumps({**record, "message": message}).encode() + b"\n"


def seen(connection: apsw.Connection, after: int) -> list[tuple[int, str]]:
    """Return the rows committed since a row number."""
    found = connection.execute("SELECT num, text FROM memories WHERE num > ? ORDER BY num", (after,))
    return [(int(str(num)), str(text)) for num, text in found]


def measure_lag(folder: Path, database: Path, files: int, seconds: float, rate: int) -> list[float]:
    """Append to random files at a steady rate and poll the database for the rows; return lags in ms."""
    rng, written, lags = random.Random(1), {}, []
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    number = last = 0
    started = time.perf_counter()
    while time.perf_counter() - started < seconds + 2:
        if time.perf_counter() - started < seconds and number < (time.perf_counter() - started) * rate:
            with (folder / f"{rng.randrange(files)}.jsonl").open("ab") as file:
                file.write(line(number))
            written[f"We decided on rule number {number} for the harbour."] = time.perf_counter()
            number += 1
        for num, text in seen(connection, last):
            last = num
            if text in written:
                lags.append((time.perf_counter() - written.pop(text)) * 1000)
        time.sleep(0.002)
    if written:
        raise SystemExit(f"{len(written)} of {number} lines were not stored within 2 s")
    return lags


def measure_sweep(folder: Path, files: int) -> float:
    """Return files swept per second when nothing changed."""
    for number in range(files):
        path = folder / f"{number % 100}" / f"{number}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    sweep = Sweep([folder], lambda path: path.suffix == ".jsonl")
    for changed in sweep.changed():
        sweep.read(changed)
    started = time.perf_counter()
    assert sweep.changed() == []
    return files / (time.perf_counter() - started)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=int, default=100, help="lines a second, over all files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        folder = home / "transcripts"
        folder.mkdir()
        environment = {**os.environ, "MEMENTO_HOME": str(home / "m"), "MEMENTO_MODEL_DIR": str(home / "none")}
        environment.pop("MEMORY_DB_PATH", None)
        process = subprocess.Popen([MEMENTO, "watch", str(folder)], env=environment, stderr=subprocess.DEVNULL)
        try:
            time.sleep(2)
            lags = sorted(measure_lag(folder, home / "m" / "memory.db", options.files, options.seconds, options.rate))
            sidecar = psutil.Process(process.pid)
            before = sum(sidecar.cpu_times()[:2])
            time.sleep(10)
            idle = (sum(sidecar.cpu_times()[:2]) - before) / 10
            memory = sidecar.memory_info().rss / 1e6
        finally:
            process.terminate()
            process.wait()
        swept = measure_sweep(home / "many", 20_000)
    bare = subprocess.run(
        [sys.executable, "-c", "import psutil; print(psutil.Process().memory_info().rss / 1e6)"],
        capture_output=True,
        text=True,
        check=True,
    )
    p50, p99 = statistics.median(lags), lags[int(len(lags) * 0.99)]
    print(f"{len(lags):,} lines into {options.files} files at {options.rate}/s")
    print(f"  {'append to committed row, p50 / p99':<40} {p50:>7.0f} / {p99:.0f} ms")
    print(f"  {'idle CPU of one core':<40} {idle * 100:>7.2f} %")
    print(f"  {'memory, no model loaded':<40} {memory:>7.0f} MB (bare Python {float(bare.stdout):.0f})")
    print(f"  {'files swept per second':<40} {swept:>7,.0f}")


if __name__ == "__main__":
    main()
