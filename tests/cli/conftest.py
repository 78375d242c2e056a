"""What the tests of the command line share: the installed `memento`, run as a user runs it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MEMENTO = Path(sys.executable).with_name("memento")
EndProcesses = Callable[[list[subprocess.Popen[Any]]], None]


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Cli:
    """The command line with a home of its own."""

    def __init__(self, home: Path, model_dir: Path | str) -> None:
        self.home = home
        self.database = home / "memory.db"
        self.started: list[subprocess.Popen[bytes]] = []
        inherited = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH") if name in os.environ
        }
        self.environment = {**inherited, "MEMENTO_HOME": str(home), "MEMENTO_MODEL_DIR": str(model_dir)}

    def __call__(self, *arguments: str | Path, stdin: bytes = b"", code: int = 0, cwd: Path | None = None) -> Ran:
        """Run a command; it must end with this exit code and without a traceback."""
        done = subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            env=self.environment,
            cwd=cwd,
            timeout=60,
            check=False,
        )
        ran = Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in ran.err, ran.err
        assert ran.code == code, ran
        return ran

    def command(self, *arguments: str | Path) -> list[str | Path]:
        return [MEMENTO, *arguments]

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command without waiting for it."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        self.started.append(subprocess.Popen(self.command(*arguments), env=self.environment, **pipes))
        return self.started[-1]

    def on_terminal(self, *arguments: str | Path, columns: int = 100) -> tuple[int, str]:
        """Run a command on a terminal; return its exit code and all it wrote there."""
        ours, theirs = pty.openpty()
        environment = {**self.environment, "TERM": "xterm", "COLUMNS": str(columns)}
        with subprocess.Popen(
            self.command(*arguments),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            start_new_session=True,
        ) as process:
            os.close(theirs)
            shown = b""
            while chunk := _read(ours):
                shown += chunk
        os.close(ours)
        text = shown.decode()
        assert not re.search(r"^Traceback", text, re.MULTILINE), text
        return process.returncode, text

    def rows(self) -> list[tuple[Any, ...]]:
        """Return what makes up the memories but the time of ingestion."""
        connection = apsw.Connection(str(self.database), flags=apsw.SQLITE_OPEN_READONLY)
        sql = "SELECT id, text, timestamp, source, session_id, role, importance, tags, active, meta, why FROM memories"
        return sorted(connection.execute(sql))

    def accounts(self) -> list[tuple[int, int]]:
        """Return each source's offset, and the bytes its ledger accounts for."""
        connection = apsw.Connection(str(self.database), flags=apsw.SQLITE_OPEN_READONLY)
        sql = "SELECT offset, (SELECT coalesce(sum(bytes), 0) FROM ledger WHERE source = num) FROM sources"
        return [(int(offset), int(accounted)) for offset, accounted in connection.execute(sql)]


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # Linux says so when the other side has closed
        return b""


@pytest.fixture
def memento(tmp_path: Path, end_processes: EndProcesses) -> Iterator[Cli]:
    """Return the command line with an empty home and no model."""
    cli = Cli(tmp_path / "home", tmp_path / "no-model")
    yield cli
    end_processes(cli.started)


@pytest.fixture
def memento_with_model(tmp_path: Path, model_dir: Path, end_processes: EndProcesses) -> Iterator[Cli]:
    cli = Cli(tmp_path / "home", model_dir)
    yield cli
    end_processes(cli.started)


@pytest.fixture(scope="session")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Return the command line with the samples ingested, for tests that only read."""
    folder = tmp_path_factory.mktemp("ingested")
    cli = Cli(folder / "home", folder / "no-model")
    cli("ingest", REPOSITORY / "samples", "--no-embed")
    return cli
