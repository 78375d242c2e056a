"""The server's thread: its own event loop, beside the one that follows files."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import uvicorn

from memento.base.home import expand_user
from memento.base.worker_thread import Failures, WorkerThread, describe_error
from memento.config import Server
from memento.errors import MementoError
from memento.store import MemoryStore
from memento_ingest.server.connection import Connection
from memento_ingest.server.faces import Faces
from memento_ingest.server.gate import MAX_HEAD, Gate
from memento_ingest.server.health import Checkup, Watching
from memento_ingest.server.listener import Listener, connection_limit
from memento_ingest.server.metrics import Requests
from memento_ingest.server.rate import RateLimit
from memento_ingest.server.routes import Routes
from memento_ingest.server.sockets import LOOPBACK, listen_tcp, listen_unix, read_token
from memento_ingest.server.workers import Workers

_KEEP_ALIVE_SECONDS: Final = 5


class Reports(NamedTuple):
    """Where the server's failures are counted."""

    server: Failures
    requests: Failures


class _Server(uvicorn.Server):
    """uvicorn's server on a listener of ours, and without its ten looks a second at a flag: it waits for an event."""

    def __init__(self, config: uvicorn.Config, exhausted: Callable[[OSError], None]) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()
        self._exhausted = exhausted
        self.listener: Listener | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.servers = []
        self.listener = Listener(sockets or [], self._connection, self._exhausted, connection_limit())
        self.listener.start()
        self.started = True

    async def main_loop(self) -> None:
        await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.listener is not None:
            self.listener.stop()
        await super().shutdown(sockets)

    def _connection(self) -> Connection:
        return Connection(self.config, self.server_state, {}, asyncio.get_running_loop())


class LocalServer:
    """Serves one store until it is stopped. The caller holds the sidecar's lock.

    Making one binds the sockets and raises CannotListen. Where an error ends the thread, `tend` binds them again.
    """

    def __init__(
        self,
        store: MemoryStore,
        settings: Server,
        watching: Callable[[], Watching],
        written: Callable[[], None],
        say: Callable[[str], None],
        reports: Reports,
        faces: Faces,
    ) -> None:
        self._store, self._settings, self._watching, self._written, self._say = store, settings, watching, written, say
        self._reports, self._faces = reports, faces
        self.deaf_to_tcp = False
        """Whether the TCP port that was asked for could not be had."""
        self._token, self._port = "", settings.port
        self._sockets: list[socket.socket] = []
        self._path = self._open_unix()
        self._thread = WorkerThread(self._run, reports.server)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: _Server | None = None
        self._is_ending = False

    def start(self) -> None:
        """Begin to serve; a TCP port that cannot be had is said, and the Unix socket serves alone."""
        self._open_tcp()
        self._thread.start()

    def tend(self) -> None:
        """Start the thread again where it has ended."""
        self._thread.tend()

    def is_reachable(self) -> bool:
        """Tell whether the socket's file is there."""
        return self._path.exists()

    def stop(self, seconds: float) -> None:
        """Finish the requests in hand, at most this long, and remove the socket."""
        self._is_ending = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._end)
        self._thread.stop(seconds)
        self._path.unlink(missing_ok=True)

    def _open_unix(self) -> Path:
        listening, path = listen_unix(self._store.path)
        self._sockets.append(listening)
        self._say(f"serving on {path}")
        return path

    def _open_tcp(self) -> None:
        """Open the TCP socket that the settings ask for; again on the port that it had."""
        if not self._settings.tcp:
            return
        token_file = self._settings.token_file
        path = expand_user(token_file) if token_file else self._store.config.home / "server.token"
        try:
            self._token = read_token(path)
            listening = listen_tcp(self._port)
        except MementoError as error:
            self.deaf_to_tcp = True
            self._say(f"{error}; only the Unix socket serves")
            return
        self._port = listening.getsockname()[1]
        self._sockets.append(listening)
        self._say(f"serving on http://{LOOPBACK}:{self._port}, token in {path}")

    def _end(self) -> None:
        if self._server is not None:
            self._server.stopping.set()

    def _run(self) -> None:
        if not self._sockets:
            self._open_unix()
            self._open_tcp()
        try:
            with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                self._loop = runner.get_loop()
                self._loop.set_exception_handler(self._failed)
                runner.run(self._serve())
        finally:
            for one in self._sockets:
                one.close()
            self._sockets.clear()

    async def _serve(self) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)  # what clients send is not for our log
        workers, requests = Workers(asyncio.get_running_loop(), self._reports.requests), Requests()
        routes = Routes(
            self._store, workers, Checkup(self._store, self._watching), requests, self._written, self._faces
        )
        rate = RateLimit(self._settings.requests_per_second)
        port = self._port if len(self._sockets) > 1 else 0
        gate = Gate(routes.app(), rate, self._settings.max_body_bytes, self._say, requests, port, self._token)
        self._server = _Server(_configuration(gate), self._exhausted)
        if self._is_ending:
            return
        try:
            await self._server.serve(sockets=self._sockets)
        finally:
            workers.stop()
            if self._server.listener is not None:
                self._server.listener.abort()

    def _exhausted(self, error: OSError) -> None:
        self._say(f"the local server accepts nothing for a moment: {error.strerror}; raise the limit: `ulimit -n`")

    def _failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError):  # a client that went away is no news
            self._say(f"the local server: {describe_error(error) if error else context.get('message', '')}")


def _configuration(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        h11_max_incomplete_event_size=MAX_HEAD,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )
