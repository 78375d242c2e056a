"""The cache of query vectors: in the process, backed by the database."""

from __future__ import annotations

import atexit
import os
import threading
import time
from _thread import start_new_thread
from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import fsum, sqrt
from typing import ClassVar, Final

from memento.config import Cache
from memento.embedding import Embedded
from memento.embedding.passages import segment_end
from memento.embedding.token_codes import MAX_CODES
from memento.errors import StoreError
from memento.memory import CacheUse
from memento.search.models import Models
from memento.storage import vectors
from memento.storage.database import Database, DeadlineExceeded, acquired

QUERY_CHARACTERS: Final = 10_000
"""Leading characters of a query that are embedded, so that a pasted log does not use up the deadline."""
QUERY_SEGMENT_BYTES: Final = 1_200
"""UTF-8 bytes of a query per call of the model, for which others wait: a tenth of a second on a slow core."""
PendingVectors = Callable[[], list[Embedded]]
"""Waits for the vectors of texts and returns them with the words' codes. Raises DeadlineExceeded, ModelMissing or
ModelError."""
_CONCURRENT: Final = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))
"""Limits concurrent embedding, so that questions past their deadline do not pile up."""
WAIT_SECONDS: Final = 0.05
"""How long a query waits for the write lock to cache its embedding."""


class QueryCache:
    """The vectors of the latest queries. Safe for use from several threads."""

    def __init__(self, database: Database, models: Models, sizes: Cache) -> None:
        self._database, self._models, self._sizes = database, models, sizes
        self._kept: OrderedDict[tuple[str, str], Embedded] = OrderedDict()
        self._lock = threading.Lock()
        self._hits = self._found = self._computed = 0

    def request_vectors(self, model: str, texts: Sequence[str], deadline: float | None = None) -> PendingVectors:
        """Look queries up, and begin to embed unknown ones, in one batch, in a new thread.

        Return a function that waits for the vectors, in the order of `texts`, until `deadline` (time.monotonic()) at
        most; embedding that has not begun by then is cancelled.
        """
        texts = [text[:QUERY_CHARACTERS] for text in texts]
        with self._lock:
            known = {text: vector for text in texts if (vector := self._kept.get((model, text))) is not None}
            self._hits += len(known)
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        stored = self._stored(model, missing) if missing else {}
        known |= {text: Embedded(kept.blob, kept.codes) for text, kept in stored.items()}
        new = [text for text in missing if text not in stored]
        embedding = _EmbeddingTask(self._models, model, new, deadline)
        if new:
            embedding.start()

        def vectors_of_texts() -> list[Embedded]:
            embedded = dict(zip(new, embedding.wait(), strict=True)) if new else {}
            self._store(model, embedded, [text for text, kept in stored.items() if kept.stale])
            self._keep(model, found := {**known, **embedded})
            return [found[text] for text in texts]

        return vectors_of_texts

    def use(self) -> tuple[CacheUse, CacheUse]:
        """Return the use of the process's cache and of the database's; sizes are capacities."""
        with self._lock:
            missed = self._found + self._computed
            process = CacheUse(len(self._kept), self._sizes.lru_size, self._hits, missed)
            found, computed = self._found, self._computed
        with self._database.read() as connection:
            return process, CacheUse(vectors.count_cached(connection), self._sizes.table_size, found, computed)

    def _stored(self, model: str, texts: Sequence[str]) -> dict[str, vectors.CachedEmbedding]:
        """Return the queries that are in the database's cache."""
        with self._database.read() as connection:
            looked = {text: vectors.read_cached(connection, model, text) for text in texts}
        stored = {text: kept for text, kept in looked.items() if kept}
        with self._lock:
            self._found += len(stored)
        return stored

    def _store(self, model: str, embedded: Mapping[str, Embedded], touched: Sequence[str]) -> None:
        """Add new vectors to the database's cache, and record the use of known ones."""
        if not embedded and not touched:
            return
        with suppress(StoreError), self._database.write(within=WAIT_SECONDS, derived=True) as connection:
            for text in touched:
                vectors.touch_cached(connection, model, text)
            for text, made in embedded.items():
                vectors.write_cached(
                    connection, model, text, blob=made.vectors, codes=made.codes, keep=self._sizes.table_size
                )
        with self._lock:
            self._computed += len(embedded)

    def _keep(self, model: str, found: Mapping[str, Embedded]) -> None:
        with self._lock:
            for text, made in found.items():
                self._kept[model, text] = made
                self._kept.move_to_end((model, text))
            while len(self._kept) > self._sizes.lru_size:
                self._kept.popitem(last=False)


class _EmbeddingTask:
    """Embeds texts in a thread while the caller does something else. It holds no connection to the database."""

    running: ClassVar[set[_EmbeddingTask]] = set()
    """Running tasks, possibly without a waiting caller; the process waits for them when it ends."""

    def __init__(self, models: Models, model: str, texts: Sequence[str], deadline: float | None) -> None:
        self._models, self._model, self._texts, self._deadline = models, model, texts, deadline
        self._made: list[Embedded] = []
        self._error: BaseException | None = None
        self._running_lock = threading.Lock()

    def start(self) -> None:
        """Start the thread. threading.Thread would wait 0.2 ms until it runs."""
        self._running_lock.acquire()
        self.running.add(self)
        try:
            start_new_thread(self._run, ())
        except RuntimeError:  # the system has no thread to give
            self._run()

    def wait(self) -> list[Embedded]:
        """Wait for the vectors and return them. Raises what embedding raised, and DeadlineExceeded."""
        with acquired(self._running_lock, self._deadline):
            if self._error is not None:
                raise self._error
            return self._made

    def _run(self) -> None:
        try:
            self._made = self._embedded()
        except BaseException as error:
            self._error = error
        finally:
            self._running_lock.release()
            self.running.discard(self)

    def _embedded(self) -> list[Embedded]:
        """Embed the texts: the short ones in one call, each segment of a long one in its own call.

        Between calls other tasks can run, and a passed deadline ends the work.
        """
        parts = {text: _segments(text) for text in self._texts}
        short = [text for text, own in parts.items() if len(own) == 1]
        made = dict(zip(short, self._call(short), strict=True)) if short else {}
        for text in self._texts:
            if text not in made:
                made[text] = _mean([one for part in parts[text] for one in self._call([part])])
        return [made[text] for text in self._texts]

    def _call(self, texts: Sequence[str]) -> list[Embedded]:
        with acquired(_CONCURRENT, self._deadline):
            if self._deadline is not None and time.monotonic() >= self._deadline:
                raise DeadlineExceeded
            return self._models.embedder(self._model).embed_queries_to_bytes(texts)

    @classmethod
    def _wait_for_all(cls) -> None:
        """Wait for running tasks: ONNX Runtime aborts a process that ends while it works."""
        for one in list(cls.running):
            with one._running_lock:
                pass


def _segments(text: str) -> list[str]:
    """Return a text's segments in order."""
    parts, start = [], 0
    while start < len(text):
        stop = segment_end(text, start, QUERY_SEGMENT_BYTES)
        parts.append(text[start:stop])
        start = stop
    return parts or [text]


def _mean(parts: Sequence[Embedded]) -> Embedded:
    """Return the normalised mean of a query's parts, and the codes of its first MAX_CODES words.

    Without numpy: a recall in the native engine does not load it.
    """
    vectors = [array("f", part.vectors) for part in parts]
    total = [fsum(values) for values in zip(*vectors, strict=True)]
    length = sqrt(fsum(value * value for value in total)) or 1.0
    mean = array("f", [value / length for value in total])
    return Embedded(mean.tobytes(), b"".join(part.codes for part in parts)[: MAX_CODES * len(total) // 8])


atexit.register(_EmbeddingTask._wait_for_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_EmbeddingTask.running.clear)  # those threads are the parent's
