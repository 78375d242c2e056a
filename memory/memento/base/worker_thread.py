"""Worker threads that are restarted with backoff after an error, and the record of their failures.

Every error of a worker is counted, reported, and shown by `memento status`. Pauses between restarts double, and a
worker that keeps failing is called broken. The owner of a thread calls `tend` regularly, which restarts it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from memento.base.times import now_ms
from memento.errors import MementoError

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 300.0
HEALTHY_SECONDS: Final = 60.0
"""A worker that has run this long since its last start is healthy again."""
BROKEN_AFTER: Final = 5
"""Failures in a row after which a worker is called broken; it is still restarted."""
_LONGEST_ERROR: Final = 200


class WorkerState(msgspec.Struct, frozen=True):
    """What is known of one worker."""

    name: str
    restarts: int = 0
    """Number of restarts."""
    error: str = ""
    """The error that ended it last; empty if none has."""
    error_at: int = 0
    """Time of that error, Unix milliseconds."""
    running: bool = True
    broken: bool = False
    """Whether it fails at every restart."""

    @property
    def text(self) -> str:
        """The state in words."""
        if self.broken:
            return f"the {self.name} worker is broken, it ended {BROKEN_AFTER} times or more in a row: {self.error}"
        now = "runs again" if self.running else "is about to be started again"
        return f"the {self.name} worker {now}; it was started again {self.restarts:,} x, last after: {self.error}"


class Failures:
    """The errors of one worker, and when it may be started again. Safe for use from several threads."""

    def __init__(self, name: str, say: Callable[[str], None], first_pause: float = FIRST_PAUSE) -> None:
        self.name = name
        self._say, self._first_pause = say, first_pause
        self._lock = threading.Lock()
        self._in_a_row = self._restarts = self._error_at = 0
        self._error = ""
        self._running = True
        self._started_at = time.monotonic()
        self._due_at = 0.0

    def note(self, error: BaseException, said: str = "") -> None:
        """Record the error that ended the worker and report it, worded as `said` if given."""
        now, text = time.monotonic(), describe_error(error)
        with self._lock:
            steady = now - self._started_at >= HEALTHY_SECONDS
            self._in_a_row = 1 if self._running and steady else self._in_a_row + 1
            pause = min(self._first_pause * 2 ** min(self._in_a_row - 1, 20), LONGEST_PAUSE)
            self._running, self._due_at = False, now + pause
            is_news = text != self._error or self._in_a_row in (1, BROKEN_AFTER)
            self._error, self._error_at = text, now_ms()
            broken = self._in_a_row >= BROKEN_AFTER
        if is_news:
            state = "is broken" if broken else "ended"
            self._say(f"{said or f'the {self.name} worker {state} ({text})'}; it is started again in {pause:,.0f} s")

    def restarted(self) -> None:
        """Record that the worker was restarted."""
        with self._lock:
            if not self._running:
                self._restarts += 1
            self._running, self._started_at = True, time.monotonic()

    @property
    def resting(self) -> bool:
        """Whether the worker has ended and must not be restarted yet."""
        return not self._running and time.monotonic() < self._due_at

    @property
    def due(self) -> bool:
        """Whether the worker has ended and may be restarted now."""
        return not self._running and time.monotonic() >= self._due_at

    @property
    def state(self) -> WorkerState:
        """The current state of the worker."""
        with self._lock:
            is_well = self._running and time.monotonic() - self._started_at >= HEALTHY_SECONDS
            broken = self._in_a_row >= BROKEN_AFTER and not is_well
            return WorkerState(self.name, self._restarts, self._error, self._error_at, self._running, broken)


class WorkerThread:
    """A daemon thread that runs `work` until that returns because it was told to stop."""

    def __init__(self, work: Callable[[], None], failures: Failures) -> None:
        self.failures = failures
        self._work = work
        self._thread: threading.Thread | None = None
        self._told_to_stop = self._is_noted = False

    def start(self) -> None:
        """Start the thread; if the system cannot create one, `tend` retries."""
        self._is_noted = False
        thread = threading.Thread(target=self._run, name=f"memento-{self.failures.name}", daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            self._thread = None
            self._note(error)
        else:
            self._thread = thread

    def is_alive(self) -> bool:
        """Tell whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def tend(self) -> None:
        """Restart the thread if it has ended and its pause is over."""
        if self._told_to_stop or self.is_alive():
            return
        if not self._is_noted:
            self._note(RuntimeError("it ended without an error"))
        if self.failures.due:
            self.failures.restarted()
            self.start()

    def stop(self, seconds: float) -> None:
        """Wait until the thread ends, at most `seconds`, and never restart it. The caller has told `work` to end."""
        self._told_to_stop = True
        if self._thread is not None:
            self._thread.join(max(0.0, seconds))

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # SystemExit and MemoryError too: nothing may end a worker unseen
            if not self._told_to_stop:
                self._note(error)

    def _note(self, error: BaseException) -> None:
        self._is_noted = True
        self.failures.note(error)


def describe_error(error: BaseException) -> str:
    """Return an error as one line. An error that may quote stored text is described by its type and place only."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    name = type(error).__name__
    if isinstance(error, MementoError | OSError):
        return " ".join(f"{name}: {error}".split())[:_LONGEST_ERROR]
    if place is None:
        return f"{name}: {error}"[:_LONGEST_ERROR]
    return f"{name} at {Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}"
