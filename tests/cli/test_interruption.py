"""Ingestion stopped at any moment: what was committed stays, and the next run ends as if nothing had happened."""

from __future__ import annotations

import random
import runpy
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

LOG: Final = Path(__file__).resolve().parents[2] / "bench" / "claude_code_log.py"
SEED: Final = 20_261_122
KILLS: Final = 8


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of generated sessions, 18 MB, the largest in several batches."""
    folder = tmp_path_factory.mktemp("logs")
    write_log = runpy.run_path(str(LOG))["write_log"]
    for number, megabytes in enumerate([10, 4, 2, 1, 1]):
        write_log(folder / f"{number}.jsonl", megabytes, seed=number)
    return folder


def undisturbed(cli: Cli, logs: Path, folder: Path) -> list[tuple[object, ...]]:
    other = type(cli)(folder, "no-model")
    other("ingest", logs, "--no-embed")
    return other.rows()


def test_sigkill_at_random_moments(memento: Cli, logs: Path, tmp_path: Path) -> None:
    moments = random.Random(SEED)
    memento("ingest", "no-such-file", "--no-embed", code=2)  # the store exists
    seen = []
    for _ in range(KILLS):
        process = memento.start("ingest", logs, "--no-embed")
        time.sleep(moments.uniform(0.1, 0.5))
        process.kill()
        process.communicate()
        assert all(offset == accounted for offset, accounted in memento.accounts())
        seen.append(len(memento.rows()))
    assert seen == sorted(seen)
    memento("ingest", logs, "--no-embed")
    assert memento.rows() == undisturbed(memento, logs, tmp_path / "undisturbed"), f"seed {SEED}"
    assert all(offset == accounted for offset, accounted in memento.accounts())
    assert memento("ingest", logs, "--no-embed").json["stored"] == 0


def test_ctrl_c(memento: Cli, logs: Path, tmp_path: Path) -> None:
    process = memento.start("ingest", logs, "-v", "--no-embed")
    assert process.stderr
    process.stderr.readline()  # the first batch is committed
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.decode().splitlines()[-1] == (
        "memento: interrupted; what was committed stays, the next run goes on from there"
    )
    assert b"Traceback" not in err
    assert memento.rows()
    memento("ingest", logs, "--no-embed")
    assert memento.rows() == undisturbed(memento, logs, tmp_path / "undisturbed")
