"""The working tier: a cache of this process's latest answers, cleared by any write to the store."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, NamedTuple, TypeVar, cast

from memento.memory import CacheUse
from memento.storage.database import Database, StoreVersion

FRESH_SECONDS: Final = 60.0
"""Lifetime of an answer without writes, since the age of memories is ranked and `since:1h` moves."""

_Answer = TypeVar("_Answer")


class _CachedAnswer(NamedTuple):
    answer: object
    until: float


class WorkingTier:
    """The latest answers. Safe for use from several threads; answers are shared and must not be changed."""

    def __init__(self, database: Database, size: int) -> None:
        self._database, self._size = database, size
        self._kept: OrderedDict[Hashable, _CachedAnswer] = OrderedDict()
        self._version: StoreVersion | None = None
        self._lock = threading.Lock()
        self._hits = self._misses = 0

    def version(self) -> StoreVersion:
        """Return the store's version, clearing the cache if anything was written."""
        state = self._database.version()
        with self._lock:
            if state != self._version:
                self._kept.clear()
                self._version = state
        return state

    def find(self, key: Hashable, kind: type[_Answer]) -> _Answer | None:
        """Return the valid answer cached under `key`. Call `version` first."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept.until < time.monotonic():
                self._misses += 1
                return None
            self._hits += 1
            self._kept.move_to_end(key)
        return cast(kind, kept.answer)  # type: ignore[valid-type]

    def keep(self, state: StoreVersion, key: Hashable, answer: object) -> None:
        """Cache an answer found at this version of the store, unless the version has changed."""
        if self.version() != state or self._size < 1:
            return
        with self._lock:
            if self._version != state:
                return
            self._kept[key] = _CachedAnswer(answer, time.monotonic() + FRESH_SECONDS)
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def use(self) -> CacheUse:
        """Return the use of the tier."""
        with self._lock:
            return CacheUse(len(self._kept), self._size, self._hits, self._misses)
