"""What the bars of the scorecard share: a seed, counts, a sidecar of its own, and its figures.

In CI the counts are small and the times generous. `make soak` sets MEMENTO_SOAK=1, which asserts the real bars, and
the counts by variables. Every bar prints its seed; MEMENTO_SEED replays it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import apsw
import psutil
import pytest

MEMENTO = Path(sys.executable).with_name("memento")


class Bar:
    """One run of a bar: its seed, its counts, and what it measured."""

    def __init__(self) -> None:
        self.soak = os.environ.get("MEMENTO_SOAK") == "1"
        self.seed = int(os.environ.get("MEMENTO_SEED", random.randrange(10**6)))
        self.rng = random.Random(self.seed)
        print(f"seed {self.seed}")

    def count(self, name: str, small: int) -> int:
        """Return a count: the variable's, or the small one."""
        return int(os.environ.get(name, small))

    def measured(self, what: str) -> None:
        """Say a figure; `make soak` puts it into its table."""
        print(f"measured {what}")

    def holds(self, what: str, value: float, bar: float, unit: str, generous: float) -> None:
        """Say a figure, and check it: against the bar in a soak, against something generous in CI."""
        self.measured(f"{what} {value:,.2f} {unit}")
        limit = bar if self.soak else generous
        assert value <= limit, f"{what}: {value:,.2f} {unit}, the bar is {limit} {unit}"


class Sidecar:
    """A watched folder, its store, and the process that follows it."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "transcripts"
        self.folder.mkdir()
        self.home = home / "memento"
        self.database = self.home / "memory.db"
        self.log = home / "log"
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "HOME": str(home),
            "MEMENTO_HOME": str(self.home),
            "MEMENTO_MODEL_DIR": str(home / "no-model"),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float = 60) -> psutil.Process:
        """Start it and wait until it watches; return the process."""
        before = self.said().count("watching")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([MEMENTO, "watch", self.folder], env=self.environment, stderr=log)
        eventually(lambda: self.said().count("watching") > before, seconds)
        return psutil.Process(self.process.pid)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 30) -> int:
        """Stop it and return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def texts(self) -> list[str]:
        """Return the text of every row, sorted."""
        return sorted(str(text) for (text,) in self.query("SELECT text FROM memories"))

    def rows(self) -> int:
        return int(str(self.query("SELECT count(*) FROM memories")[0][0]))

    def stored(self, wanted: Iterable[str]) -> bool:
        """Tell whether all these texts are stored."""
        return set(wanted) <= set(self.texts())

    def query(self, sql: str) -> list[tuple[apsw.SQLiteValue, ...]]:
        connection = apsw.Connection(str(self.database), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(10_000)
            return list(connection.execute(sql))
        finally:
            connection.close()


def eventually(holds: Callable[[], bool], seconds: float, pause: float = 0.05) -> float:
    """Wait until it holds and return how many seconds that took; fail after so many."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < seconds, f"not within {seconds} s"
        time.sleep(pause)
    return time.monotonic() - started


class Prompts:
    """Transcripts of one prompt a line, whose text names its number."""

    def line(self, number: int, session: str = "s", padding: int = 0) -> bytes:
        """Return the record of a prompt; `padding` bytes of it are for no one."""
        record = {
            "type": "user",
            "uuid": f"00000000-0000-4000-8000-{number:012d}",
            "parentUuid": None,
            "sessionId": session,
            "timestamp": "2026-01-01T00:00:00.000Z",
            "message": {"role": "user", "content": self.text(number)},
            **({"toolUseResult": {"stdout": "x" * padding}} if padding else {}),
        }
        return json.dumps(record).encode() + b"\n"

    def text(self, number: int) -> str:
        return f"We decided on rule number {number} for the harbour."

    def texts(self, count: int) -> list[str]:
        return sorted(self.text(number) for number in range(count))


class Hooks:
    """Runs hooks one after the other as an agent does, each with a prompt of its own; every one must exit 0."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self.texts: list[str] = []
        self.load = ""
        """Of the machine after the last call, for the figures."""
        self.before: Callable[[], None] | None = None
        """What happens in the hook's process before it starts."""

    def __call__(self, count: int) -> list[float]:
        """Run so many; return the milliseconds that each took."""
        return [self._one() for _ in range(count)]

    def _one(self) -> float:
        text = f"We decided on hook number {len(self.texts)} for the lighthouse."
        payload = {"hook_event_name": "UserPromptSubmit", "session_id": "h", "cwd": "/w", "prompt": text}
        started = time.perf_counter()
        done = subprocess.run(
            [MEMENTO, "hook", "--agent", "claude-code"],  # so that it also asks for context
            input=json.dumps(payload).encode(),
            env=self._sidecar.environment,
            capture_output=True,
            check=False,
            preexec_fn=self.before,
        )
        took = (time.perf_counter() - started) * 1000
        assert (done.returncode, done.stderr) == (0, b"")
        self.texts.append(text)
        self.load = f"{os.getloadavg()[0]:.1f}"
        return took

    def p99(self, milliseconds: list[float]) -> float:
        return sorted(milliseconds)[min(int(len(milliseconds) * 0.99), len(milliseconds) - 1)]


@pytest.fixture
def hooks(sidecar: Sidecar) -> Hooks:
    return Hooks(sidecar)


@pytest.fixture
def bar() -> Bar:
    return Bar()


@pytest.fixture
def prompts() -> Prompts:
    return Prompts()


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[Sidecar]:
    sidecar = Sidecar(tmp_path)
    yield sidecar
    if sidecar.process and sidecar.process.poll() is None:
        sidecar.process.send_signal(signal.SIGCONT)
        sidecar.process.kill()
        sidecar.process.wait()


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., float]:
    return eventually
