"""What the tests of the local server share: `memento watch` in a folder of its own, and plain sockets to talk to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from memento_ingest.server.unix_socket import socket_path

MEMENTO = Path(sys.executable).with_name("memento")
SAMPLES = Path(__file__).resolve().parents[2] / "samples"
CONFIG = "server: {tcp: true, port: 0, max_body_bytes: 65536, requests_per_second: 5000}\n"


class Answer(NamedTuple):
    """An HTTP answer; status 0 = the connection was closed without one."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """A sidecar's process with its home."""

    def __init__(self, home: Path, model_dir: Path | str = "no-model", config: str = CONFIG) -> None:
        self.home = home / "memento"
        self.home.mkdir(mode=0o700)
        (self.home / "config.yaml").write_text(config)
        self.folder = home / "transcripts"
        self.folder.mkdir()
        self.database = self.home / "memory.db"
        self.log = home / "log"
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "HOME": str(home),
            "MEMENTO_HOME": str(self.home),
            "MEMENTO_MODEL_DIR": str(model_dir),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, umask: int = -1) -> None:
        """Start it and wait until it answers."""
        said = self.said().count("serving on")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [MEMENTO, "watch", self.folder], env=self.environment, stderr=log, umask=umask
            )
        eventually(lambda: self.said().count("serving on") > said)
        eventually(lambda: self.get("/v1/store").status == 200)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(10)

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    @property
    def path(self) -> Path:
        return socket_path(self.database)

    @property
    def port(self) -> int:
        return int(self.said().rpartition("http://127.0.0.1:")[2].partition(",")[0])

    @property
    def token(self) -> str:
        return (self.home / "server.token").read_text().strip()

    def connect(self, tcp: bool = False) -> socket.socket:
        """Return an open connection."""
        connection = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(10)
        try:
            connection.connect(("127.0.0.1", self.port) if tcp else str(self.path))
        except OSError:
            connection.close()
            raise
        return connection

    def eventually(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds."""
        eventually(holds)

    def raw(self, request: bytes, tcp: bool = False) -> Answer:
        """Send bytes as they are; the server may hang up while they are sent."""
        with self.connect(tcp) as connection:
            with suppress(OSError):
                connection.sendall(request)
            return read_answer(connection)

    def ask(self, method: str, target: str, body: bytes = b"", *, tcp: bool = False, **headers: str | None) -> Answer:
        """Make a good request, but for the headers given; None leaves one out."""
        given: dict[str, str | None] = {"Host": f"127.0.0.1:{self.port}" if tcp else "localhost", "Connection": "close"}
        if tcp:
            given["Authorization"] = f"Bearer {self.token}"
        if method == "POST":
            given |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        given |= {name.replace("_", "-").title(): value for name, value in headers.items()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value is not None)
        return self.raw(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body, tcp)

    def get(self, target: str, **options: Any) -> Answer:
        return self.ask("GET", target, **options)

    def post(self, target: str, value: Any, **options: Any) -> Answer:
        return self.ask("POST", target, json.dumps(value).encode(), **options)

    def recall(self, *arguments: str, code: int = 0) -> Any:
        """Run `memento recall` as a user does, and return its answer without the time it took."""
        done = subprocess.run(
            [MEMENTO, "recall", "--json", *arguments],
            env=self.environment,
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == code, done.stderr
        answer = json.loads(done.stdout)
        del answer["seconds"]
        return answer

    def spooled(self) -> list[Any]:
        """Return the records in the spool."""
        files = sorted((self.home / "spool").glob("*.jsonl"))
        return [json.loads(line) for path in files for line in path.read_bytes().splitlines()]


def read_answer(connection: socket.socket) -> Answer:
    """Read one answer to its end."""
    data = b""
    try:
        while b"\r\n\r\n" not in data and (chunk := connection.recv(65_536)):
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        if not status:
            return Answer(0, {}, b"")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", 1 << 40)) and (chunk := connection.recv(65_536)):
            body += chunk
    except ConnectionError:
        return Answer(0, {}, b"")
    return Answer(int(status.split(" ")[1]), headers, body)


def eventually(holds: Callable[[], bool], seconds: float = 15) -> None:
    give_up = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except OSError:
            pass
        assert time.monotonic() < give_up
        time.sleep(0.03)


def _end(server: Server) -> None:
    if server.process and server.process.poll() is None:
        server.process.send_signal(signal.SIGCONT)
        server.process.kill()
        server.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Return a sidecar that is not started yet, with no model."""
    server = Server(tmp_path)
    yield server
    _end(server)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, model_dir: Path) -> Iterator[Server]:
    """Return a sidecar that serves the samples, for tests that leave it as it is."""
    server = Server(tmp_path_factory.mktemp("server"), model_dir)
    shutil.copytree(SAMPLES, server.folder, dirs_exist_ok=True)
    server.start()
    eventually(lambda: server.get("/health").json["memories"] >= 26)
    eventually(lambda: server.get("/health").json["pending_embeddings"] == 0)
    yield server
    _end(server)
