"""What the tests of the hooks share: `memento hook` as an agent runs it, with a home of its own."""

from __future__ import annotations

import json
import os
import random
import shutil
import string
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memento import __version__
from memento_policies.cached_redaction import load_redactor

MEMENTO = Path(sys.executable).with_name("memento")


class Hook:
    """Runs hooks and looks at what they leave."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.spool = home / "spool"
        self.started: list[subprocess.Popen[bytes]] = []
        inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "LC_ALL") if name in os.environ}
        self.environment = {**inherited, "HOME": str(home.parent), "MEMENTO_HOME": str(home)}

    def __call__(self, payload: object, *arguments: str, **options: Any) -> None:
        """Give an agent's payload to a hook, as JSON unless it is bytes; it must end well and say nothing."""
        given = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        done = subprocess.run(
            [MEMENTO, "hook", *arguments],
            **{"input": given, "env": self.environment, "capture_output": True, "timeout": 20, **options},
            check=False,
        )
        assert (done.returncode, done.stdout or b"", done.stderr or b"") == (0, b"", b"")

    def start(self, **options: Any) -> subprocess.Popen[bytes]:
        self.started.append(subprocess.Popen([MEMENTO, "hook"], stdin=subprocess.PIPE, env=self.environment, **options))
        return self.started[-1]

    @property
    def files(self) -> list[Path]:
        return sorted(self.spool.glob("*.jsonl")) if self.spool.is_dir() else []

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for path in self.files for line in path.read_bytes().splitlines()]

    @property
    def log(self) -> str:
        path = self.home / "hook-errors.log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def hook(tmp_path: Path, end_processes: Callable[[list[subprocess.Popen[Any]]], None]) -> Iterator[Hook]:
    hook = Hook(tmp_path / "home")
    yield hook
    end_processes(hook.started)


@pytest.fixture
def secret() -> str:
    """A token of a published shape, made up now."""
    rng = random.Random()
    return "gh" + "p_" + "".join(rng.choices(string.ascii_letters + string.digits, k=36))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the cached redaction rules, as the first hook leaves them."""
    path = tmp_path_factory.mktemp("cache") / "redaction.json"
    load_redactor(Path("nowhere"), path, __version__)
    return path


@pytest.fixture
def warm_hook(hook: Hook, cache: Path) -> Hook:
    """Return a hook that is not the first."""
    for folder in (hook.home, hook.home / "cache"):
        folder.mkdir(mode=0o700)
    shutil.copy(cache, hook.home / "cache")
    return hook
