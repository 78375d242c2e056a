"""In CI a test that is skipped without a listed reason fails the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
SKIPPED = "import pytest\n\ndef test_one():\n    pytest.skip({reason!r})\n"
SKIPPED_WHOLE = "import pytest\n\npytest.importorskip('no_such_package')\n"
EXPECTED_FAILURE = "import pytest\n\n@pytest.mark.xfail\ndef test_one():\n    assert False\n"


def run(folder: Path, source: str, ci: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(source)
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "CI": ci}
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "skip_guard",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        folder,
        folder,
    ]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("source", [SKIPPED.format(reason="the sample files are not here"), SKIPPED_WHOLE])
def test_an_unexpected_skip_fails_in_ci_only(tmp_path: Path, source: str) -> None:
    here, ci = run(tmp_path, source, ""), run(tmp_path, source, "1")
    assert here.returncode in (0, 5), here.stdout
    assert ci.returncode in (1, 2), ci.stdout
    assert "unexpected skip" in ci.stdout


def test_a_listed_reason_and_an_expected_failure_pass_in_ci(tmp_path: Path) -> None:
    listed = "root may write everywhere" if os.geteuid() == 0 else "only root can become somebody else"
    assert run(tmp_path, SKIPPED.format(reason=listed), "1").returncode == 0
    assert run(tmp_path, EXPECTED_FAILURE, "1").returncode == 0


def test_a_listed_reason_counts_only_where_it_is_true(tmp_path: Path) -> None:
    untrue = "only root can become somebody else" if os.geteuid() == 0 else "root may write everywhere"
    assert run(tmp_path, SKIPPED.format(reason=untrue), "1").returncode == 1
