"""SIGHUP and the server: other settings begin it anew, those with which it cannot listen leave it as it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from memento_ingest.server.sockets import listen_tcp

if TYPE_CHECKING:
    from tests.server.conftest import Server

MEMENTO = Path(sys.executable).with_name("memento")


def _reload(server: Server, config: str, says: str) -> None:
    """Put settings in force and wait for what is said."""
    (server.home / "config.yaml").write_text(config)
    said = server.said().count(says)
    assert server.process
    server.process.send_signal(signal.SIGHUP)
    server.eventually(lambda: server.said().count(says) > said)


def _answers(server: Server, tcp: bool) -> bool:
    try:
        return server.get("/v1/store", tcp=tcp).status == 200
    except OSError:
        return False


def test_the_settings_of_the_server_are_read_again(server: Server) -> None:
    (server.home / "config.yaml").write_text("server: {tcp: false}\n")
    server.start()
    read = "read config and policies again"
    _reload(server, "server: {tcp: true, port: 0}\n", read)
    server.eventually(lambda: _answers(server, tcp=True) and _answers(server, tcp=False))
    assert server.post("/v1/remember", {"text": "x" * 2_000}).status == 201
    served = server.said().count("serving on")
    _reload(server, "server: {tcp: true, port: 0}\nrecall: {limit: 3}\n", read)
    assert server.said().count("serving on") == served  # nothing of the server's changed
    _reload(server, "server: {tcp: false, max_body_bytes: 1024}\n", read)
    server.eventually(lambda: _answers(server, tcp=False))
    assert not _answers(server, tcp=True)
    assert server.post("/v1/remember", {"text": "x" * 2_000}).status == 413
    assert server.stop() == 0
    assert not server.path.exists()


def test_settings_that_cannot_be_used_leave_it_as_it_was(server: Server) -> None:
    server.start()
    with listen_tcp(0) as taken:
        number = taken.getsockname()[1]
        _reload(server, f"server: {{tcp: true, port: {number}}}\n", "kept the server settings in force")
        assert "choose another server.port" in server.said()
        server.eventually(lambda: _answers(server, tcp=True) and _answers(server, tcp=False))
    _reload(server, "server: {tpc: true}\n", "kept the settings in force")
    _reload(server, "server: {port: 99999}\n", "kept the settings in force")
    assert _answers(server, tcp=True)
    assert server.stop() == 0


def test_what_health_says_of_the_ground_it_stands_on(server: Server) -> None:
    server.start()
    health = server.get("/health").json
    assert health["backup_age_seconds"] is None
    assert health["filesystem"]
    assert health["sqlite_version"].startswith("3.")
    subprocess.run([MEMENTO, "backup"], env=server.environment, capture_output=True, check=True)
    assert 0 <= server.get("/health").json["backup_age_seconds"] < 60
