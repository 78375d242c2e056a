"""Scorecard bar 14: what a web page, another user or a broken client may send; none of it is served."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.server.conftest import Server

EVENT = {"hook_event_name": "Stop", "session_id": "matrix", "last_assistant_message": "planted"}
BODY = json.dumps(EVENT).encode()
GZIP_BOMB = gzip.compress(b'{"hook_event_name": "Stop", "x": "' + bytes(20_000_000) + b'"}')

# (what is wrong, headers in place of the good ones, the expected status)
HEADERS: list[tuple[str, dict[str, str | None], int]] = [
    ("no host", {"host": None}, 400),
    ("empty host", {"host": ""}, 421),
    ("rebound host", {"host": "evil.example"}, 421),
    ("rebound host with the port", {"host": "evil.example:{port}"}, 421),
    ("host that begins like ours", {"host": "localhost.evil.example:{port}"}, 421),
    ("host that ends like ours", {"host": "evil-localhost:{port}"}, 421),
    ("host without the port", {"host": "localhost"}, 421),
    ("host with another port", {"host": "127.0.0.1:1"}, 421),
    ("host by another name of loopback", {"host": "127.1:{port}"}, 421),
    ("host 0.0.0.0", {"host": "0.0.0.0:{port}"}, 421),
    ("host with credentials", {"host": "user@localhost:{port}"}, 421),
    ("host with a trailing dot", {"host": "localhost.:{port}"}, 421),
    ("two hosts in one", {"host": "localhost:{port}, evil.example"}, 421),
    ("ipv6 without brackets", {"host": "::1:{port}"}, 421),
    ("origin of a web page", {"origin": "https://evil.example"}, 403),
    ("origin null", {"origin": "null"}, 403),
    ("origin localhost", {"origin": "http://localhost:{port}"}, 403),
    ("origin of our own", {"origin": "http://127.0.0.1:{port}"}, 403),
    ("origin of an extension", {"origin": "chrome-extension://abcdefgh"}, 403),
    ("empty origin", {"origin": ""}, 403),
    ("no token", {"authorization": None}, 401),
    ("empty token", {"authorization": "Bearer "}, 401),
    ("bearer alone", {"authorization": "Bearer"}, 401),
    ("wrong token", {"authorization": "Bearer " + "x" * 43}, 401),
    ("beginning of the token", {"authorization": "Bearer {start}"}, 401),
    ("token and more", {"authorization": "Bearer {token}x"}, 401),
    ("token with a space before", {"authorization": "Bearer  {token}"}, 401),
    ("token in upper case", {"authorization": "Bearer {upper}"}, 401),
    ("token by itself", {"authorization": "{token}"}, 401),
    ("token as basic", {"authorization": "Basic {token}"}, 401),
    ("token as a cookie", {"authorization": None, "cookie": "token={token}"}, 401),
    ("token in another header", {"authorization": None, "x_token": "{token}"}, 401),
    ("two tokens", {"authorization": "Bearer {token}, Bearer {token}"}, 401),
    ("no content type", {"content_type": None}, 415),
    ("form", {"content_type": "application/x-www-form-urlencoded"}, 415),
    ("multipart", {"content_type": "multipart/form-data; boundary=x"}, 415),
    ("plain text", {"content_type": "text/plain"}, 415),
    ("plain text that names JSON", {"content_type": "text/plain; application/json"}, 415),
    ("JSON of a kind", {"content_type": "application/json+x"}, 415),
    ("JSON in UTF-16", {"content_type": "application/json; charset=utf-16"}, 415),
    ("gzip", {"content_encoding": "gzip"}, 415),
    ("identity", {"content_encoding": "identity"}, 415),
    ("100 MB announced", {"content_length": "104857600"}, 413),
    ("an endless length", {"content_length": "9" * 19}, 413),
    ("a negative length", {"content_length": "-1"}, 400),
    ("a length in words", {"content_length": "ten"}, 400),
    ("two lengths", {"transfer_encoding": "chunked"}, 400),
    ("an unknown transfer encoding", {"transfer_encoding": "gzip", "content_length": None}, 400),
    ("a header of 100 kB", {"x_long": "x" * 100_000}, 431),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "headers", "status"), HEADERS, ids=[case[0] for case in HEADERS])
def test_headers_over_tcp(running: Server, wrong: str, headers: dict[str, str | None], status: int) -> None:
    token = running.token
    known = {"port": str(running.port), "token": token, "start": token[:20], "upper": token.upper()}
    given = {name: value and value.format(**known) for name, value in headers.items()}
    answer = running.ask("POST", "/v1/events", BODY, tcp=True, **given)
    assert answer.status == status, wrong
    assert set(answer.json) == {"error", "remedy"}
    _refused(running, answer.body)


REQUESTS: list[tuple[str, str, str, bytes]] = [
    ("preflight", "OPTIONS", "/v1/events", b""),
    ("a get that writes", "GET", "/v1/events?agent=x", b""),
    ("a put", "PUT", "/v1/events", b""),
    ("an unknown path", "POST", "/v1/eventz", BODY),
    ("a doubled slash", "POST", "//v1/events", BODY),
    ("a trailing slash", "POST", "/v1/events/", BODY),
    ("an absolute address", "POST", "http://evil.example/v1/events", BODY),
    ("an unknown parameter", "POST", "/v1/events?agnet=x", BODY),
    ("no JSON", "POST", "/v1/events", b"hook_event_name=Stop"),
    ("an array", "POST", "/v1/events", b"[" + BODY + b"]"),
    ("two objects as one", "POST", "/v1/events", BODY + BODY),
    ("nothing", "POST", "/v1/events", b""),
    ("no UTF-8", "POST", "/v1/events", b'{"prompt": "\xff\xfe"}'),
    ("deep nesting", "POST", "/v1/events", b"[" * 30_000),
    ("a gzip bomb without saying so", "POST", "/v1/events", GZIP_BOMB),
    ("a body of 65 kB", "POST", "/v1/events", b'{"prompt": "' + b"x" * 66_000 + b'"}'),
]  # fmt: skip


@pytest.mark.parametrize("tcp", [True, False], ids=["tcp", "unix"])
@pytest.mark.parametrize(("wrong", "method", "target", "body"), REQUESTS, ids=[case[0] for case in REQUESTS])
def test_requests(running: Server, wrong: str, method: str, target: str, body: bytes, tcp: bool) -> None:
    answer = running.ask(method, target, body, tcp=tcp)
    assert 400 <= answer.status < 500, wrong
    assert set(answer.json) == {"error", "remedy"}
    _refused(running, answer.body)


def test_a_large_body_is_cut_off_early(running: Server) -> None:
    """100 MB, announced or in chunks: the answer comes long before the end."""
    for head in ("Content-Length: 104857600", "Transfer-Encoding: chunked"):
        with running.connect() as connection:
            kind = "Content-Type: application/json"
            connection.sendall(f"POST /v1/events HTTP/1.1\r\nHost: localhost\r\n{kind}\r\n{head}\r\n\r\n".encode())
            sent = 0
            part = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
            try:
                while sent < 100_000_000:
                    connection.sendall(part)
                    sent += len(part)
            except OSError:
                pass
            assert sent < 20_000_000
    _refused(running, b"")


def test_what_is_not_http(running: Server) -> None:
    for request in (
        b"\0" * 100,
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"x" * 100_000,
    ):
        assert running.raw(request, tcp=True).status in (0, 400, 421)
    _refused(running, b"")


def test_no_cross_origin_permission_is_ever_given(running: Server) -> None:
    for answer in (running.get("/health"), running.ask("OPTIONS", "/v1/recall", origin="https://evil.example")):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "server" not in answer.headers


def test_the_good_request_is_served(running: Server) -> None:
    """Else the matrix would prove nothing."""
    hosts = [f"{name}:{running.port}" for name in ("localhost", "127.0.0.1", "[::1]")]
    for host in hosts:
        assert running.get("/health", tcp=True, host=host).status == 200
    for kind in ("application/json", "Application/JSON; charset=UTF-8", "application/x-ndjson"):
        assert running.post("/v1/events", EVENT | {"session_id": "good"}, tcp=True, content_type=kind).status == 202


def _refused(running: Server, body: bytes) -> None:
    assert b"Traceback" not in body
    assert running.token.encode() not in body
    assert not [one for one in running.spooled() if one.get("session_id") == "matrix"]
    said = running.said()
    assert "Traceback" not in said
    assert running.token not in said
