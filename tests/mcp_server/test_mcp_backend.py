"""Where a stdio server's calls are answered: by the sidecar, by one that it starts, and by itself."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.mcp_server.conftest import Home, call, request
from tests.mcp_server.test_mcp_stdio import MOST_MEGABYTES, answered, eventually, is_alive, peak_megabytes
from tests.server.conftest import Server, _end

from memento import __version__
from memento_app.mcp.backend import Backend
from memento_ingest.server.unix_socket import socket_path
from memento_ingest.sidecar.lock import holder

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def sidecar(home: Home) -> Iterator[Server]:
    """Return the sidecar of a home."""
    (home.folder.parent / "beside").mkdir()
    server = Server(home.folder.parent / "beside")
    server.home, server.database = home.folder, home.folder / "memory.db"
    server.environment = home.environment
    server.start()
    yield server
    _end(server)


@pytest.fixture
def started(home: Home) -> Iterator[Home]:
    """Return a home in which a sidecar may be started; it is ended with the test."""
    home.configure("")
    yield home
    if pid := holder(home.folder / "memory.db"):
        with suppress(OSError):
            os.kill(pid, signal.SIGTERM)
        eventually(lambda: not is_alive(pid))


@LINUX
def test_with_a_sidecar_it_is_a_thin_proxy(home: Home, sidecar: Server) -> None:
    process = home.start()
    kept = answered(process, line(call(1, "remember", text="We deploy on Tuesdays only")))
    found = answered(process, line(call(2, "recall", query="when do we deploy")))
    assert found["result"]["structuredContent"]["memories"][0]["id"] == kept["result"]["structuredContent"]["id"]
    assert peak_megabytes(process) < MOST_MEGABYTES
    opened = [str(one.readlink()) for one in Path(f"/proc/{process.pid}/fd").iterdir()]
    assert not any("memory.db" in one for one in opened), "the store is open in the sidecar only"
    assert "apsw" not in Path(f"/proc/{process.pid}/maps").read_text()
    with home.store() as store:
        memory = store.get(kept["result"]["structuredContent"]["id"])
    assert memory is not None
    assert memory.project == str(home.project), "the agent's folder, though the sidecar runs elsewhere"


def line(message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"


def test_every_kind_of_request_is_the_same_with_and_without_a_sidecar(home: Home, sidecar: Server) -> None:
    (id_,) = home.remember("The galley holds the ferry timetable", session_id="s1", project=str(home.project))
    asked = [
        call(0, "recall", query="ferry timetable"),
        call(1, "recent"),
        call(2, "session", id="s1"),
        call(3, "why", id=id_),
        call(4, "forget", ids=[id_]),
        call(5, "recall"),
        call(6, "no-such"),
        request(7, "prompts/get", name="continue"),
        request(8, "resources/list"),
        request(9, "resources/read", uri="memento://session/s1"),
        request(10, "resources/read", uri="memento://session/none"),
    ]
    through = home.ask(*asked)
    sidecar.stop()
    assert through == home.ask(*asked)


def test_what_the_sidecar_forgets_is_in_no_file(home: Home, sidecar: Server) -> None:
    (id_,) = home.remember("The marmalade key is under the doormat", session_id="s1")
    (found,) = home.ask(call(1, "forget", ids=[id_], confirm=True))
    receipt = found["result"]["structuredContent"]["receipt"]
    assert receipt["ids"] == [id_]
    assert receipt["left"] == []
    assert b"marmalade" not in b"".join(one.read_bytes() for one in home.folder.rglob("*") if one.is_file())


def test_a_sidecar_that_is_stopped_is_not_waited_for(home: Home, sidecar: Server) -> None:
    home.remember("The galley holds the ferry timetable")
    assert sidecar.process is not None
    sidecar.process.send_signal(signal.SIGSTOP)
    (found,) = home.ask(call(1, "recall", query="ferry timetable"))
    assert found["result"]["structuredContent"]["memories"]


@contextmanager
def broken_sidecar(database: Path) -> Iterator[list[bytes]]:
    """Serve a store's socket, and hang up on whoever posts; yields the heads of what was posted."""
    posted: list[bytes] = []
    path = socket_path(database)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    store = json.dumps({"database": str(database.resolve()), "version": __version__}).encode()

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection:
                    while (asked := connection.recv(65_536)).startswith(b"GET /v1/store"):
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(store), store))
                    posted.append(asked[:20])

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield posted
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_what_a_sidecar_may_have_done_is_not_done_again(home: Home) -> None:
    (id_,) = home.remember("The galley holds the ferry timetable")
    with broken_sidecar(home.folder / "memory.db") as posted:
        forgot, kept, read = home.ask(
            call(1, "forget", ids=[id_], confirm=True), call(2, "remember", text="twice"), call(3, "recent")
        )
    for answer in (forgot, kept):
        assert answer["result"]["isError"]
        assert "did not answer as it should" in answer["result"]["content"][0]["text"]
    assert [one["id"] for one in read["result"]["structuredContent"]["memories"]] == [id_[:12]]
    assert [one for one in posted if one.startswith(b"POST")] == [b"POST /mcp HTTP/1.1\r\n"] * 3


def test_a_sidecar_that_is_busy_is_asked_again(home: Home, sidecar: Server) -> None:
    sidecar.stop()
    home.configure("server: {requests_per_second: 5}\nmcp: {start_sidecar: false}\n")
    sidecar.start()
    answers = home.ask(*(call(number, "recent") for number in range(14)))
    assert all(not one["result"]["isError"] for one in answers)


def test_a_sidecar_is_started_by_the_first_call_and_outlives_the_server(started: Home) -> None:
    database = started.folder / "memory.db"
    process = started.start()
    answered(process)
    answered(process, line(request(1, "tools/list")))
    assert holder(database) is None, "listing the tools starts nothing"
    kept = answered(process, line(call(2, "remember", text="We deploy on Tuesdays only")))
    assert not kept["result"]["isError"]
    eventually(lambda: holder(database) is not None)
    pid = holder(database)
    assert pid
    process.kill()
    process.communicate()
    time.sleep(0.3)
    assert is_alive(pid)
    assert os.getpgid(pid) == pid, "a Ctrl-C in the agent's terminal does not reach it"
    log = started.folder / "sidecar.log"
    assert log.stat().st_mode & 0o777 == 0o600
    assert b"watching" in log.read_bytes()
    eventually(socket_path(database).exists)
    (again,) = started.ask(call(1, "recall", query="when do we deploy"))
    assert again["result"]["structuredContent"]["memories"]
    assert holder(database) == pid


def test_a_socket_that_a_killed_sidecar_left_behind_is_not_waited_for(started: Home) -> None:
    database = started.folder / "memory.db"
    (first,) = started.ask(call(1, "remember", text="We deploy on Tuesdays only"))
    assert not first["result"]["isError"]
    pid = holder(database)
    assert pid
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not is_alive(pid))
    assert socket_path(database).exists()
    process = started.start()
    found = answered(process, line(call(2, "recall", query="when do we deploy")))
    assert found["result"]["structuredContent"]["memories"]
    assert holder(database) not in (None, pid)
    if sys.platform == "linux":
        assert "apsw" not in Path(f"/proc/{process.pid}/maps").read_text(), "the new sidecar answered"


def test_what_lies_in_the_agents_folder_is_not_run(started: Home) -> None:
    """A project may hold files that are named as modules are."""
    for name in ("json.py", "memento_app.py", "memento.py", "subprocess.py", "sitecustomize.py"):
        (started.project / name).write_text("open('ran', 'w').close()\nraise SystemExit(3)\n")
    (answer,) = started.ask(call(1, "recent"))
    assert not answer["result"]["isError"]
    assert not (started.project / "ran").exists()
    assert not (started.folder / "ran").exists()


def test_two_servers_start_one_sidecar(started: Home) -> None:
    servers = [started.start() for _ in range(3)]
    for process in servers:
        assert process.stdin is not None
        process.stdin.write(line(call(1, "recent")))
        process.stdin.flush()
    for process in servers:
        assert process.stdout is not None
        assert not json.loads(process.stdout.readline())["result"]["isError"]
    assert (started.folder / "sidecar.log").read_bytes().count(b"serving on") == 1


@pytest.mark.parametrize("how", ["setting", "option"])
def test_no_sidecar_is_started_where_that_is_refused(home: Home, how: str) -> None:
    if how == "option":
        home.configure("")
    (answer,) = home.ask(call(1, "recent"), arguments=("--no-start",) if how == "option" else ())
    assert not answer["result"]["isError"]
    assert holder(home.folder / "memory.db") is None
    assert not (home.folder / "sidecar.log").exists()


def test_where_no_sidecar_can_run_it_works_alone_and_does_not_try_again_at_once(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in home.environment.items():
        monkeypatch.setenv(name, value)
    home.configure("")
    socket = socket_path(home.folder / "memory.db")
    socket.parent.mkdir(mode=0o700)
    socket.write_text("not a socket")  # the server cannot listen
    monkeypatch.setattr("memento_app.mcp.backend.START_SECONDS", 0.2)
    backend = Backend()
    try:
        for _ in range(2):
            found = backend.serve("tools/call", {"name": "recent", "arguments": {}})
            assert not found["isError"]
        assert backend._calls is not None
    finally:
        if backend._process is not None:
            backend._process.kill()
            backend._process.wait()
        if backend._calls is not None:
            backend._calls.store.close()
