"""One connection: who it is from and how long it may take.

A client that sends or reads slowly costs a socket and a timer, never a thread; a request that is complete is served
whatever the others do.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from memento_ingest.server.unix_socket import peer_of

HEADER_SECONDS: Final = 5.0
"""For the whole head of a request."""
REQUEST_SECONDS: Final = 45.0
"""From a request's head to the last byte of its answer taken."""
UNIX: Final = "unix"
TCP: Final = "tcp"


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 protocol with peer credentials and time limits."""

    _timer: asyncio.TimerHandle | None = None
    _reading = False
    _refused = False
    opened = 0.0
    """When it was opened, by the event loop's clock."""
    lost: Callable[[Connection], None] | None = None
    """Called when it is closed."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse other users' processes before a byte is read."""
        found = transport.get_extra_info("socket")
        if found.family == socket.AF_UNIX:
            peer = peer_of(found)
            if peer is None or not peer.trusted:
                self._refused = True
                transport.abort()
                return
            self.app_state = {"transport": UNIX, "peer": f"{UNIX}:{peer.uid}:{peer.pid}"}
        else:
            self.app_state = {"transport": TCP, "peer": f"{TCP}:{transport.get_extra_info('peername')[0]}"}
        super().connection_made(transport)
        self.opened = self.loop.time()
        self._limit_time()

    def data_received(self, data: bytes) -> None:
        """Take what was sent."""
        if self._refused:
            return
        self._limit_time()
        super().data_received(data)
        self._limit_time()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self.lost is not None:
            self.lost(self)
        if self._timer is not None:
            self._timer.cancel()
        if not self._refused:
            super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, in the form of every other refusal; what was begun is broken off."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            content = json.dumps(
                {"error": "the request is not valid HTTP", "remedy": "use an HTTP/1.1 client"}
            ).encode()
            length = str(len(content)).encode()
            fields = [(b"content-type", b"application/json"), (b"content-length", length), (b"connection", b"close")]
            self.transport.write(self.conn.send(h11.Response(status_code=400, headers=fields)) or b"")
            self.transport.write(self.conn.send(h11.Data(content)) or b"")
        self.transport.close()

    @property
    def waits_for_request(self) -> bool:
        """Whether no request of this connection is being served."""
        return self.cycle is None or bool(self.cycle.response_complete)

    @property
    def may_give_way(self) -> bool:
        """Whether it is open and no request of it is complete, so that closing it takes no answer from anybody."""
        if self.transport is None or self.transport.is_closing():
            return False
        return self.waits_for_request or bool(self.cycle.more_body)

    def _limit_time(self) -> None:
        """Set the timer when the head or the rest of a request begins; more bytes do not prolong it."""
        reading = self.waits_for_request
        if self._timer is not None:
            if reading == self._reading:
                return
            self._timer.cancel()
        self._reading = reading
        self._timer = self.loop.call_later(HEADER_SECONDS if reading else REQUEST_SECONDS, self.transport.abort)
