"""Accepting connections: counted as they are accepted, before a byte of them is read.

At the limit the connection that has waited longest for its request to be complete gives way; where none can, the new
one is answered 503. asyncio's own server takes up to 2,048 connections in one go, and each of them a descriptor that
the store and the sources need.
"""

from __future__ import annotations

import asyncio
import errno
import json
import resource
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from memento_ingest.server.connection import Connection

MAX_CONNECTIONS: Final = 256
ACCEPTED_AT_ONCE: Final = 16
"""Connections taken in one turn of the loop: those that gave way are closed before the next turn."""
PAUSE_SECONDS: Final = 1.0
"""How long nothing is accepted when the process or the system has no descriptor left."""
_LEAST_CONNECTIONS: Final = 32
_SHARE_OF_DESCRIPTORS: Final = 4
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def connection_limit() -> int:
    """Return how many connections may be open: a quarter of the process's descriptors, 256 at most."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if descriptors == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(_LEAST_CONNECTIONS, min(MAX_CONNECTIONS, descriptors // _SHARE_OF_DESCRIPTORS))


class Listener:
    """Accepts on the sockets of the running event loop, and knows every connection until it is closed."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        make: Callable[[], Connection],
        exhausted: Callable[[OSError], None],
        limit: int,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sockets, self._make, self._exhausted, self._limit = sockets, make, exhausted, limit
        self._opening: set[asyncio.Task[None]] = set()
        self._open: dict[Connection, socket.socket] = {}
        """Every connection, and the listening socket that it came through."""

    def start(self) -> None:
        """Begin to accept."""
        for listening in self._sockets:
            listening.setblocking(False)
            self._loop.add_reader(listening, self._accept, listening)

    def stop(self) -> None:
        """Accept no more."""
        for listening in self._sockets:
            if listening.fileno() >= 0:
                self._loop.remove_reader(listening)

    def abort(self) -> None:
        """Close every connection at once."""
        for one in list(self._open):
            if one.transport is not None:
                one.transport.abort()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, _address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._pause(listening, error)
                return
            accepted.setblocking(False)
            if len(self._open) >= self._limit - ACCEPTED_AT_ONCE and not self._make_room(listening):
                _turn_away(accepted)
                continue
            connection = self._make()
            connection.lost = self._lost
            self._open[connection] = listening
            task = self._loop.create_task(self._begin(connection, accepted))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _begin(self, connection: Connection, accepted: socket.socket) -> None:
        """Hand an accepted socket to its connection."""
        try:
            await self._loop.connect_accepted_socket(lambda: connection, accepted)
        except BaseException:
            accepted.close()
            self._lost(connection)
            raise

    def _lost(self, connection: Connection) -> None:
        self._open.pop(connection, None)

    def _make_room(self, listening: socket.socket) -> bool:
        """Close the oldest connection that may give way; False when there is none.

        Where the socket has more than its share, it is one of its own: a flood over TCP does not close Unix sockets.
        """
        own = [one for one, through in self._open.items() if through is listening]
        pool = own if len(own) * len(self._sockets) >= self._limit - ACCEPTED_AT_ONCE else list(self._open)
        idle = [one for one in pool if one.may_give_way]
        if not idle:
            return False
        min(idle, key=lambda one: one.opened).transport.abort()
        return True

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        """Close what is idle and accept nothing for a while: the socket would be reported ready again and again."""
        self._exhausted(error)
        self._make_room(listening)
        self._loop.remove_reader(listening)
        self._loop.call_later(PAUSE_SECONDS, self._resume, listening)

    def _resume(self, listening: socket.socket) -> None:
        if listening.fileno() >= 0:
            self._loop.add_reader(listening, self._accept, listening)


def _turn_away(accepted: socket.socket) -> None:
    """Answer 503 and hang up."""
    body = json.dumps({"error": "the sidecar has too many connections", "remedy": "try again in a second"}).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with suppress(OSError):
        accepted.send(head.encode() + body)
    accepted.close()
