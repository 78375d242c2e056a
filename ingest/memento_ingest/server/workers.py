"""The threads that do the requests' work: few, and they never keep the process alive.

`concurrent.futures` waits for its threads when the process ends; a sidecar that is told to stop cannot.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from memento_ingest.server.refusal import Refusal

THREADS: Final = 4
MAX_WAITING: Final = 64
"""Calls that may wait for a thread; more are turned down at once."""

Result = TypeVar("Result")
_Job = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Workers:
    """Daemon threads that make blocking calls for one event loop, started by the first call."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._busy = 0

    async def call(self, function: Callable[[], Result]) -> Result:
        """Call the function in a thread. Raises Refusal (503) when too many calls wait already."""
        if self._busy >= THREADS + MAX_WAITING:
            raise Refusal(503, "the sidecar has too much to do", "try again in a second", {"Retry-After": "1"})
        if self._busy >= len(self._threads) < THREADS:
            self._start()
        future: asyncio.Future[Result] = self._loop.create_future()
        self._busy += 1
        self._jobs.put((function, future))
        return await future

    def stop(self) -> None:
        """Let the threads end when they have finished what they are doing."""
        for _ in self._threads:
            self._jobs.put(None)

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name=f"memento-request-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, future = job
            result: Any = None
            failed: BaseException | None = None
            if not future.cancelled():
                try:
                    result = function()
                except BaseException as error:
                    failed = error
            try:
                self._loop.call_soon_threadsafe(self._finished, future, result, failed)
            except RuntimeError:  # the loop has ended: nobody waits any more
                return

    def _finished(self, future: asyncio.Future[Any], result: Any, failed: BaseException | None) -> None:
        self._busy -= 1
        if future.cancelled():
            return
        if failed is None:
            future.set_result(result)
        else:
            future.set_exception(failed)
