"""MCP over the sidecar's HTTP server: the SDK's client in both eras, its routing headers, and who is let in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client.streamable_http import streamable_http_client
from tests.mcp_server.conftest import MODES, call, request
from tests.mcp_server.test_mcp_stdio import uses_everything
from tests.server.conftest import Answer, Server, _end

from mcp import Client

MODERN = {"Mcp-Protocol-Version": "2026-07-28"}


@contextmanager
def sidecar(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    try:
        server.start()
        yield server
    finally:
        _end(server)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a sidecar without a model, which also serves TCP."""
    with sidecar(tmp_path_factory.mktemp("sidecar")) as server:
        yield server


def post(server: Server, message: Any, **headers: str | None) -> Answer:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return server.ask("POST", "/mcp", body, tcp=True, **headers)


@pytest.mark.parametrize("mode", MODES)
def test_the_sdks_client_uses_everything_over_http(server: Server, mode: str) -> None:
    async def use() -> None:
        headers = {"Authorization": f"Bearer {server.token}"}
        address = f"http://127.0.0.1:{server.port}/mcp"
        async with (
            httpx2.AsyncClient(headers=headers, timeout=30) as http,
            Client(streamable_http_client(address, http_client=http), mode=mode) as client,
        ):
            await uses_everything(client)

    anyio.run(use)


def test_without_the_token_or_from_a_web_page_nobody_is_let_in(server: Server) -> None:
    assert post(server, request(1, "ping"), authorization=None).status == 401
    assert post(server, request(1, "ping"), authorization="Bearer wrong").status == 401
    assert post(server, request(1, "ping"), origin="http://127.0.0.1").status == 403
    assert post(server, request(1, "ping"), host="evil.example").status == 421
    assert post(server, request(1, "ping")).json == {"jsonrpc": "2.0", "id": 1, "result": {}}


def test_the_unix_socket_serves_it_without_a_token(server: Server) -> None:
    answer = server.post("/mcp", request(1, "ping"))
    assert (answer.status, answer.json["result"]) == (200, {})


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_there_is_no_stream_and_no_session_to_end(server: Server, method: str) -> None:
    answer = server.ask(method, "/mcp", tcp=True)
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"


def test_a_notification_is_accepted_without_an_answer(server: Server) -> None:
    answer = post(server, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (answer.status, answer.body) == (202, b"")


@pytest.mark.parametrize(
    ("message", "headers", "status", "code"),
    [
        (b"{", {}, 400, -32700),
        (b"[]", {}, 400, -32600),
        (b"[" * 60_000, {}, 400, -32700),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, {}, 400, -32600),
        (request(1, "no/such"), {}, 200, -32601),
        (request(1, "ping"), {"mcp_protocol_version": "1999-01-01"}, 400, -32022),
        (request(1, "no/such", modern=True), {**MODERN, "Mcp-Method": "no/such"}, 404, -32601),
        (request(1, "tools/list", modern=True), {}, 400, -32020),
        (request(1, "tools/list", modern=True), MODERN, 400, -32020),
        (request(1, "tools/list", modern=True), {**MODERN, "Mcp-Method": "tools/call"}, 400, -32020),
        (request(1, "tools/list"), {**MODERN, "Mcp-Method": "tools/list"}, 400, -32602),
        (call(1, "recent", True), {**MODERN, "Mcp-Method": "tools/call"}, 400, -32020),
        (call(1, "recent", True), {**MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "forget"}, 400, -32020),
        (call(1, "drop", True), {**MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "drop"}, 400, -32602),
    ],
)
def test_what_is_wrong_has_its_status_and_code(
    server: Server, message: Any, headers: dict[str, str], status: int, code: int
) -> None:
    answer = post(server, message, **{name.replace("-", "_"): value for name, value in headers.items()})
    assert (answer.status, answer.json["error"]["code"]) == (status, code)


def test_a_name_that_is_not_ascii_comes_encoded(server: Server) -> None:
    message = request(1, "resources/read", modern=True, uri="memento://session/ü")
    headers = {"mcp_method": "resources/read", "mcp_name": "=?base64?bWVtZW50bzovL3Nlc3Npb24vw7w=?="}
    answer = post(server, message, mcp_protocol_version="2026-07-28", **headers)
    assert answer.json["error"]["message"] == "there is no such resource"
    headers["mcp_name"] = "=?base64?!!?="
    assert post(server, message, mcp_protocol_version="2026-07-28", **headers).json["error"]["code"] == -32020


def test_the_limits_of_the_server_hold_for_it(server: Server) -> None:
    assert post(server, call(1, "remember", text="x" * 70_000)).status == 413
    assert post(server, request(1, "ping"), content_type="text/plain").status == 415
    assert server.ask("POST", "/mcp?q=1", json.dumps(request(1, "ping")).encode()).status == 400


def test_what_was_remembered_is_found_by_the_other_ways(server: Server) -> None:
    kept = post(server, call(1, "remember", text="The ferry timetable hangs in the galley"))
    id_ = kept.json["result"]["structuredContent"]["id"]
    found = server.get("/v1/recall?q=ferry+timetable").json["results"]
    assert found[0]["id"].startswith(id_)
    assert found[0]["trust"] == "assistant"
