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
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import psutil
import pytest

from memento_policies import Policy, load_policy

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


class Operation(NamedTuple):
    """What SQLite asked of a file."""

    file: str
    kind: str
    """write, truncate, sync."""
    offset: int = 0
    data: bytes = b""


class Disk(apsw.VFS):
    """A disk that records what is written to the files of a folder, and fails on demand.

    Shared memory goes past a VFS in Python, so connections hold their locks (locking_mode exclusive): one per store.
    """

    SECTOR = 512

    def __init__(self) -> None:
        super().__init__("disk", "unix")
        self.operations: list[Operation] = []
        self._folder = Path()
        self._before: dict[str, bytes] = {}
        self._fails_at = self._writes = 0
        self._error: type[apsw.Error] = apsw.IOError

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _DiskFile(self, name, flags)

    @contextmanager
    def recording(self, folder: Path) -> Iterator[None]:
        """Record what connections opened meanwhile do to the folder's files."""
        self.operations, self._writes = [], 0
        self._folder = folder
        self._before = {path.name: path.read_bytes() for path in folder.glob("*.db*") if path.is_file()}
        apsw.set_default_vfs("disk")
        hook = _hold_locks
        apsw.connection_hooks.append(hook)
        try:
            yield
        finally:
            apsw.connection_hooks.remove(hook)
            apsw.set_default_vfs("unix")

    @contextmanager
    def failing(self, folder: Path, nth: int, error: type[apsw.Error]) -> Iterator[None]:
        """Fail from the nth write on, until `heal`."""
        with self.recording(folder):
            self._fails_at, self._error = nth, error
            try:
                yield
            finally:
                self._fails_at = 0

    def heal(self) -> None:
        """Write again."""
        self._fails_at = 0

    def did(self, path: str, kind: str, offset: int = 0, data: bytes = b"") -> None:
        """Take note of an operation, or fail."""
        if Path(path).parent != self._folder:
            return
        self.operations.append(Operation(Path(path).name, kind, offset, data))
        if (
            self._fails_at
            and sum(one.kind == "write" for one in self.operations) >= self._fails_at
            and kind != "truncate"
        ):
            raise self._error("the disk fails")

    def image(self, cut: int, rng: random.Random) -> dict[str, bytes]:
        """Return the files as a power cut behind so many operations may leave them.

        What was flushed is there. Of what was not, each write is there, or is not, or some of its sectors are.
        """
        files = {name: bytearray(content) for name, content in self._before.items() if not name.endswith(".lock")}
        pending: list[Operation] = []
        for one in self.operations[:cut]:
            if one.kind != "sync":
                pending.append(one)
                continue
            for waiting in [waiting for waiting in pending if waiting.file == one.file]:
                pending.remove(waiting)
                _apply(files, waiting)
        for one in pending:
            chance = rng.random()
            if chance < 0.4:
                _apply(files, one)
            elif chance < 0.7 and one.kind == "write":
                for start in range(0, len(one.data), self.SECTOR):
                    if rng.random() < 0.5:
                        part = one.data[start : start + self.SECTOR]
                        _apply(files, Operation(one.file, "write", one.offset + start, part))
        return {name: bytes(content) for name, content in files.items()}


class _DiskFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.did(self._path, "write", offset, bytes(data))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        self._disk.did(self._path, "truncate", size)
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._disk.did(self._path, "sync")


def _hold_locks(connection: apsw.Connection) -> None:
    connection.pragma("locking_mode", "exclusive")


def _apply(files: dict[str, bytearray], one: Operation) -> None:
    content = files.setdefault(one.file, bytearray())
    if one.kind == "truncate":
        del content[one.offset :]
        content.extend(bytes(one.offset - len(content)))
        return
    content.extend(bytes(max(0, one.offset - len(content))))
    content[one.offset : one.offset + len(one.data)] = one.data


@pytest.fixture(scope="session")
def _disk() -> Disk:
    return Disk()


@pytest.fixture
def disk(_disk: Disk) -> Disk:
    return _disk


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


@pytest.fixture(scope="session")
def policy() -> Policy:
    """The shipped policy."""
    return load_policy()
