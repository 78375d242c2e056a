"""What every request passes before it reaches a route: Host, Origin, token, rate, kind and size of the body, time.

The order matters: nothing is read of the body of a request that is not allowed in, and no request of an unknown peer
is told whether a route exists.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from memento.errors import ConfigError, MementoError, UsageError
from memento_ingest.server.connection import TCP
from memento_ingest.server.metrics import Requests
from memento_ingest.server.rate import RateLimit
from memento_ingest.server.refusal import Refusal

BODY_SECONDS: Final = 5.0
HANDLER_SECONDS: Final = 40.0
LINGER_SECONDS: Final = 0.5
"""How long what is left of a refused body is still read, so that the client gets to see the answer."""
LINGER_BYTES: Final = 4 * 1024 * 1024
MAX_HEAD: Final = 32 * 1024
"""Bytes of a request's header fields and query."""
BODY_TYPES: Final = ("application/json", "application/x-ndjson")
NAMES: Final = ("localhost", "127.0.0.1", "[::1]")

App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(slots=True)
class Gate:
    """An ASGI application around another one."""

    app: App
    rate: RateLimit
    max_body: int
    say: Callable[[str], None]
    requests: Requests
    port: int = 0
    """Of the TCP socket; 0 = there is none."""
    token: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or turn it down."""
        answer = _Answer(send)
        body = _Body(receive, self.max_body)
        try:
            self._admit(scope)
            async with asyncio.timeout(HANDLER_SECONDS):
                await self.app(scope, body.receive, answer.send)
        except ClientDisconnect:
            return
        except Refusal as refusal:
            await answer.refuse(refusal, body)
        except TimeoutError:
            await answer.refuse(Refusal(504, "the answer took too long", "try again, or ask for less"), body)
        except MementoError as error:
            status = 400 if isinstance(error, UsageError | ConfigError) else 503
            await answer.refuse(Refusal(status, str(error), "see `memento status`"), body)
        except Exception as error:
            self.say(f"a request to {scope['path'][:80]!r} failed: {type(error).__name__}")
            await answer.refuse(Refusal(500, "the sidecar could not do this", "see what it says in its log"), body)
        self.requests.count(answer.status)

    def _admit(self, scope: Scope) -> None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        tcp = scope["state"]["transport"] == TCP
        if sum(len(name) + len(value) for name, value in headers) + len(scope["query_string"]) > MAX_HEAD:
            raise Refusal(431, "the head of the request is too large", f"send at most {MAX_HEAD:,} bytes")
        self._check_host(_all(headers, b"host"), tcp)
        if _all(headers, b"origin"):
            raise Refusal(403, "requests of web pages are refused", "call from a program, without an Origin header")
        if wait := self.rate.wait(scope["state"]["peer"]):
            raise Refusal(429, "too many requests", "slow down", {"Retry-After": str(ceil(wait))})
        if tcp:
            self._check_token(_all(headers, b"authorization"))
        _check_body(scope["method"], headers, self.max_body)

    def _check_host(self, hosts: list[bytes], tcp: bool) -> None:
        port = f":{self.port}" if tcp else ""
        if len(hosts) != 1 or hosts[0].lower() not in {f"{name}{port}".encode() for name in NAMES}:
            raise Refusal(421, "the Host header is not this server's", f"use http://localhost{port}")

    def _check_token(self, given: list[bytes]) -> None:
        scheme, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        if scheme.lower() != b"bearer" or not self.token or not hmac.compare_digest(token, self.token.encode()):
            remedy = "send `Authorization: Bearer TOKEN` with the content of the token file"
            raise Refusal(401, "the token is missing or wrong", remedy, {"WWW-Authenticate": "Bearer"})


class _Body:
    """Hands a request's body on, up to its limits of size and time."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._limit = receive, limit
        self._size = 0
        self._until = asyncio.get_running_loop().time() + BODY_SECONDS
        self.ended = False

    async def receive(self) -> Message:
        """Return the next part. Raises Refusal (408, 413)."""
        if self.ended:  # what comes now is the end of the connection: nobody needs to know
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise Refusal(408, "the body came too slowly", f"send it within {BODY_SECONDS:g} s") from None
        self._size += len(message.get("body", b""))
        if self._size > self._limit:
            raise _too_large(self._limit)
        self.ended = not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Read and drop some of what is left."""
        dropped = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not self.ended and dropped < LINGER_BYTES:
                    message = await self._receive()
                    dropped += len(message.get("body", b""))
                    self.ended = not message.get("more_body", False)


class _Answer:
    """Takes note of what was answered."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

    async def refuse(self, refusal: Refusal, body: _Body) -> None:
        """Answer with a refusal, unless an answer has begun; then close the connection."""
        if self.status:
            raise ConnectionAbortedError
        content = json.dumps(refusal.as_dict()).encode()
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            "Connection": "close",
            "Cache-Control": "no-store",
            **refusal.headers,
        }
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": content, "more_body": True})
        await body.drain()
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})


def _check_body(method: str, headers: list[tuple[bytes, bytes]], limit: int) -> None:
    lengths = _all(headers, b"content-length")
    chunked = _all(headers, b"transfer-encoding")
    if lengths and chunked:
        raise Refusal(400, "the request has two lengths", "send Content-Length or Transfer-Encoding, not both")
    if lengths and int(lengths[0]) > limit:
        raise _too_large(limit)
    if _all(headers, b"content-encoding"):
        raise Refusal(415, "encoded bodies are not taken", "send the body as it is, without Content-Encoding")
    has_body = bool(chunked) or any(int(length) for length in lengths)
    if method == "POST":
        kinds = _all(headers, b"content-type")
        kind, _, parameter = (kinds[0] if len(kinds) == 1 else b"").decode("latin-1").lower().partition(";")
        charset = parameter.replace(" ", "").replace('"', "")
        if kind.strip() not in BODY_TYPES or charset not in ("", "charset=utf-8"):
            raise Refusal(415, "the body's content type is not taken", f"send {' or '.join(BODY_TYPES)}, in UTF-8")
    elif has_body:
        raise Refusal(400, f"a {method[:10]} request has no body here", "put what you ask for into the address")


def _too_large(limit: int) -> Refusal:
    return Refusal(413, "the body is too large", f"send at most {limit:,} bytes at once (server.max_body_bytes)")


def _all(headers: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]
