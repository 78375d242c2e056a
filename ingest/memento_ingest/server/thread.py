"""The server's thread: its own event loop, beside the one that follows files."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import uvicorn

from memento.config import Server
from memento.errors import MementoError
from memento.home import expand_user
from memento.store import MemoryStore
from memento_ingest.server.connection import Connection
from memento_ingest.server.gate import MAX_HEAD, Gate
from memento_ingest.server.health import Checkup, Watching
from memento_ingest.server.metrics import Requests
from memento_ingest.server.rate import RateLimit
from memento_ingest.server.routes import Routes
from memento_ingest.server.sockets import LOOPBACK, listen_tcp, listen_unix, read_token
from memento_ingest.server.workers import Workers

_KEEP_ALIVE_SECONDS: Final = 5


class _Server(uvicorn.Server):
    """uvicorn's server without its ten looks a second at a flag: it waits for an event."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()

    async def main_loop(self) -> None:
        await self.stopping.wait()


class LocalServer:
    """Serves one store until it is stopped. The caller holds the sidecar's lock.

    Making one binds the sockets and raises CannotListen.
    """

    def __init__(
        self,
        store: MemoryStore,
        settings: Server,
        watching: Callable[[], Watching],
        written: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._store, self._settings, self._watching, self._written, self._say = store, settings, watching, written, say
        self.deaf_to_tcp = False
        """Whether the TCP port that was asked for could not be had."""
        self._token, self._port = "", 0
        listening, self._path = listen_unix(store.path)
        self._sockets = [listening]
        self._thread = threading.Thread(target=self._run, name="memento-server", daemon=True)
        self._loop = asyncio.new_event_loop()
        self._server: _Server | None = None

    def start(self) -> None:
        """Begin to serve; a TCP port that cannot be had is said, and the Unix socket serves alone."""
        self._say(f"serving on {self._path}")
        if self._settings.tcp:
            try:
                self._open_tcp()
            except MementoError as error:
                self.deaf_to_tcp = True
                self._say(f"{error}; only the Unix socket serves")
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Finish the requests in hand, at most this long, and remove the socket."""
        with suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._end)
        if self._thread.ident:
            self._thread.join(seconds)
        self._path.unlink(missing_ok=True)

    def _open_tcp(self) -> None:
        token_file = self._settings.token_file
        path = expand_user(token_file) if token_file else self._store.config.home / "server.token"
        self._token = read_token(path)
        listening = listen_tcp(self._settings.port)
        self._port = listening.getsockname()[1]
        self._sockets.append(listening)
        self._say(f"serving on http://{LOOPBACK}:{self._port}, token in {path}")

    def _end(self) -> None:
        if self._server is not None:
            self._server.stopping.set()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(self._failed)
        try:
            self._loop.run_until_complete(self._serve())
        except Exception as error:
            self._say(f"the local server ended: {type(error).__name__}; capture goes on")
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)  # what clients send is not for our log
        workers, requests = Workers(self._loop), Requests()
        routes = Routes(self._store, workers, Checkup(self._store, self._watching), requests, self._written)
        rate = RateLimit(self._settings.requests_per_second)
        gate = Gate(routes.app(), rate, self._settings.max_body_bytes, self._say, requests, self._port, self._token)
        self._server = _Server(_configuration(gate))
        try:
            await self._server.serve(sockets=self._sockets)
        finally:
            workers.stop()

    def _failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError):  # a client that went away is no news
            self._say(f"the local server: {type(error).__name__ if error else context.get('message', '')}")


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
