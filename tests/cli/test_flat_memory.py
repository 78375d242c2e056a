"""Memory does not grow with the size of what is ingested."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

LOG: Final = Path(__file__).resolve().parents[2] / "bench" / "claude_code_log.py"
LIMIT_MB: Final = 300
CACHES_MB: Final = 40
"""What fills up with the first megabytes and then stays: SQLite's pages (16 MB), the states of the redaction sets."""


MEASURE: Final = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""A process of its own: a child's peak begins at the size of the process that forks it, and pytest's is large."""


def peak(cli: Cli, *paths: Path) -> float:
    """Return the peak resident size of an ingestion, MB."""
    command = [sys.executable, "-c", MEASURE, *cli.command("ingest", *paths, "--no-embed")]
    done = subprocess.run(command, env=cli.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout) / 1024


@pytest.fixture(scope="module")
def piece(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("piece") / "log.jsonl"
    runpy.run_path(str(LOG))["write_log"](path, 15)
    return path.read_bytes()


def test_ten_times_the_size_takes_no_more_memory(memento: Cli, piece: bytes, tmp_path: Path) -> None:
    """150 MB: fifteen megabytes of records ten times, each time with ids of their own."""
    small, large = tmp_path / "small.jsonl", tmp_path / "large.jsonl"
    small.write_bytes(piece)
    with large.open("wb") as file:
        for number in range(10):
            file.write(piece.replace(b'"msg_', b'"msg_%d' % number).replace(b'"uuid":"', b'"uuid":"%d' % number))
    before, after = peak(memento, small), peak(memento, large)
    assert after < LIMIT_MB
    assert after < before + CACHES_MB


def test_a_line_of_forty_megabytes(memento: Cli, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    short = b'{"role": "user", "content": "We decided to log everything."}\n'
    path.write_bytes(short + b'{"role": "user", "content": "We decided' + b" on words" * 4_444_444 + b'."}\n' + short)
    assert peak(memento, path) < LIMIT_MB
    assert memento.accounts() == [(path.stat().st_size, path.stat().st_size)]
