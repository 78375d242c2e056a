"""Streamable HTTP: the sidecar's server hands each POST to `/mcp` in here, after its own gate let it in.

Every request is answered by itself, with one JSON object: no session id, no event stream, so GET and DELETE are
refused (405) as the specification allows. See basic/transports of 2025-11-25 and of 2026-07-28, whose routing headers
must say what the body says.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from memento_app.mcp import protocol
from memento_app.mcp.calls import Calls
from memento_app.mcp.protocol import Refused
from memento_ingest.server.faces import FaceRequest

_HEADER_MISMATCH: Final = -32020
_VERSION: Final = "mcp-protocol-version"
_NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""The parameter that the header `Mcp-Name` repeats."""
_STATUS: Final = {
    protocol.PARSE_ERROR: 400,
    protocol.INVALID_REQUEST: 400,
    protocol.INVALID_PARAMS: 400,
    protocol.UNSUPPORTED_VERSION: 400,
    _HEADER_MISMATCH: 400,
    protocol.METHOD_NOT_FOUND: 404,
}
"""The statuses of errors in 2026-07-28."""


def answer(asked: FaceRequest) -> tuple[int, bytes]:
    """Return the status and the body that answer one POST."""
    id_ = None
    try:
        message = protocol.decode(asked.body)
        id_, headers = protocol.id_of(message), _routing(asked)
        is_modern = headers.get(_VERSION) in protocol.MODERN_VERSIONS or protocol.is_modern(message)
        if not is_modern:
            _check_version(headers)
        elif id_ is not None:
            _check_headers(message, headers)
    except Refused as refused:
        return 400, protocol.encode(protocol.error(id_, refused))
    found = protocol.handle(message, Calls(asked.store, asked.written).serve)
    if found is None:
        return 202, b""
    code = found.get("error", {}).get("code")
    return (_STATUS.get(code, 200) if is_modern or found["id"] is None else 200), protocol.encode(found)


def _routing(asked: FaceRequest) -> dict[str, str]:
    """Return the headers that say what a request is. Raises Refused where one is given twice."""
    found: dict[str, str] = {}
    for name, value in asked.headers:
        if name in (_VERSION, "mcp-method", "mcp-name"):
            if name in found:
                raise Refused(_HEADER_MISMATCH, f"the header {name} is given twice")
            found[name] = value
    return found


def _check_version(headers: dict[str, str]) -> None:
    """Raise Refused for a version that is not known; none is named before the handshake."""
    known = protocol.HANDSHAKE_VERSIONS
    if (version := headers.get(_VERSION, known[0])) not in known:
        supported = {"supported": [*protocol.MODERN_VERSIONS, *known], "requested": version}
        raise Refused(protocol.UNSUPPORTED_VERSION, "this protocol version is not spoken here", supported)


def _check_headers(message: dict[str, Any], headers: dict[str, str]) -> None:
    """Raise Refused where the headers do not say what the body says."""
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    if not isinstance(params, dict) or not isinstance(meta, dict):
        raise Refused(protocol.INVALID_PARAMS, f"`params._meta` lacks `{protocol.VERSION_KEY}`")
    if headers.get(_VERSION) != meta.get(protocol.VERSION_KEY):
        raise Refused(_HEADER_MISMATCH, "MCP-Protocol-Version and the body name different versions")
    if headers.get("mcp-method") != message.get("method"):
        raise Refused(_HEADER_MISMATCH, "Mcp-Method and the body name different methods")
    key = _NAMED.get(str(message.get("method")))
    if key and params.get(key) is not None and _decoded(headers.get("mcp-name")) != params[key]:
        raise Refused(_HEADER_MISMATCH, f"Mcp-Name and `{key}` in the body differ")


def _decoded(value: str | None) -> str | None:
    """Return a header's value; what is not plain ASCII comes as `=?base64?...?=`."""
    if value is None or not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        return base64.b64decode(value[9:-2], validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
