"""Mutation testing of one module by cosmic-ray: change its code in one place at a time, and see whether a test fails.

    make mutants MODULE=policies/memento_policies/tagging.py [TESTS="tests/policies/test_tag_limit.py ..."] [SAMPLE=50]

Everything happens in a copy of the repository, so a run that is stopped leaves no mutant behind. The score, and what it
does not count, is in docs/testing.md. cosmic-ray's configuration:
https://cosmic-ray.readthedocs.io/en/latest/reference/configuration.html
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import copy2
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
TESTS: Final = {
    "policies/memento_policies": "tests/policies",
    "memory/memento/storage": "tests/memory tests/healing/test_salvage.py tests/healing/test_restore.py "
    "tests/healing/test_forget.py",
    "memory/memento/search": "tests/memory tests/ranking",
    "memory/memento/forgetting": "tests/healing/test_forget.py tests/healing/test_forget_arrivals.py "
    "tests/healing/test_forget_failures.py tests/cli/test_cli_forget.py",
    "memory/memento/restore": "tests/healing",
    "ingest/memento_ingest": "tests/ingest tests/formats",
}
"""The tests that are to notice a change below a folder."""
CONFIG: Final = """
[cosmic-ray]
module-path = {module}
timeout = {timeout}
excluded-modules = []
test-command = {command}
[cosmic-ray.distributor]
name = "local"
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module", help="path of a Python file in the repository")
    parser.add_argument("--tests", default="", help="tests that are to notice; default: those of the module's folder")
    parser.add_argument("--timeout", type=float, default=120, help="seconds after which a mutant counts as killed")
    parser.add_argument("--sample", type=int, default=0, help="try only so many, drawn with a fixed seed; default: all")
    options = parser.parse_args()
    module = Path(options.module)
    if not (ROOT / module).is_file() or module.is_absolute():
        print(f"{module} is no file in this repository", file=sys.stderr)
        return 2
    tests = options.tests or next((found for folder, found in TESTS.items() if module.is_relative_to(folder)), "")
    if not tests:
        print(f"name the tests of {module}: TESTS=...", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        return _try(copied(Path(folder)), module, tests, options.timeout, options.sample)


def copied(folder: Path) -> Path:
    """Copy what git tracks, and what it does not ignore, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            copy2(ROOT / name, folder / name)
    return folder


def _try(folder: Path, module: Path, tests: str, timeout: float, sample: int) -> int:
    """Run all mutants of a module in the copy; print the survivors and the score."""
    command = f"{sys.executable} -m pytest -q -x -p no:cacheprovider {tests}"
    config, session = folder / "mutants.toml", folder / "mutants.sqlite"
    config.write_text(CONFIG.format(module=json.dumps(str(module)), timeout=timeout, command=json.dumps(command)))
    roots = [str(folder / root) for root in ("policies", "memory", "ingest", "app")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(roots), "PYTHONDONTWRITEBYTECODE": "1"}
    if subprocess.run(shlex.split(command), cwd=folder, env=environment, check=False).returncode:
        print("the tests fail without any mutant", file=sys.stderr)
        return 1
    tool = os.environ.get("COSMIC_RAY", "cosmic-ray")
    subprocess.run([tool, "init", config, session], cwd=folder, env=environment, check=True)
    if sample:
        draw(session, sample)
    subprocess.run([tool, "exec", config, session], cwd=folder, env=environment, check=True)
    dump = subprocess.run([tool, "dump", session], cwd=folder, capture_output=True, text=True, check=True).stdout
    return report([json.loads(line) for line in dump.splitlines()])


def draw(session: Path, count: int) -> None:
    """Keep so many of the mutants that cosmic-ray has listed in its session, a SQLite file."""
    connection = sqlite3.connect(session)
    jobs = sorted(
        connection.execute("SELECT module_path, start_pos_row, operator_name, occurrence, job_id FROM mutation_specs")
    )
    drawn = set(random.Random(0).sample(jobs, min(count, len(jobs))))
    dropped = [(job[-1],) for job in jobs if job not in drawn]
    for table in ("mutation_specs", "work_items"):
        connection.executemany(f"DELETE FROM {table} WHERE job_id = ?", dropped)
    connection.commit()
    connection.close()


def report(done: list[Any]) -> int:
    """Print what survived and the score."""
    survivors = [(item, result) for item, result in done if result and result["test_outcome"] == "survived"]
    for item, result in survivors:
        (mutation,) = item["mutations"]
        print(f"\nsurvived: {mutation['module_path']}:{mutation['start_pos'][0]} {mutation['operator_name']}")
        print(result["diff"])
    killed = sum(bool(result) and result["test_outcome"] == "killed" for _, result in done)
    tried = killed + len(survivors)
    print(f"{killed} of {tried} mutants killed ({100 * killed / max(1, tried):.1f} %), {len(survivors)} survived")
    return 0


if __name__ == "__main__":
    sys.exit(main())
