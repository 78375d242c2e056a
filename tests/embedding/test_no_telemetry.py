"""Nothing that Memento loads writes outside its own folder, or has an uploader."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from memento.embedding.telemetry import SWITCHES

SUPPRESSED_BY = ("CI", "CIRCLECI", "GITLAB_CI", "GITHUB_ACTIONS", "TF_BUILD", "BUILD_ID", "ORT_RUNNING_UNIT_TESTS")
"""What also suppresses ONNX Runtime's telemetry: a user has none of these."""


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in (*SUPPRESSED_BY, *SWITCHES)}
    return {**kept, "HOME": str(home), "MEMENTO_HOME": str(home / ".memento"), "XDG_CACHE_HOME": "", **more}


def written(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


@pytest.mark.parametrize("engine", ["0", "1"])
def test_nothing_is_written_outside_mementos_folder(tmp_path: Path, engine: str) -> None:
    (tmp_path / ".memento").mkdir(mode=0o700)
    if engine == "1":
        pytest.importorskip("memento_native")
    for words in (["remember", "The ferry leaves at nine."], ["recall", "when does the boat go?"]):
        done = subprocess.run(
            [sys.executable, "-m", "memento", *words],
            env=environment(tmp_path, MEMENTO_RUST=engine),
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr
        assert b"words only" not in done.stderr
    assert [path for path in written(tmp_path) if not path.startswith(".memento/")] == []


def test_the_library_by_itself_would(tmp_path: Path) -> None:
    """Tell when the switch is not needed any more, or the test above can no longer fail."""
    subprocess.run([sys.executable, "-c", "import onnxruntime"], env=environment(tmp_path), check=True)
    assert any("onnxruntime" in path for path in written(tmp_path))
