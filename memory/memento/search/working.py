"""The working tier: the latest answers of this process, until anything is written to the store."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, NamedTuple, TypeVar, cast

from memento.memory import CacheUse
from memento.storage.database import Database

FRESH_SECONDS: Final = 60.0
"""How long an answer is good when nothing is written: how old a memory is counts a little, and `since:1h` moves."""

_Answer = TypeVar("_Answer")


class _Kept(NamedTuple):
    answer: object
    epoch: int
    until: float


class Moment(NamedTuple):
    """The state of the store before an answer was looked for."""

    epoch: int
    version: int


class WorkingTier:
    """The latest answers. Safe for use from several threads; answers are shared and must not be changed.

    SQLite tells each connection whether another one has committed (`PRAGMA data_version`), and how many rows itself
    has changed. Every thread compares both with what it saw last; where they differ, a new epoch begins for all.
    """

    def __init__(self, database: Database, size: int) -> None:
        self._database, self._size = database, size
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._seen = threading.local()
        self._lock = threading.Lock()
        self._epoch = self._hits = self._misses = 0

    def moment(self) -> Moment:
        """Look whether anything was written since this thread looked last."""
        state = self._database.state()
        with self._lock:
            if getattr(self._seen, "state", None) != state:
                self._seen.state = state
                self._epoch += 1
            return Moment(self._epoch, state.committed)

    def find(self, moment: Moment, key: Hashable, kind: type[_Answer]) -> _Answer | None:
        """Return the answer that was kept under `key`, if it still holds."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept.epoch != moment.epoch or kept.until < time.monotonic():
                self._misses += 1
                return None
            self._hits += 1
            self._kept.move_to_end(key)
        return cast(kind, kept.answer)  # type: ignore[valid-type]

    def keep(self, moment: Moment, key: Hashable, answer: object) -> None:
        """Keep an answer that was looked for since `moment`, unless another connection has written meanwhile.

        What this thread wrote itself meanwhile (a query's embedding, rows that waited for theirs) is in the answer.
        """
        now = self.moment()
        if now.version != moment.version or self._size < 1:
            return
        with self._lock:
            self._kept[key] = _Kept(answer, now.epoch, time.monotonic() + FRESH_SECONDS)
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def use(self) -> CacheUse:
        """Return how the tier was used."""
        with self._lock:
            return CacheUse(len(self._kept), self._size, self._hits, self._misses)
