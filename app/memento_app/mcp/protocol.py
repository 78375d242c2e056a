"""The Model Context Protocol from the server's side: one JSON-RPC message in, at most one out, in both of its eras.

A request that carries the envelope of 2026-07-28 in `params._meta` is answered as that version says, every other one
as the versions with a handshake say. Nothing is remembered between two messages, so a client that guessed the wrong
era, or talks over HTTP, is served all the same.

Written against schema.ts of 2025-11-25 and 2026-07-28 (github.com/modelcontextprotocol/modelcontextprotocol). The
SDK's own types would take ten times as long to import as everything else here; a test holds every answer against them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from memento.base.escaping import escape_json, escape_line
from memento.errors import MementoError
from memento_app.mcp import catalog

HANDSHAKE_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSIONS: Final = ("2026-07-28",)

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
RESOURCE_NOT_FOUND: Final = -32002
"""In the versions with a handshake; later it is INVALID_PARAMS."""
UNSUPPORTED_VERSION: Final = -32022

VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY: Final = "io.modelcontextprotocol/clientCapabilities"
ZONE_KEY: Final = "memento/zone"
"""In `_meta`: the time zone of the one who asks."""
PROJECT_KEY: Final = "memento/project"
"""In `_meta`: the folder that the agent works in."""
_SERVER_KEY: Final = "io.modelcontextprotocol/serverInfo"
_HOUR: Final = 3_600_000
"""Milliseconds that a client may keep what does not change while this version runs."""
_CACHED: Final[Mapping[str, int]] = {
    "server/discover": _HOUR,
    "tools/list": _HOUR,
    "prompts/list": _HOUR,
    "resources/templates/list": _HOUR,
    "resources/list": 0,
    "resources/read": 0,
}
"""How long each result that may be kept stays fresh."""

Serve = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Answers `tools/call`, `prompts/get`, `resources/list` and `resources/read`. May raise Refused."""


class Refused(Exception):
    """A request that is answered with a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


def decode(line: bytes) -> Any:
    """Return the message of a line or a body. Raises Refused for what is not JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise Refused(PARSE_ERROR, "the message is not JSON") from None


def encode(message: Mapping[str, Any]) -> bytes:
    """Return a message as JSON in ASCII on one line; what acts on a terminal is escaped in it."""
    return escape_json(json.dumps(message, separators=(",", ":"))).encode("ascii")


def error(id_: Any, refused: Refused) -> dict[str, Any]:
    """Return the error response to a request; id None where it is not known which one."""
    found: dict[str, Any] = {"code": refused.code, "message": refused.message}
    if refused.data is not None:
        found["data"] = refused.data
    return {"jsonrpc": "2.0", "id": id_, "error": found}


def handle(message: Any, serve: Serve) -> dict[str, Any] | None:
    """Return the response to a message; None where it takes none."""
    id_ = id_of(message)
    try:
        asked = _request(message)
        return asked and {"jsonrpc": "2.0", "id": id_, "result": _result(*asked, serve)}
    except Refused as refused:
        return error(id_, refused)
    except MementoError as failed:
        return error(id_, Refused(INTERNAL_ERROR, escape_line(str(failed))))
    except Exception as failed:  # a fault of ours: it must not end the server
        return error(id_, Refused(INTERNAL_ERROR, f"the request failed: {type(failed).__name__}"))


def id_of(message: Any) -> str | int | None:
    """Return the id of a request, None where it has none that can be answered to."""
    id_ = message.get("id") if isinstance(message, dict) else None
    return id_ if isinstance(id_, str | int) and not isinstance(id_, bool) else None


def _request(message: Any) -> tuple[str, dict[str, Any]] | None:
    """Return method and parameters of a request, None for what takes no answer. Raises Refused."""
    if not isinstance(message, dict):
        raise Refused(INVALID_REQUEST, "a message is one JSON object: batches are not taken")
    if "id" in message and id_of(message) is None:
        raise Refused(INVALID_REQUEST, "an id is a string or a whole number")
    if "method" not in message and ("result" in message or "error" in message):
        return None  # an answer: this server asks nothing
    method, params = message.get("method"), message.get("params", {})
    if message.get("jsonrpc") != "2.0" or not isinstance(method, str):
        raise Refused(INVALID_REQUEST, "the message is not a JSON-RPC 2.0 request")
    if "id" not in message:
        return None
    if not isinstance(params, dict):
        raise Refused(INVALID_PARAMS, "`params` is an object")
    return method, params


def is_modern(message: Any) -> bool:
    """Tell whether a message carries the envelope of 2026-07-28."""
    params = message.get("params") if isinstance(message, dict) else None
    meta = params.get("_meta") if isinstance(params, dict) else None
    return isinstance(meta, dict) and VERSION_KEY in meta


def _result(method: str, params: dict[str, Any], serve: Serve) -> dict[str, Any]:
    if method == "initialize":
        return _initialized(params)
    if not is_modern({"params": params}):
        return {} if method == "ping" else _answer(method, params, serve)
    _check_envelope(params["_meta"])
    try:
        found = _discovered() if method == "server/discover" else _answer(method, params, serve)
    except Refused as refused:
        if refused.code == RESOURCE_NOT_FOUND:
            refused.code = INVALID_PARAMS
        raise
    result = {"resultType": "complete", **found}
    if method in _CACHED:
        result |= {"ttlMs": _CACHED[method], "cacheScope": "private"}
    return {**result, "_meta": {**found.get("_meta", {}), _SERVER_KEY: catalog.SERVER}}


def _answer(method: str, params: dict[str, Any], serve: Serve) -> dict[str, Any]:
    """Answer what both eras have in common."""
    if method == "tools/list":
        return {"tools": catalog.TOOLS}
    if method == "prompts/list":
        return {"prompts": catalog.PROMPTS}
    if method == "resources/templates/list":
        return {"resourceTemplates": catalog.TEMPLATES}
    if method == "resources/read" and params.get("uri") == catalog.APP_URI:
        return {"contents": [{"uri": catalog.APP_URI, "mimeType": catalog.APP_TYPE, "text": _app()}]}
    if method in ("tools/call", "prompts/get", "resources/list", "resources/read"):
        return serve(method, params)
    raise Refused(METHOD_NOT_FOUND, f"there is no method {method[:100]!r}")


def _initialized(params: dict[str, Any]) -> dict[str, Any]:
    asked = params.get("protocolVersion")
    if not isinstance(asked, str):
        raise Refused(INVALID_PARAMS, "`protocolVersion` is missing")
    version = asked if asked in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]
    return {"protocolVersion": version, "serverInfo": catalog.SERVER, **_described()}


def _discovered() -> dict[str, Any]:
    return {"supportedVersions": [*MODERN_VERSIONS, *reversed(HANDSHAKE_VERSIONS)], **_described()}


def _described() -> dict[str, Any]:
    return {"capabilities": catalog.CAPABILITIES, "instructions": catalog.INSTRUCTIONS}


def _check_envelope(meta: dict[str, Any]) -> None:
    version = meta[VERSION_KEY]
    if not isinstance(version, str):
        raise Refused(INVALID_PARAMS, f"`{VERSION_KEY}` is a string")
    if not isinstance(meta.get(CAPABILITIES_KEY), dict):
        raise Refused(INVALID_PARAMS, f"`_meta` lacks `{CAPABILITIES_KEY}`, an object")
    if version not in MODERN_VERSIONS:
        supported = {"supported": [*MODERN_VERSIONS], "requested": version}
        raise Refused(UNSUPPORTED_VERSION, "this protocol version is not spoken here", supported)


def _app() -> str:
    from importlib.resources import files

    return files("memento_app.mcp").joinpath("recall.html").read_text("utf-8")
