"""`memento watch`: composes the sweep, the events, the ingest worker and the embed worker, and answers signals.

SIGTERM and SIGINT finish the batch in hand and stop; SIGHUP reads config and policies again, and an error in them keeps
what was in force and says so.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from memento.base.counted import counted
from memento.base.home import expand_user
from memento.base.link_key import load_key
from memento.config import Config, load_config
from memento.errors import MementoError, StoreError
from memento.jobs.worker import JobsWorker
from memento.memory import NewMemory
from memento.restore.deleted_files import DeletedFiles
from memento.store import MemoryStore
from memento_ingest.batch_ingest import Ingestion, Options
from memento_ingest.events.spool import folders
from memento_ingest.sidecar.capture import CaptureWorker
from memento_ingest.sidecar.checks import jobs_with_capture
from memento_ingest.sidecar.descriptors import raise_limit
from memento_ingest.sidecar.embedding import EmbedWorker
from memento_ingest.sidecar.lock import SoleInstance, sole_instance
from memento_ingest.sidecar.notifying import ServiceNotifier
from memento_ingest.sidecar.places import Watched, agents_places, watched
from memento_ingest.sidecar.serving import Serving
from memento_ingest.sidecar.spooled import Spool
from memento_ingest.sidecar.supervision import CAPTURE, EMBEDDING, EVENTS, JOBS, REQUESTS, SERVER, Supervision
from memento_ingest.sidecar.sweep import Sweep
from memento_ingest.sidecar.wake import Wake
from memento_policies import Policy, load_policy

if TYPE_CHECKING:
    from memento_ingest.server.faces import Faces
    from memento_ingest.server.health import Watching

SWEEP_SECONDS: Final = 2.0
SLOWEST_SWEEP_SECONDS: Final = 5.0
_SWEEP_SHARE: Final = 0.02
"""A sweep of many files comes less often, so that looking stays under this share of one CPU."""
COALESCE_SECONDS: Final = 0.01
"""After an event: agents write a message in several small writes."""
SIGNAL_SECONDS: Final = 0.5
"""Signals only set flags (a handler must not take the lock that the wait holds); this is how soon they are seen."""
RETRY_SECONDS: Final = 1.0
DRAIN_SECONDS: Final = 2.0
JOB_SECONDS: Final = 0.3
"""What a job in hand gets to finish; it is cut off then, and run again by the next sidecar."""


class Sidecar:
    """Follows every source into one store until it is told to stop."""

    def __init__(
        self,
        config: Config,
        roots: Sequence[Path],
        flags: dict[str, object],
        say: Callable[[str], None],
        faces: Faces | None = None,
    ) -> None:
        self._config, self._flags, self._say, self._faces = config, flags, say, faces or {}
        self._given = [expand_user(root).absolute() for root in roots]
        self._stopping = self._reload = self._is_live = False
        self._supervision = Supervision(config.db_path, os.getpid(), say)
        self._wake = Wake(self._supervision[EVENTS])
        self._manager = ServiceNotifier()
        self._has_read_all = False
        self._store_failed = ""
        self._next_sweep = 0.0
        self._projects: set[str] = set()
        self._places_are_old = False
        """A project was met for the first time: some agents keep their history there."""

    def run(self) -> None:
        """Watch until SIGTERM or SIGINT. Raises AlreadyRunning, StoreError, PolicyError."""
        with MemoryStore(config=self._config) as store, sole_instance(store.path) as lock:
            self._catch_signals()
            raise_limit()
            sweep = Sweep(*self._watched(store))
            capture = CaptureWorker(self._ingestion(store.policy, store), sweep, self._say)
            budget = self._config.settings.sidecar
            failures = self._supervision
            embed = EmbedWorker(store, budget.embed_cpu_share, budget.memory_mb, self._say, failures[EMBEDDING])
            self._say(f"watching {counted(len(sweep.roots), 'place')} for {store.path}")
            embed.start()
            watching = partial(self._watching, sweep, capture)
            serving = Serving(store, watching, embed.wake, self._say, failures[SERVER], failures[REQUESTS], self._faces)
            serving.start()
            jobs = JobsWorker(store, self._say, jobs_with_capture(), failures=failures[JOBS])
            jobs.start()
            self._supervision.begin(embed.tend, jobs.tend, serving.tend)
            self._manager.ready(f"following {counted(len(sweep.roots), 'place')}")
            try:
                self._follow(store, sweep, capture, embed, serving, lock)
            finally:
                self._manager.stopping()
                until = time.monotonic() + DRAIN_SECONDS
                self._wake.stop()
                serving.stop()
                jobs.stop(JOB_SECONDS)
                embed.stop(until - time.monotonic())
                self._supervision.end()
        self._say("stopped")

    def _ingestion(self, policy: Policy, store: MemoryStore) -> Ingestion:
        on_kept = None if self._given else self._look_where_it_works  # only agents' places depend on the projects
        return Ingestion(policy, Options(live=True), store, on_kept=on_kept)

    def _look_where_it_works(self, memory: NewMemory) -> None:
        """Take note of the project of what was just stored."""
        if memory.project and memory.project not in self._projects:
            self._projects.add(memory.project)
            self._places_are_old = True
            self._next_sweep = 0.0

    def _watching(self, sweep: Sweep, capture: CaptureWorker) -> Watching:
        from memento_ingest.server.health import Watching

        unreadable = {str(path): why for path, why in capture.problems.copy().items()}
        problems = {**sweep.problems, **unreadable}
        return Watching(capture.waiting, problems, self._wake.overflows, self._supervision.states())

    def _follow(
        self,
        store: MemoryStore,
        sweep: Sweep,
        capture: CaptureWorker,
        embed: EmbedWorker,
        serving: Serving,
        lock: SoleInstance,
    ) -> None:
        spool = Spool(store, sweep, folders(self._config.home))
        files = DeletedFiles(store.database, self._config, self._say)
        failures = self._supervision[CAPTURE]
        self._next_sweep = 0.0
        while not self._stopping:
            self._manager.alive()
            self._supervision.tend()
            if failures.resting:
                time.sleep(SIGNAL_SECONDS)
                continue
            failures.restarted()
            try:
                if self._reload:
                    self._reloaded(store, sweep, capture, embed, serving)
                if files.check():
                    lock.renew()
                    serving.renew()
                if store.take_up_restored():
                    self._read_again(store, sweep, capture)
                self._look(store, sweep, capture, spool)
                worked = capture.step()
            except StoreError as error:
                self._failed(error, capture)
                continue
            except BaseException as error:  # signals only set flags, so nothing else is meant to end this loop
                failures.note(error)
                capture.forget_queue()
                self._next_sweep = 0.0
                continue
            self._store_failed = ""
            if worked:
                embed.wake()
            else:
                self._caught_up(store, capture)
                self._wake.wait(min(SIGNAL_SECONDS, max(0.0, self._next_sweep - time.monotonic())))
                time.sleep(COALESCE_SECONDS)

    def _caught_up(self, store: MemoryStore, capture: CaptureWorker) -> None:
        """Say once that what was there has been read, and let answers go without a note after a restore."""
        if not self._has_read_all and not capture.problems:
            store.sources_read()
            self._has_read_all = True
        if not self._is_live:
            self._is_live = True
            read = capture.ingestion.report
            kept = f"kept {read.kept:,} of {counted(read.seen, 'message')} in {counted(read.sources, 'source')}"
            self._say(f"{kept if read.sources else 'nothing new was there'}; what is written from now on follows")

    def _look(self, store: MemoryStore, sweep: Sweep, capture: CaptureWorker, spool: Spool) -> None:
        """Queue what events named or, when its time has come, what a sweep finds."""
        named = self._wake.take()
        if named is None and self._wake.overflows == 1:
            self._say("file events were lost in a burst: every file is looked at (/metrics counts it from now on)")
        if named is None or time.monotonic() >= self._next_sweep:
            started = time.monotonic()
            spool.tend()
            if spool.names_new_transcripts() or self._places_are_old:
                self._places_are_old = False
                sweep.roots, sweep.accepts = self._watched(store)
            self._wake.watch(sweep.roots)
            capture.add(sweep.changed())
            took = time.monotonic() - started
            self._next_sweep = time.monotonic() + min(SLOWEST_SWEEP_SECONDS, max(SWEEP_SECONDS, took / _SWEEP_SHARE))
        elif named:
            capture.add(sweep.changed_among(named))

    def _failed(self, error: StoreError, capture: CaptureWorker) -> None:
        """Say what is wrong with the store, once; all of it is tried again."""
        if str(error) != self._store_failed:
            self._say(f"{error}; nothing is lost, it is tried again")
        self._store_failed = str(error)
        capture.forget_queue()
        self._next_sweep = 0.0
        time.sleep(RETRY_SECONDS)

    def _read_again(self, store: MemoryStore, sweep: Sweep, capture: CaptureWorker) -> None:
        """Go on from the offsets of the file that took the store's place."""
        self._say(
            f"{store.path} is another file now, a restored backup or one that was put there: "
            "every source is read again from where that left it"
        )
        capture.forget_queue()
        sweep.done.clear()
        self._has_read_all = False
        self._next_sweep = 0.0

    def _reloaded(
        self, store: MemoryStore, sweep: Sweep, capture: CaptureWorker, embed: EmbedWorker, serving: Serving
    ) -> None:
        self._reload = False
        self._next_sweep = 0.0
        self._manager.reloading()
        try:
            config = load_config(self._flags)
            policy = load_policy(config.policy_dir, load_key(store.path.parent))
        except MementoError as error:
            self._say(f"kept the settings in force: {error}")
            self._manager.ready("kept the settings in force")
            return
        self._config = config
        sweep.roots, sweep.accepts = self._watched(store)
        capture.forget_queue()
        capture.ingestion = self._ingestion(policy, store)
        store.take_up(config)
        embed.wake()
        serving.apply(config.settings.server)
        self._say("read config and policies again")
        self._manager.ready(f"following {counted(len(sweep.roots), 'place')}")

    def _watched(self, store: MemoryStore) -> Watched:
        own = [expand_user(path).absolute() for path in self._config.settings.sidecar.paths]
        own += [*folders(self._config.home), *(Path(path) for path in store.followed())]
        if self._given:
            return watched([*self._given, *own], [])
        projects = store.projects()
        self._projects.update(projects)
        return watched(own, agents_places(projects))

    def _catch_signals(self) -> None:
        def stop(_number: int, _frame: FrameType | None) -> None:
            self._stopping = True

        def reload(_number: int, _frame: FrameType | None) -> None:
            self._reload = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        if sys.platform != "win32":
            signal.signal(signal.SIGHUP, reload)
