"""`memento recall` with a sidecar: the same answer, faster; without a good one, alone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from memento import __version__
from memento.memory import Recall
from memento_ingest.server import client, unix_socket

if TYPE_CHECKING:
    from tests.server.conftest import Server


@pytest.mark.parametrize(
    "arguments",
    [
        ["nightly import"],
        ["nightly import", "-k", "2", "--role", "user"],
        ["C++ don't t:secret \"x", "--tag", "python", "--min-score", "0"],
        ["zażółć 🚢 nightly import", "--since", "2020-01-01", "--min-importance", "0.2"],
    ],
)
def test_the_same_answer_as_alone(running: Server, arguments: list[str]) -> None:
    assert running.recall(*arguments, "--sidecar") == running.recall(*arguments, "--no-sidecar")


def test_the_same_codes_and_complaints_as_alone(running: Server) -> None:
    for way in ("--sidecar", "--no-sidecar"):
        assert running.recall("import", "--source", "nobody", way, code=3)["results"] == []
        assert running.recall("import", "--deadline", "0", way, code=4)["partial"] is True


@pytest.mark.parametrize("seconds", [60.0, 1e9, float("inf")])
def test_more_time_than_a_sidecar_takes_is_asked_as_that(running: Server, seconds: float) -> None:
    before = _recalls(running)
    found = client.recall(running.database, "import", 3, seconds, {})
    assert found
    assert not found.partial
    assert _recalls(running) == before + 1


def test_the_sidecar_did_answer(running: Server) -> None:
    """And `memento recall` loaded none of what a search needs."""
    program = (
        "import sys; sys.argv = ['memento', 'recall', 'import', '--json']\n"
        "from memento_app.cli import main\n"
        "try: main()\n"
        "finally: print(*sorted({'numpy', 'apsw', 'onnxruntime', 'memento.store'} & set(sys.modules)), file=sys.stderr)"
    )
    before = _recalls(running)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=running.environment, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""
    assert _recalls(running) == before + 1


def _recalls(running: Server) -> float:
    lines = running.get("/metrics").body.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("memento_recall_seconds_count"))


def test_a_stopped_sidecar_is_left_alone_soon(running: Server) -> None:
    assert running.process
    process = psutil.Process(running.process.pid)
    running.process.send_signal(signal.SIGSTOP)
    try:
        running.eventually(lambda: process.status() == psutil.STATUS_STOPPED)
        started = time.monotonic()
        assert client.recall(running.database, "import", 3, 5.0, {}) is None
        assert time.monotonic() - started < (0.1 if sys.platform == "linux" else 0.5)
        assert running.recall("nightly import")["results"]
    finally:
        running.process.send_signal(signal.SIGCONT)


def test_another_database_is_not_answered_for(running: Server, tmp_path: Path) -> None:
    other = tmp_path / "run" / "memory.db.sock"
    other.parent.mkdir(mode=0o700)
    other.symlink_to(running.path)
    assert client.recall(tmp_path / "memory.db", "import", 3, 5.0, {}) is None
    assert isinstance(client.recall(running.database, "import", 3, 5.0, {}), Recall)


Reply = Callable[[bytes], bytes]


@contextmanager
def impostor(database: Path, reply: Reply) -> Iterator[None]:
    """Serve what `reply` says on the socket of a database."""
    path = unix_socket.socket_path(database)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            try:
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        while request := connection.recv(65_536):
                            if not (answer := reply(request)):
                                break
                            connection.sendall(answer)
            except OSError:
                pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            path.unlink()


def http(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


FOUND = {"query": "q", "partial": False, "notes": [], "seconds": 0.1, "results": []}
GARBAGE: dict[str, bytes] = {
    "nothing": b"",
    "no HTTP": b"hello\r\n\r\n",
    "an endless header": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 5_000,
    "no length": b"HTTP/1.1 200 OK\r\n\r\n{}",
    "a wrong length": b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
    "a huge length": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
    "less than announced": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}",
    "a refusal": http(b'{"error": "x", "remedy": "y"}', b"429 Too Many Requests"),
    "no JSON": http(b"<html>"),
    "deep JSON": http(b"[" * 100_000),
    "another shape": http(b"[1, 2]"),
    "a field missing": http(json.dumps({**FOUND, "notes": None}).encode()),
    "results that are none": http(json.dumps({**FOUND, "results": [{"id": 1}]}).encode()),
    "results of the wrong kind": http(json.dumps({**FOUND, "results": ["x"]}).encode()),
}


@pytest.mark.parametrize("what", GARBAGE)
@pytest.mark.parametrize("when", ["at once", "after the greeting"])
def test_garbage_is_no_answer(tmp_path: Path, what: str, when: str) -> None:
    database = tmp_path / "memory.db"
    greeting = http(json.dumps({"database": str(database), "version": __version__}).encode())

    def reply(request: bytes) -> bytes:
        return greeting if b"/v1/store" in request and when == "after the greeting" else GARBAGE[what]

    with impostor(database, reply):
        assert client.recall(database, "q", 3, 0.2, {}) is None


def test_a_good_impostor_would_be_believed(tmp_path: Path) -> None:
    """Else the test of garbage would prove nothing."""
    database = tmp_path / "memory.db"
    greeting = http(json.dumps({"database": str(database), "version": __version__}).encode())
    with impostor(database, lambda request: greeting if b"/v1/store" in request else http(json.dumps(FOUND).encode())):
        assert client.recall(database, "q", 3, 0.2, {}) == Recall("q", seconds=0.1)


def test_another_version_is_not_asked(tmp_path: Path) -> None:
    database = tmp_path / "memory.db"
    greeting = http(json.dumps({"database": str(database), "version": "0.0.0"}).encode())
    with impostor(database, lambda request: greeting if b"/v1/store" in request else http(json.dumps(FOUND).encode())):
        assert client.recall(database, "q", 3, 0.2, {}) is None


def test_a_socket_that_others_could_have_made_is_not_used(running: Server, tmp_path: Path) -> None:
    home = tmp_path / "open"
    home.mkdir()
    database = home / "memory.db"
    greeting = http(json.dumps({"database": str(database), "version": __version__}).encode())
    with impostor(database, lambda request: greeting if b"/v1/store" in request else http(json.dumps(FOUND).encode())):
        assert client.recall(database, "q", 3, 0.2, {}) is not None
        (home / "run").chmod(0o777)
        assert client.recall(database, "q", 3, 0.2, {}) is None


def test_what_comes_back_is_what_was_sent(running: Server) -> None:
    wire = running.get("/v1/recall?q=nightly+import").json
    assert client.to_wire(client.from_wire(wire)) == wire


def test_the_sidecar_is_light_until_it_is_asked(server: Server, model_dir: Path) -> None:
    """Resident memory without a request, and no search library in the process."""
    server.environment["MEMENTO_MODEL_DIR"] = str(model_dir)
    server.start()
    assert server.process
    maps = Path(f"/proc/{server.process.pid}/maps")
    if not maps.exists():
        pytest.skip("only Linux shows what a process has mapped")
    mapped = maps.read_text()
    assert "numpy" not in mapped
    assert "onnxruntime" not in mapped
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    print(f"sidecar at rest: {megabytes:.1f} MB")
    assert megabytes < 90
