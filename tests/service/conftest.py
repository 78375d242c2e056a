"""A user with a home and, on demand, a service manager: the installed `memento`, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

MEMENTO = Path(sys.executable).with_name("memento")
FAKE = Path(__file__).with_name("fake_systemctl.py")


class User:
    """A home folder, its environment, and commands run in it."""

    def __init__(self, folder: Path, model_dir: Path | str = "/nowhere/model") -> None:
        self.home = folder / "home"
        self.systemd = folder / "systemd"
        programs = folder / "bin"
        for path in (self.home, self.systemd, programs):
            path.mkdir(mode=0o700, parents=True)
        systemctl = programs / "systemctl"
        systemctl.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}" "$@"\n')
        systemctl.chmod(0o755)
        (programs / "memento").symlink_to(MEMENTO)
        inherited = {name: os.environ[name] for name in ("LANG", "LC_ALL", "PYTHONPATH") if name in os.environ}
        self.environment = {
            **inherited,
            "PATH": f"{programs}:/usr/bin:/bin",
            "HOME": str(self.home),
            "MEMENTO_MODEL_DIR": str(model_dir),
        }
        self.memento = self.home / ".memento"
        self.database = self.memento / "memory.db"
        self.command = programs / "memento"

    def has_session(self) -> None:
        """Give the user a service manager."""
        self.environment["FAKE_SYSTEMD"] = str(self.systemd)

    def run(self, *arguments: str | Path, code: int = 0, stdin: bytes = b"", **variables: str) -> Any:
        """Run a command; return its process, which must end with this code and without a traceback."""
        done = subprocess.run(
            [self.command, *arguments],
            input=stdin,
            capture_output=True,
            env={**self.environment, **variables},
            timeout=100,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert done.returncode == code, (done.returncode, done.stdout.decode(), done.stderr.decode())
        return done

    def json(self, *arguments: str | Path, code: int = 0) -> Any:
        """Return what a command printed as JSON."""
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    def calls(self) -> list[str]:
        """Return what systemctl was called with."""
        return (self.systemd / "calls").read_text().splitlines()


def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    user = User(tmp_path)
    yield user
    subprocess.run([user.command.with_name("systemctl"), "disable", "x"], env=user.environment, check=False)
