"""The embed worker: one thread that turns committed rows into vectors, within a share of one CPU.

It never holds a transaction while it computes, and lets the model go when there was nothing to do for a while.
"""

from __future__ import annotations

import gc
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from memento.base.worker_thread import Failures, WorkerThread
from memento.errors import MementoError, ModelError, StoreBusy
from memento.store import MemoryStore

IDLE_SECONDS: Final = 120.0
"""After which the model is dropped: the sidecar is idle most of the day."""
RETRY_SECONDS: Final = 30.0
_SLICE: Final = 0.5
"""Seconds of work between two looks at the stop flag."""


class EmbedWorker:
    """Embeds in the background; `wake` tells it that rows were committed."""

    def __init__(
        self,
        store: MemoryStore,
        cpu_share: float,
        memory_mb: int,
        say: Callable[[str], None],
        failures: Failures | None = None,
    ) -> None:
        self._store, self._share, self._memory_mb, self._say = store, cpu_share, memory_mb, say
        self._event, self._stopping = threading.Event(), threading.Event()
        self._thread = WorkerThread(self._run, failures or Failures("embedding", say))
        self._model_missing = False
        self._rested = False

    def start(self) -> None:
        """Begin with what an earlier run left."""
        self._thread.start()

    def wake(self) -> None:
        """Look for rows to embed."""
        self._event.set()

    def stop(self, seconds: float) -> None:
        """Stop after the slice in hand, waiting at most this long; what is not embedded stays found by words."""
        self._stopping.set()
        self._event.set()
        self._thread.stop(seconds)

    def tend(self) -> None:
        """Start the thread again where it has ended."""
        self._thread.tend()

    def _run(self) -> None:
        self._event.set()  # a thread that ended may have left work behind
        idle_since = time.monotonic()
        keep = self._store.config.settings.sidecar.preload_model
        if keep:
            self._store.warm()
        while not self._stopping.is_set():
            if self._model_missing:  # not at every commit: asking for it costs more than a commit
                self._stopping.wait(RETRY_SECONDS)
            woken = self._event.wait(0 if self._model_missing else IDLE_SECONDS)
            self._event.clear()
            if woken or self._model_missing:
                self._drain()
                idle_since = time.monotonic()
            elif not keep and time.monotonic() - idle_since >= IDLE_SECONDS:
                self._store.release_model()

    def _drain(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                done = self._store.embed_pending(deadline=started + _SLICE)
            except ModelError as error:
                if not self._model_missing:
                    self._say(f"capture goes on, found by words only: {error}")
                self._model_missing = True
                return
            except StoreBusy:  # capture is writing: it goes first
                self._stopping.wait(_SLICE)
                continue
            except MementoError as error:
                self._say(f"embedding failed and is tried again: {error}")
                self._stopping.wait(RETRY_SECONDS)
                self._event.set()
                return
            self._model_missing = False
            if not done:
                return
            worked = time.monotonic() - started
            self._stopping.wait(worked * (1 / self._share - 1))
            if resident_mb() > self._memory_mb:
                self._rest()

    def _rest(self) -> None:
        """Let the model go, and embed on only when that brought the process under its memory again."""
        self._store.release_model()
        gc.collect()
        if resident_mb() <= self._memory_mb:
            return
        if not self._rested:
            self._say(
                f"{resident_mb():.0f} MB are in use, sidecar.memory_mb is {self._memory_mb}: embedding rests; "
                "capture goes on, and what is not embedded is found by words"
            )
        self._rested = True
        self._stopping.wait(RETRY_SECONDS)


def resident_mb() -> float:
    """Return the memory this process holds, 10^6 bytes; where the system tells only of the peak, that."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
    return pages * resource.getpagesize() / 1e6
