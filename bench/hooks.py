"""`memento hook` as an agent meets it: fresh processes, from start to exit, the record on disk.

Wall time and CPU time (user and system) of each process. Events: what every event costs with a sidecar that has the
samples and answers, and the status line; beside Python that starts and ends. Spool: warm means that the redaction rules
are cached; cold that they are not, as after an upgrade or an edit of the user's rules; held that a stopped process
holds the spool's lock. Run `python bench/hooks.py --help` for the options.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

MEMENTO = str(Path(sys.executable).with_name("memento"))
PROMPT = {
    "hook_event_name": "UserPromptSubmit",
    "session_id": "00000000-0000-4000-8000-000000000000",
    "cwd": "/w",
    "prompt": "should we use Postgres or stay with SQLite for now? " * 10,
}


SAMPLES = Path(__file__).resolve().parents[1] / "samples"
PROJECT = "/home/mira/harbor"
"""The folder of the samples' sessions."""
EVENTS: dict[str, dict[str, object]] = {
    "SessionStart": {"source": "startup"},
    "UserPromptSubmit": {"prompt": "how does the nightly import of the harbour work?"},
    "PreToolUse, a file not told of yet": {"tool_name": "Edit", "tool_input": {"file_path": f"{PROJECT}/eta.py"}},
    "PreToolUse, a file told of before": {"tool_name": "Edit", "tool_input": {"file_path": f"{PROJECT}/eta.py"}},
    "PreToolUse, no file": {"tool_name": "Bash", "tool_input": {"command": "ls"}},
    "PostToolUse": {"tool_name": "Read", "tool_input": {"file_path": "a.py"}, "tool_response": {"stdout": "x\n" * 500}},
    "Stop": {"last_assistant_message": "Done. " * 50},
    "PreCompact": {"trigger": "auto"},
    "SessionEnd": {"reason": "exit"},
}


class Cost(NamedTuple):
    """Milliseconds of one process."""

    wall: float
    cpu: float


def run(payload: bytes, environment: dict[str, str], command: tuple[str, ...] = (MEMENTO, "hook")) -> Cost:
    """Run one process; return what it cost. wait4 tells the CPU time of this child alone."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment) as process:
        assert process.stdin
        process.stdin.write(payload)
        process.stdin.close()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost((time.perf_counter() - started) * 1000, (used.ru_utime + used.ru_stime) * 1000)


def show(name: str, costs: list[Cost], bare: float = 0.0) -> float:
    """Print the percentiles of the processes; return the median of their CPU time."""
    wall, cpu = sorted(one.wall for one in costs), sorted(one.cpu for one in costs)
    p50, p99 = len(costs) // 2, min(int(len(costs) * 0.99), len(costs) - 1)
    times = f"{cpu[p50] / bare:>6.1f}" if bare else ""
    print(f"  {name:<42} {len(costs):>6} {wall[p50]:>8.0f} {wall[p99]:>8.0f} {cpu[p50]:>8.0f} {cpu[p99]:>8.0f} {times}")
    return cpu[p50]


def heading(title: str, last: str = "") -> None:
    """Print what the columns are."""
    print(f"  {title:<42} {'runs':>6} {'p50 ms':>8} {'p99 ms':>8} {'CPU p50':>8} {'CPU p99':>8} {last}")


def measure(
    name: str, runs: int, payload: object, environment: dict[str, str], before: Callable[[], None], workers: int = 1
) -> None:
    """Print the percentiles of `runs` hooks, each after `before`."""
    data = json.dumps(payload).encode()

    def once(_: int) -> Cost:
        before()
        return run(data, environment)

    with ThreadPoolExecutor(workers) as pool:
        show(name, list(pool.map(once, range(runs))))


@contextmanager
def sidecar(environment: dict[str, str]) -> Iterator[None]:
    """Keep a sidecar running that has read the samples."""
    subprocess.run([MEMENTO, "ingest", str(SAMPLES)], env=environment, check=True, stdout=subprocess.DEVNULL)
    process = subprocess.Popen([MEMENTO, "watch"], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        next(line for line in process.stderr if "watching" in line)
        yield
    finally:
        process.terminate()
        process.communicate()


def measure_events(runs: int, environment: dict[str, str]) -> None:
    """Print what each event costs beside bare Python, in turn, so that a busy machine falls on all of them alike."""
    costs: dict[str, list[Cost]] = {name: [] for name in ("python -c pass", *EVENTS, "statusline")}
    with sidecar(environment):
        run(json.dumps(PROMPT).encode(), environment)  # caches the redaction rules and loads the model
        for number in range(runs):
            costs["python -c pass"].append(run(b"", environment, (sys.executable, "-c", "pass")))
            session = {"session_id": f"session-{number}", "cwd": PROJECT}
            for name, fields in EVENTS.items():
                payload = {**session, "hook_event_name": name.partition(",")[0], **fields}
                costs[name].append(run(json.dumps(payload).encode(), environment))
            costs["statusline"].append(run(json.dumps(session).encode(), environment, (MEMENTO, "statusline")))
    heading("events, a sidecar answers", "x bare CPU")
    bare = show("python -c pass", costs.pop("python -c pass"))
    for name, found in costs.items():
        show(name, found, bare)


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

        measure_events(options.runs, environment | {"MEMENTO_HOME": str(Path(folder, "served")), "HOME": folder})
        run(json.dumps(PROMPT).encode(), environment)
        few = max(options.runs // 5, 1)
        long = {**PROMPT, "hook_event_name": "PostToolUse", "tool_response": {"stdout": "some output\n" * 100_000}}
        heading("spool, no sidecar")
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
