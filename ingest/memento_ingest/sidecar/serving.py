"""The sidecar's local server over its life: started, begun anew with other settings, stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from memento.base.worker_thread import Failures
from memento.config import Server
from memento.store import MemoryStore

if TYPE_CHECKING:
    from memento_ingest.server.faces import Faces
    from memento_ingest.server.health import Watching
    from memento_ingest.server.thread import LocalServer

STOP_SECONDS: Final = 1.0
"""What the requests in hand get to finish."""


class Serving:
    """Serves a store while there is something to listen on; capture goes on all the same when there is nothing."""

    def __init__(
        self,
        store: MemoryStore,
        watching: Callable[[], Watching],
        written: Callable[[], None],
        say: Callable[[str], None],
        server: Failures,
        requests: Failures,
        faces: Faces,
    ) -> None:
        self._store, self._watching, self._written, self._say = store, watching, written, say
        self._failures, self._requests, self._faces = server, requests, faces
        self._settings = store.config.settings.server
        self._server: LocalServer | None = None

    def start(self) -> None:
        """Begin to serve."""
        from memento_ingest.server.sockets import CannotListen
        from memento_ingest.server.thread import LocalServer, Reports

        reports = Reports(self._failures, self._requests)
        try:
            self._server = LocalServer(
                self._store, self._settings, self._watching, self._written, self._say, reports, self._faces
            )
        except CannotListen as error:
            self._server = None
            self._failures.note(error, f"no local server: {error}")
        else:
            self._failures.restarted()
            self._server.start()

    def tend(self) -> None:
        """Start the server again where it has ended, or could not listen."""
        if self._server is not None:
            self._server.tend()
        elif self._failures.due:
            self.start()

    def renew(self) -> None:
        """Listen again where the socket's file has been deleted."""
        if self._server is not None and not self._server.is_reachable():
            self.stop()
            self.start()

    def apply(self, settings: Server) -> None:
        """Begin anew if the settings are others. Those with which nobody can listen are given up for the last ones."""
        if settings == self._settings:
            return
        before, self._settings = self._settings, settings
        self.stop()
        self.start()
        if self._server is None or self._server.deaf_to_tcp:
            self._say("kept the server settings in force")
            self._settings = before
            self.stop()
            self.start()

    def stop(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.stop(STOP_SECONDS)
            self._server = None
