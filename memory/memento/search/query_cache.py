"""Queries' vectors, each computed once: kept in the process, and behind that in the database."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from memento.config import Cache
from memento.errors import StoreError
from memento.memory import CacheUse
from memento.search.models import Models
from memento.storage import vectors
from memento.storage.database import Database

QUERY_CHARACTERS: Final = 10_000
"""What is looked at of a query: a pasted log must not take the whole deadline."""
WAIT_SECONDS: Final = 0.05
"""How long a query waits for the write lock to cache its embedding; the cache is not worth more."""


class QueryCache:
    """The vectors of the latest queries. Safe for use from several threads."""

    def __init__(self, database: Database, models: Models, sizes: Cache) -> None:
        self._database, self._models, self._sizes = database, models, sizes
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._hits = self._found = self._computed = 0

    def vectors(self, model: str, texts: Sequence[str]) -> list[bytes]:
        """Return unit vectors, each the bytes of its float32; those not known yet are embedded together.

        Raises ModelMissing or ModelError.
        """
        texts = [text[:QUERY_CHARACTERS] for text in texts]
        with self._lock:
            known = {text: vector for text in texts if (vector := self._kept.get((model, text))) is not None}
            self._hits += len(known)
        if missing := [text for text in dict.fromkeys(texts) if text not in known]:
            known |= self._stored(model, missing)
        with self._lock:
            for text in texts:
                self._kept[model, text] = known[text]
                self._kept.move_to_end((model, text))
            while len(self._kept) > max(1, self._sizes.lru_size):
                self._kept.popitem(last=False)
        return [known[text] for text in texts]

    def use(self) -> tuple[CacheUse, CacheUse]:
        """Return how the process's cache was used, and how the database's; their sizes are what may be in them."""
        with self._lock:
            missed = self._found + self._computed
            process = CacheUse(len(self._kept), self._sizes.lru_size, self._hits, missed)
            found, computed = self._found, self._computed
        with self._database.read() as connection:
            return process, CacheUse(vectors.cached_count(connection), self._sizes.table_size, found, computed)

    def _stored(self, model: str, texts: Sequence[str]) -> dict[str, bytes]:
        """Return vectors from the database's cache, and embed and cache the rest."""
        with self._database.read() as connection:
            blobs = {text: vectors.cached(connection, model, text) for text in texts}
        found = {text: kept.blob for text, kept in blobs.items() if kept}
        embedded: dict[str, bytes] = {}
        if new := [text for text in texts if text not in found]:
            made = self._models.embedder(model).embed_queries_to_bytes(new)
            embedded = dict(zip(new, made, strict=True))
        touched = [text for text, kept in blobs.items() if kept and kept.stale]
        if new or touched:
            with suppress(StoreError), self._database.write(within=WAIT_SECONDS, derived=True) as connection:
                for text in touched:
                    vectors.touch(connection, model, text)
                for text, vector in embedded.items():
                    vectors.cache(connection, model, text, vector, self._sizes.table_size)
        with self._lock:
            self._found += len(found)
            self._computed += len(new)
        return found | embedded
