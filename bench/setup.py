"""`memento setup` from nothing to the first answer, over a home that holds samples/ as Claude Code's transcripts.

Usage: python bench/setup.py [--runs N]   (MEMENTO_MODEL_DIR names the model, which is there already: no download)

CPU time (user and system) of the process and all its children, beside bare Python; wall time too, for a quiet machine.
There is no service manager in these homes, so what is counted ends with the recall.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from memento.config import load_config

ROOT = Path(__file__).resolve().parent.parent
MEMENTO = str(Path(sys.executable).with_name("memento"))
STEPS: dict[str, Sequence[str]] = {
    "memento setup --yes, from nothing": ("setup", "--yes"),
    "the same again: nothing is to be done": ("setup", "--yes"),
    "memento setup --check": ("setup", "--check"),
    "memento setup --undo": ("setup", "--undo"),
}


class Taken(NamedTuple):
    """What a process took, in seconds."""

    cpu: float
    wall: float


def taken(command: Sequence[str], environment: dict[str, str]) -> Taken:
    """Run a command to its end; it must do its work."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Taken(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall)


def run(environment: dict[str, str]) -> dict[str, Taken]:
    """Return what each step took in a new home."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shutil.copytree(ROOT / "samples" / "claude-code", home / ".claude" / "projects")
        (home / ".codex").mkdir()
        own = {**environment, "HOME": folder}
        return {name: taken([MEMENTO, *arguments], own) for name, arguments in STEPS.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    left_out = {"MEMENTO_HOME", "MEMORY_DB_PATH", "PYTHONDONTWRITEBYTECODE"}
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    environment["MEMENTO_MODEL_DIR"] = str(load_config().model_dir)
    environment["XDG_RUNTIME_DIR"] = ""  # without it there is no systemd to speak to
    environment.pop("DBUS_SESSION_BUS_ADDRESS", None)
    python = statistics.median(taken([sys.executable, "-c", "pass"], environment).cpu for _ in range(options.runs))
    found = [run(environment) for _ in range(options.runs)]
    print(f"medians of {options.runs} runs; bare Python takes {python * 1000:.0f} ms of CPU")
    for name in STEPS:
        cpu, wall = (statistics.median(one[name][index] for one in found) for index in (0, 1))
        print(f"  {name:<40} {cpu:6.2f} s of CPU ({cpu / python:5.0f} x bare Python), {wall:6.2f} s in all")


if __name__ == "__main__":
    main()
