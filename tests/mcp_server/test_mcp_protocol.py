"""The protocol in both eras: every answer has the shape that the SDK's own models of each version ask for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp_types import methods
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from tests.mcp_server.conftest import ENVELOPE, request

from memento.errors import StoreError
from memento_app.mcp import catalog, protocol
from memento_app.mcp.protocol import Refused, handle

SERVED: dict[str, dict[str, Any]] = {
    "tools/call": {"content": [{"type": "text", "text": "x"}], "structuredContent": {"id": "x"}, "isError": False},
    "prompts/get": {"messages": [{"role": "user", "content": {"type": "text", "text": "x"}}]},
    "resources/list": {"resources": [catalog.APP]},
    "resources/read": {"contents": [{"uri": "memento://session/x", "mimeType": "text/plain", "text": "x"}]},
}
PARAMS: dict[str, Any] = {
    "tools/list": {},
    "tools/call": {"name": "recall", "arguments": {"query": "x"}},
    "prompts/list": {},
    "prompts/get": {"name": "decided", "arguments": {"topic": "x"}},
    "resources/list": {},
    "resources/templates/list": {},
    "resources/read": {"uri": "memento://session/x"},
}


def serve(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return SERVED[method]


def code_of(message: Any) -> int:
    answer = handle(message, serve)
    assert answer is not None
    return int(answer["error"]["code"])


def test_the_versions_are_those_of_the_sdk() -> None:
    assert protocol.HANDSHAKE_VERSIONS == HANDSHAKE_PROTOCOL_VERSIONS
    assert protocol.MODERN_VERSIONS == MODERN_PROTOCOL_VERSIONS


@pytest.mark.parametrize("version", [*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS])
@pytest.mark.parametrize("method", PARAMS)
def test_every_result_is_valid_in_every_version(method: str, version: str) -> None:
    asked = request(7, method, modern=version in MODERN_PROTOCOL_VERSIONS, **PARAMS[method])
    methods.validate_client_request(method, version, asked["params"])
    answer = handle(json.loads(json.dumps(asked)), serve)
    assert answer is not None
    assert answer["id"] == 7
    methods.validate_server_result(method, version, answer["result"])
    assert ("resultType" in answer["result"]) == (version in MODERN_PROTOCOL_VERSIONS)


@pytest.mark.parametrize("asked", [*HANDSHAKE_PROTOCOL_VERSIONS, "2031-01-01"])
def test_the_handshake_agrees_on_a_known_version(asked: str) -> None:
    params: dict[str, Any] = {"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    answer = handle(request(1, "initialize", **params), serve)
    assert answer is not None
    version = answer["result"]["protocolVersion"]
    assert version == (asked if asked in HANDSHAKE_PROTOCOL_VERSIONS else "2025-11-25")
    methods.validate_server_result("initialize", version, answer["result"])


def test_discovery_names_the_versions_and_may_be_cached() -> None:
    answer = handle(request("d", "server/discover", modern=True), serve)
    assert answer is not None
    methods.validate_server_result("server/discover", "2026-07-28", answer["result"])
    assert answer["result"]["supportedVersions"][0] == "2026-07-28"
    assert answer["result"]["ttlMs"] > 0
    assert answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "memento"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ([], protocol.INVALID_REQUEST),
        ([request(1, "ping")], protocol.INVALID_REQUEST),
        ("ping", protocol.INVALID_REQUEST),
        (None, protocol.INVALID_REQUEST),
        ({}, protocol.INVALID_REQUEST),
        ({"jsonrpc": "1.0", "id": 1, "method": "ping"}, protocol.INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, protocol.INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": True, "method": "ping"}, protocol.INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, protocol.INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": {}, "method": "ping"}, protocol.INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": 1, "method": 7}, protocol.INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}, protocol.INVALID_PARAMS),
        (request(1, "initialize"), protocol.INVALID_PARAMS),
        (request(1, "no/such"), protocol.METHOD_NOT_FOUND),
        (request(1, "subscriptions/listen", modern=True), protocol.METHOD_NOT_FOUND),
        (request(1, "ping", modern=True), protocol.METHOD_NOT_FOUND),
        (request(1, "server/discover"), protocol.METHOD_NOT_FOUND),
    ],
)
def test_what_is_malformed_is_refused_with_its_code(message: Any, code: int) -> None:
    assert code_of(message) == code


@pytest.mark.parametrize(
    ("meta", "code"),
    [
        ({**ENVELOPE, protocol.VERSION_KEY: "2099-01-01"}, protocol.UNSUPPORTED_VERSION),
        ({**ENVELOPE, protocol.VERSION_KEY: 5}, protocol.INVALID_PARAMS),
        ({protocol.VERSION_KEY: "2026-07-28"}, protocol.INVALID_PARAMS),
    ],
)
def test_an_envelope_that_cannot_be_served_is_refused(meta: dict[str, Any], code: int) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    assert code_of(message) == code
    if code == protocol.UNSUPPORTED_VERSION:
        answer = handle(message, serve)
        assert answer is not None
        assert answer["error"]["data"] == {"supported": ["2026-07-28"], "requested": "2099-01-01"}


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "method": "no/such"},
        {"jsonrpc": "2.0", "id": 3, "result": {}},
        {"jsonrpc": "2.0", "id": 3, "error": {"code": 1, "message": "x"}},
    ],
)
def test_notifications_and_answers_are_not_answered(message: dict[str, Any]) -> None:
    assert handle(message, serve) is None


@pytest.mark.parametrize("line", [b"{", b"\xff\xfe", b"[" * 100_000, b'{"id": ' + b"9" * 5_000 + b"}", b""])
def test_what_is_not_json_is_refused(line: bytes) -> None:
    with pytest.raises(Refused) as raised:
        protocol.decode(line)
    assert raised.value.code == protocol.PARSE_ERROR


def test_a_resource_that_is_not_there_has_the_code_of_its_era() -> None:
    def missing(method: str, params: dict[str, Any]) -> dict[str, Any]:
        raise Refused(protocol.RESOURCE_NOT_FOUND, "there is no such resource", {"uri": "x"})

    for modern, code in ((False, -32002), (True, -32602)):
        answer = handle(request(1, "resources/read", modern=modern, uri="x"), missing)
        assert answer is not None
        assert answer["error"]["code"] == code


def test_a_fault_is_answered_and_tells_nothing_of_its_inside() -> None:
    def faulty(method: str, params: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("/home/someone/secret")

    def closed(method: str, params: dict[str, Any]) -> dict[str, Any]:
        raise StoreError("the store cannot be used\x1b[2J")

    answer = handle(request(1, "tools/call"), faulty)
    assert answer == {
        "jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "the request failed: RuntimeError"},
    }  # fmt: skip
    answer = handle(request(1, "tools/call"), closed)
    assert answer is not None
    assert answer["error"]["message"] == "the store cannot be used\\x1b[2J"


def test_six_tools_say_whether_they_read_or_destroy() -> None:
    tools = {one["name"]: one for one in catalog.TOOLS}
    assert list(tools) == ["recall", "remember", "recent", "session", "why", "forget"]
    assert {name for name, one in tools.items() if one["annotations"].get("readOnlyHint")} == {
        "recall", "recent", "session", "why",
    }  # fmt: skip
    assert tools["forget"]["annotations"]["destructiveHint"] is True
    assert tools["remember"]["annotations"]["destructiveHint"] is False
    assert all(one["outputSchema"]["type"] == "object" for one in tools.values())
    assert tools["recall"]["_meta"]["ui"]["resourceUri"] == catalog.APP_URI


def test_all_that_a_client_reads_of_the_tools_takes_at_most_1500_tokens(model_dir: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    listed = json.dumps(catalog.TOOLS, separators=(",", ":"))
    assert 500 < len(tokenizer.encode(listed, add_special_tokens=False).ids) <= 1_500
    assert len(tokenizer.encode(catalog.INSTRUCTIONS, add_special_tokens=False).ids) <= 100
