"""File events, reduced to a hint: which paths to look at now. What they say of a path is never believed.

The kernel drops events in bursts and watchdog's threads can die; the sweep behind makes both harmless. Here they are
only counted and mended.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from memento.base.filesystem import REMOTE_KINDS, kind_of
from memento.base.worker_thread import Failures

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver

LIMIT: Final = 10_000
"""Paths remembered between two looks; beyond it a full sweep is cheaper, and memory stays bounded."""


class Wake:
    """Watches folders and wakes the worker; `take` returns what events named since the last time."""

    def __init__(self, failures: Failures | None = None) -> None:
        self._failures = failures or Failures("events", lambda _: None)
        self._threads: list[threading.Thread] = []
        """Those that watchdog started for the observer."""
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._paths: set[Path] = set()
        self._overflowed = False
        self._observer: BaseObserver | None = None
        self._scheduled: set[Path] = set()
        self.overflows = 0
        """Times that events were lost, by the kernel or here."""
        _listen_for_losses(self)

    def watch(self, roots: Iterable[Path]) -> None:
        """Watch the folders among the roots that exist; call it again when some may have appeared."""
        wanted = {root if root.is_dir() else root.parent for root in roots if root.exists()}
        wanted = {
            folder for folder in wanted if kind_of(folder) not in REMOTE_KINDS
        }  # there the sweep alone sees changes
        if self._observer is not None and (dead := [one for one in self._threads if not one.is_alive()]):
            self._failures.note(RuntimeError("a thread of watchdog's ended"))
            for thread in dead:
                vars(thread)["_is_reading"] = False  # else watchdog leaves it to this thread to close its descriptors
            self.stop()
        if wanted - self._scheduled and self._observer is not None:
            self.stop()  # a folder that was deleted and made again needs a fresh watch too
        if self._observer is None and wanted and not self._failures.resting:
            self._failures.restarted()
            self._start(wanted)

    def wait(self, seconds: float) -> None:
        """Wait until something happens, at most this long."""
        self._event.wait(seconds)

    def take(self) -> set[Path] | None:
        """Return the paths named since the last call; None when there were too many to remember."""
        with self._lock:
            self._event.clear()
            paths, self._paths = self._paths, set()
            overflowed, self._overflowed = self._overflowed, False
        return None if overflowed else paths

    def stop(self) -> None:
        """Stop watching."""
        if self._observer is not None:
            self._observer.stop()
            if self._observer.is_alive():
                self._observer.join(1)
        self._observer, self._scheduled = None, set()

    def _start(self, folders: set[Path]) -> None:
        from watchdog import events
        from watchdog.observers import Observer

        class Handler(events.FileSystemEventHandler):
            dispatch = staticmethod(self.named)

        # Not opening and closing: our own reading causes those.
        kinds: list[type[events.FileSystemEvent]] = [
            events.FileCreatedEvent, events.FileModifiedEvent, events.FileMovedEvent,
            events.DirCreatedEvent, events.DirMovedEvent,
        ]  # fmt: skip
        before = set(threading.enumerate())
        observer: BaseObserver | None = None
        try:
            observer = Observer()
            for folder in folders:
                try:
                    observer.schedule(Handler(), os.fspath(folder), recursive=True, event_filter=kinds)
                except OSError:
                    continue  # no inotify watches left, or the folder has gone: the sweep covers it
                self._scheduled.add(folder)
            observer.daemon = True
            observer.start()
        except (OSError, RuntimeError, MemoryError) as error:  # no descriptor, inotify instance or thread is left
            self._scheduled = set()
            self._failures.note(error)
            if observer is not None:
                with suppress(OSError, RuntimeError):
                    observer.stop()
            return
        self._observer = observer
        self._threads = [one for one in threading.enumerate() if one not in before and _is_watchdogs(one)]

    def named(self, event: FileSystemEvent) -> None:
        """Take note of one event. Called from watchdog's thread."""
        with self._lock:
            for name in (event.src_path, event.dest_path):
                if name and len(self._paths) < LIMIT:
                    self._paths.add(Path(os.fsdecode(name)))
                elif name:
                    self._lost()
            self._event.set()

    def lost(self) -> None:
        """Take note that the kernel dropped events. Called from watchdog's thread."""
        with self._lock:
            self._lost()
            self._event.set()

    def _lost(self) -> None:
        if not self._overflowed:
            self._overflowed = True
            self.overflows += 1


def _is_watchdogs(thread: threading.Thread) -> bool:
    return type(thread).__module__.startswith("watchdog.")


def _listen_for_losses(wake: Wake) -> None:
    """Hear of the events that the kernel dropped: watchdog (7 and newer) tells of them in its log alone."""

    class Losses(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "events were lost" in record.msg:
                wake.lost()

    log = logging.getLogger("watchdog")
    log.handlers[:] = [Losses(logging.WARNING)]
    log.propagate = False  # the sidecar says it in its own words
