"""The programs in examples/ print what their docstrings say, and leave the user's own memory alone."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_an_example_prints_what_its_docstring_says(path: Path, model_dir: Path, tmp_path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert docstring
    promised = dedent(docstring.partition("Prints:\n\n")[2])
    home = tmp_path / "home"
    environment = {**os.environ, "MEMENTO_HOME": str(home), "MEMENTO_MODEL_DIR": str(model_dir)}
    environment.pop("MEMORY_DB_PATH", None)
    done = subprocess.run(
        [sys.executable, path], env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == promised.strip()
    assert not list(home.rglob("*.db"))


def test_the_list_names_every_example() -> None:
    listed = (EXAMPLES / "README.md").read_text("utf-8")
    assert len(PROGRAMS) == 5
    assert all(f"({path.name})" in listed for path in PROGRAMS)
