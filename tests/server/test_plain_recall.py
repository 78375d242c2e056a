"""`memento recall` with plain arguments does without typer: it prints what it prints with it, byte for byte."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memento_app.cli.options import parse
from memento_app.cli.recall import recall

if TYPE_CHECKING:
    from tests.server.conftest import Server

PLAIN = "import sys; from memento_app.cli import main; sys.argv[0] = 'memento'; main()"
WITH_TYPER = "import sys; from memento_app.cli.app import app; sys.argv[0] = 'memento'; app()"
NO_TYPER = f"import sys; sys.modules['typer'] = None; {PLAIN}"

READ: list[list[str]] = [
    ["nightly import"],
    ["nightly", "import", "-k", "2"],
    ["--limit", "1", "nightly", "--role", "user", "import"],
    ["import", "--tag", "decision", "-t", "x"],
    ["import", "--tag=decision", "--source=claude-code"],
    ["import", "--source", "nobody"],
    ["xyzzy", "--deadline", "0"],
    ["import", "--deadline", "2.5", "--min-importance", "0.2"],
    ["import", "--min-score", "1.0"],
    ["import", "--min-score=0", "--by-time"],
    ["import", "--cover", "--explain", "--table"],
    ["import", "--since", "2020-01-01", "--before", "2300-01-01"],
    ["import", "--since", "someday"],
    ["import", "--no-sidecar", "--sidecar", "--json"],
    ["import", "--table"],
    ["xyzzy", "--table"],
    ["import", "--no-sidecar", "-k", "1"],
    ["import", "--db", "/nowhere/at/all.db"],
    ["import", "--project", "harbour", "--session", "s", "--trust", "user", "--collection", "episodic"],
    ["zażółć 🚢", 'C++ "don\'t" t:secret'],
    ["import", "--role", "\udcff"],
    ["\udcff"],
    [""],
]
LEFT_TO_TYPER: list[list[str]] = [
    [],
    ["--help"],
    ["import", "-h"],
    ["import", "--nope"],
    ["import", "--rol", "user"],
    ["import", "-k3"],
    ["import", "-k=3"],
    ["import", "-k", "0"],
    ["import", "-k", "10001"],
    ["import", "-k", "many"],
    ["import", "-k", "\u0663"],
    ["import", "-k", "-1"],
    ["import", "-k"],
    ["import", "--deadline", "-1"],
    ["import", "--deadline", "1e3"],
    ["import", "--deadline", "nan"],
    ["import", "--min-importance", "2"],
    ["import", "--min-score", "1.01"],
    ["import", "--min-importance", " 0.1 "],
    ["import", "--json=yes"],
    ["import", "--source="],
    ["import", "--role", "--table"],
    ["import", "--", "-k"],
    ["-", "import"],
]


def _run(running: Server, program: str, arguments: list[str]) -> tuple[int, bytes, bytes]:
    command = [sys.executable, "-c", program, "recall", *arguments]
    done = subprocess.run(command, env=running.environment, capture_output=True, timeout=60, check=False)
    return done.returncode, re.sub(rb'"seconds": [0-9.]+', b"", done.stdout), done.stderr


@pytest.mark.parametrize("arguments", READ, ids=ascii)
def test_plain_arguments_need_no_typer_and_print_the_same(running: Server, arguments: list[str]) -> None:
    assert parse(recall, arguments) is not None
    code, out, err = _run(running, NO_TYPER, arguments)
    assert (code, out, err) == _run(running, WITH_TYPER, arguments)
    assert b"Traceback" not in err


@pytest.mark.parametrize("arguments", LEFT_TO_TYPER, ids=ascii)
def test_everything_else_is_left_to_typer(arguments: list[str]) -> None:
    assert parse(recall, arguments) is None


@pytest.mark.parametrize("arguments", [["import", "--nope"], ["import", "-k3"], ["--help"], []], ids=ascii)
def test_what_typer_is_left_with_is_the_same(running: Server, arguments: list[str]) -> None:
    assert _run(running, PLAIN, arguments) == _run(running, WITH_TYPER, arguments)


def test_exit_codes(running: Server, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, but a text of more than a hundred bytes " * 20)
    cases = {
        0: ["import"],
        1: ["import", "--db", str(tmp_path / "text.db")],
        2: ["import", "--since", "someday"],
        3: ["import", "--source", "nobody"],
        4: ["import", "--deadline", "0"],
    }
    assert {code: _run(running, NO_TYPER, arguments)[0] for code, arguments in cases.items()} == {n: n for n in cases}


def test_every_option_is_read_as_typer_reads_it() -> None:
    """What a plain call gives the command is what typer gives it."""
    from typer.main import get_command

    from memento_app.cli.app import app

    command = get_command(app).commands["recall"]  # type: ignore[attr-defined]
    for arguments in READ:
        read = parse(recall, arguments)
        assert read is not None
        with command.make_context("recall", list(arguments)) as context:
            given = {name: value for name, value in context.params.items() if name in read}
            left_out = {name: value for name, value in context.params.items() if name not in read}
        assert given == read, arguments
        assert not any(left_out[name] for name in left_out if name not in ("sidecar", "spread")), arguments
