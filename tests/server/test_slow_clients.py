"""Clients that send or read slowly, or only hang on: others do not notice, and they are let go."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from memento_ingest.server.connection import HEADER_SECONDS
from memento_ingest.server.listener import MAX_CONNECTIONS

if TYPE_CHECKING:
    from tests.server.conftest import Server

SLOW = 50
HEAD = b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"


def test_fifty_slow_clients_hold_nobody_up(running: Server) -> None:
    """Half never end their header, half never their body; recall answers, and they are gone in time."""
    slow = [running.connect() for _ in range(SLOW)]
    try:
        started = time.monotonic()
        took = []
        for round_ in range(20):
            for number, one in enumerate(slow):
                _drip(one, HEAD[round_ : round_ + 1] if number % 2 else (HEAD + b"\r\n" if not round_ else b"x"))
            asked = time.monotonic()
            assert running.get("/v1/recall?q=nightly+import").status == 200
            took.append(time.monotonic() - asked)
        print(f"recall beside {SLOW} slow clients: median {sorted(took)[10]:.4f} s, most {max(took):.4f} s")
        assert sorted(took)[10] < 0.1
        assert max(took) < 0.5
        unfinished = slow[1]
        unfinished.settimeout(HEADER_SECONDS + 5)
        assert not _rest(unfinished)
        assert time.monotonic() - started < HEADER_SECONDS + 4
        slow[0].settimeout(10)
        assert b" 408 " in _rest(slow[0])
    finally:
        for one in slow:
            one.close()


def test_more_connections_than_allowed(running: Server) -> None:
    """Whoever holds all connections open loses the oldest, not the others their turn."""
    held = [running.connect() for _ in range(MAX_CONNECTIONS + 40)]
    try:
        assert running.get("/v1/store").status == 200
        held[0].settimeout(2)
        assert _rest(held[0]) == b""
    finally:
        for one in held:
            one.close()


def test_a_client_that_does_not_read(running: Server) -> None:
    """The answers wait for it, not the server."""
    with running.connect() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.settimeout(0.2)
        try:
            for _ in range(2_000):
                deaf.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        except TimeoutError:
            pass
        started = time.monotonic()
        assert running.get("/v1/store").status == 200
        assert time.monotonic() - started < 0.5


def _drip(one: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        one.sendall(data)


def _rest(one: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := one.recv(65_536):
            received += chunk
    except ConnectionError:
        pass
    return received
