"""The threads that do the requests' work: few, and they never keep the process alive.

`concurrent.futures` waits for its threads when the process ends; a sidecar that is told to stop cannot. A thread that
an error ends is replaced, and whoever waits for its answer gets the error.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from memento.base.worker_thread import Failures, describe_error
from memento_ingest.server.refusal import Refusal

THREADS: Final = 4
MAX_WAITING: Final = 64
"""Calls that may wait for a thread; more are turned down at once."""

Result = TypeVar("Result")
_Job = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class WorkerDied(Exception):
    """The thread that worked on a request was ended by an error."""


class Workers:
    """Daemon threads that make blocking calls for one event loop, started by the first call."""

    def __init__(self, loop: asyncio.AbstractEventLoop, failures: Failures) -> None:
        self._loop, self._failures = loop, failures
        self._jobs: deque[_Job] = deque()
        self._ready = threading.Semaphore(0)
        """Counts the jobs; a thread that ends while it waits for one takes none with it."""
        self._is_ending = False
        self._threads: set[threading.Thread] = set()
        self._busy = self._started = 0

    async def call(self, function: Callable[[], Result]) -> Result:
        """Call the function in a thread.

        Raises Refusal (503) when too many calls wait already, WorkerDied when the thread ended on the way.
        """
        if self._busy >= THREADS + MAX_WAITING:
            raise Refusal(503, "the sidecar has too much to do", "try again in a second", {"Retry-After": "1"})
        self._start_for(self._busy + 1)
        if not self._threads:
            raise Refusal(503, "the system has no thread to give", "end other programs", {"Retry-After": "1"})
        future: asyncio.Future[Result] = self._loop.create_future()
        self._busy += 1
        self._jobs.append((function, future))
        self._ready.release()
        return await future

    def stop(self) -> None:
        """Let the threads end when they have finished what they are doing."""
        self._is_ending = True
        self._ready.release(THREADS)

    def _start_for(self, jobs: int) -> None:
        """Start a thread where there are fewer than jobs, and than may be."""
        self._threads = {one for one in self._threads if one.is_alive()}
        if len(self._threads) >= min(jobs, THREADS):
            return
        thread = threading.Thread(target=self._work, name=f"memento-request-{self._started}", daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            self._failures.note(error)
            return
        self._started += 1
        self._threads.add(thread)
        self._failures.restarted()

    def _work(self) -> None:
        job: _Job | None = None
        try:
            while not self._is_ending:
                job = None
                self._ready.acquire()
                with suppress(IndexError):  # told to end, or told twice
                    job = self._jobs.popleft()
                if job is not None:
                    self._do(*job)
        except BaseException as error:  # not an answer's: SystemExit and the like, or no memory to go on
            self._failures.note(error)
            future = None if job is None else job[1]
            self._tell(self._died, threading.current_thread(), future, describe_error(error))

    def _do(self, function: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        result: Any = None
        failed: Exception | None = None
        if not future.cancelled():
            try:
                result = function()
            except StopIteration:  # a future takes no such error
                failed = RuntimeError("StopIteration")
            except Exception as error:
                failed = error
        self._tell(self._finished, future, result, failed)

    def _tell(self, callback: Callable[..., None], *given: Any) -> None:
        """Call something in the loop's thread; once the loop has ended nobody waits any more."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *given)

    def _finished(self, future: asyncio.Future[Any], result: Any, failed: Exception | None) -> None:
        self._busy -= 1
        if future.done():
            return
        if failed is None:
            future.set_result(result)
        else:
            future.set_exception(failed)

    def _died(self, thread: threading.Thread, future: asyncio.Future[Any] | None, why: str) -> None:
        self._threads.discard(thread)
        if future is not None:
            self._finished(future, None, WorkerDied(why))
        if self._jobs:  # they must not wait for the next call to come
            self._ready.release()
            self._start_for(self._busy)
