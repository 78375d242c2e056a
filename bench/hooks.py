"""`memento hook` as an agent meets it: wall time of fresh processes, from start to exit, the record on disk.

Warm: the redaction rules are cached. Cold: they are not, as after an upgrade or an edit of the user's rules. Locked: a
stopped process holds the spool's lock. Run `python bench/hooks.py --help` for the options.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MEMENTO = str(Path(sys.executable).with_name("memento"))
PROMPT = {
    "hook_event_name": "UserPromptSubmit",
    "session_id": "00000000-0000-4000-8000-000000000000",
    "cwd": "/w",
    "prompt": "should we use Postgres or stay with SQLite for now? " * 10,
}


def run(payload: bytes, environment: dict[str, str]) -> float:
    """Run one hook; return its wall time in milliseconds."""
    started = time.perf_counter()
    subprocess.run([MEMENTO, "hook"], input=payload, env=environment, check=True)
    return (time.perf_counter() - started) * 1000


def measure(
    name: str, runs: int, payload: object, environment: dict[str, str], before: Callable[[], None], workers: int = 1
) -> None:
    """Print the percentiles of `runs` hooks, each after `before`."""
    data = json.dumps(payload).encode()

    def once(_: int) -> float:
        before()
        return run(data, environment)

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    with ThreadPoolExecutor(workers) as pool:
        times = sorted(pool.map(once, range(runs)))
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime) / runs * 1000
    p50, p99 = times[len(times) // 2], times[min(int(len(times) * 0.99), len(times) - 1)]
    print(f"  {name:<42} {runs:>6} {p50:>8.0f} {p99:>8.0f} {times[-1]:>8.0f} {cpu:>8.0f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"MEMENTO_HOME": str(home)}
        environment.pop("XDG_RUNTIME_DIR", None)
        cache = home / "cache" / "redaction.json"

        def nothing() -> None:
            return None

        run(json.dumps(PROMPT).encode(), environment)
        few = max(options.runs // 5, 1)
        long = {**PROMPT, "hook_event_name": "PostToolUse", "tool_response": {"stdout": "some output\n" * 100_000}}
        print(f"  {'':<42} {'runs':>6} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} {'CPU ms':>8}")
        measure("prompt, warm cache", options.runs, PROMPT, environment, nothing)
        measure("1.2 MB of tool output, warm cache", few, long, environment, nothing)
        measure("prompt, 4 hooks at a time", options.runs, PROMPT, environment, nothing, workers=4)
        measure("prompt, cold cache", few, PROMPT, environment, lambda: cache.unlink(missing_ok=True))
        run(json.dumps(PROMPT).encode(), environment)
        with sorted((home / "spool").iterdir())[0].open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            measure("prompt, the spool's lock is held", few, PROMPT, environment, nothing)


if __name__ == "__main__":
    main()
