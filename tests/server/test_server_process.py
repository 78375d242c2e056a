"""The server as a part of the sidecar's life: durability, file modes, other users, stops, successors."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memento_ingest.server.sockets import CannotListen, listen_unix, read_token
from memento_ingest.server.unix_socket import Peer, is_private, socket_path

if TYPE_CHECKING:
    from tests.server.conftest import Server

SECRET = "ghp_" + "Zz9Yy8Xx7Ww6Vv5Uu4Tt3Ss2Rr1Qq0Pp9Oo8"


def test_an_acknowledged_event_outlives_kill_9(server: Server) -> None:
    for number in range(5):
        server.start()
        event = {"hook_event_name": "Stop", "session_id": f"s-{number}", "last_assistant_message": f"token {SECRET}"}
        assert server.post("/v1/events", event).status == 202
        server.stop(signal.SIGKILL)
        kept = [one for one in server.spooled() if one["session_id"] == f"s-{number}"]
        assert kept or _stored(server, f"s-{number}")
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in server.home.rglob("*") if path.is_file())


def _stored(server: Server, session: str) -> bool:
    """Tell whether the sidecar had ingested the spool already."""
    return bool(server.recall("token", "--session", session, "--no-sidecar")["results"])


def test_many_writers_at_once_lose_nothing(server: Server) -> None:
    server.start()
    accepted = []

    def write(writer: int) -> None:
        for number in range(20):
            event = {"hook_event_name": "Stop", "session_id": f"w-{writer}-{number}"}
            if server.post("/v1/events", event).status == 202:
                accepted.append(event["session_id"])

    threads = [threading.Thread(target=write, args=[writer]) for writer in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.stop(signal.SIGKILL)
    assert len(accepted) == 100
    kept = [one["session_id"] for one in server.spooled()]
    assert sorted(kept) == sorted(accepted)


def test_file_modes_under_any_umask(server: Server) -> None:
    server.start(umask=0)
    assert server.post("/v1/events", {"hook_event_name": "Stop"}).status == 202
    assert server.post("/v1/remember", {"text": "kept"}).status == 201
    for path in (server.path, server.home / "server.token", server.database, *(server.home / "spool").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for folder in (server.path.parent, server.home / "spool"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_is_refused_even_where_the_folder_lets_him(server: Server) -> None:
    program = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);\n"
        "try:\n s.sendall(b'GET /v1/store HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n'); print(len(s.recv(100)))\n"
        "except ConnectionError: print(0)"
    )
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is closed to others
        opened = type(server)(Path(folder))
        opened.start()
        try:
            for one in (Path(folder), opened.home, opened.path.parent):
                one.chmod(0o755)
            opened.path.chmod(0o666)
            command = ["/usr/bin/env", "python3", "-I", "-c", program, str(opened.path)]
            asked = subprocess.run(command, user=65534, group=65534, capture_output=True, check=False, cwd="/")
            assert asked.stdout.strip() == b"0", asked
            assert opened.get("/v1/store").status == 200
        finally:
            opened.stop()


def test_only_our_own_user_and_root_are_trusted() -> None:
    assert Peer(os.geteuid(), 1).trusted
    assert Peer(0, 1).trusted
    assert not Peer(os.geteuid() + 1, 1).trusted


def test_sigterm_in_the_middle_of_requests_stops_within_three_seconds(server: Server) -> None:
    server.start()
    held = [server.connect() for _ in range(20)]
    for one in held:
        one.sendall(b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        one.sendall(b"Content-Length: 9\r\n\r\n{")
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 3
    assert not server.path.exists()
    assert "Traceback" not in server.said()
    for one in held:
        one.close()


def test_a_stale_socket_is_replaced_and_a_second_sidecar_leaves_it_alone(server: Server) -> None:
    server.start()
    server.stop(signal.SIGKILL)
    assert server.path.exists()
    server.start()
    first = server.path.stat().st_ino
    memento = Path(sys.executable).with_name("memento")
    second = subprocess.run([memento, "watch", server.folder], env=server.environment, capture_output=True, check=False)
    assert second.returncode == 1
    assert server.path.stat().st_ino == first
    assert server.get("/v1/store").status == 200


def test_capture_goes_on_without_the_socket(server: Server) -> None:
    server.path.parent.mkdir(mode=0o700)
    server.path.write_text("not a socket")
    with server.log.open("ab") as log:
        memento = Path(sys.executable).with_name("memento")
        server.process = subprocess.Popen([memento, "watch", server.folder], env=server.environment, stderr=log)
    give_up = time.monotonic() + 10
    while "no local server" not in server.said():
        assert time.monotonic() < give_up
        time.sleep(0.05)
    assert server.stop() == 0
    assert server.path.read_text() == "not a socket"


def test_a_long_path_gets_a_hashed_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    database = tmp_path / ("d" * 60) / ("e" * 60) / "memory.db"
    database.parent.mkdir(parents=True)
    path = socket_path(database)
    assert len(os.fsencode(path)) <= 103
    assert path != socket_path(database.with_name("other.db"))
    listening, bound = listen_unix(database)
    try:
        assert bound == path
        assert is_private(path.parent)
    finally:
        listening.close()
        path.unlink()


def test_a_folder_of_somebody_elses_is_not_used(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    (tmp_path / "run").symlink_to(target)
    with pytest.raises(CannotListen):
        listen_unix(tmp_path / "memory.db")
    assert not list(target.iterdir())


def test_the_token_file(tmp_path: Path) -> None:
    path = tmp_path / "home" / "token"
    token = read_token(path)
    assert len(token) >= 43
    assert read_token(path) == token
    path.chmod(0o644)
    with pytest.raises(CannotListen, match="others may read"):
        read_token(path)
    path.chmod(0o600)
    path.write_text("short\n")
    with pytest.raises(CannotListen, match="too short"):
        read_token(path)
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(CannotListen):
        read_token(link)


def test_a_port_that_is_taken_is_said(server: Server) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (server.home / "config.yaml").write_text(f"server: {{tcp: true, port: {taken.getsockname()[1]}}}\n")
        server.start()
        assert "server.port" in server.said()
