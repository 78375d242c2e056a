"""The way by meaning: query to vector, rows to vectors, vectors to rows. Everything here waits for a model to exist.

Embedding never happens inside a transaction: rows are committed first, found by words at once, and embedded here.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from memento.config import Config
from memento.embedding import Embedder, find_model, load_embedder
from memento.errors import ConfigError, ModelMissing, StoreError
from memento.search.index.backends import resolved
from memento.search.index_status import IndexStatus, index_status
from memento.search.store_index import StoreIndex
from memento.storage import vectors
from memento.storage.database import BUSY_SECONDS, Database, DeadlineExceeded
from memento.storage.filters import Filter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH: Final = 64
"""Rows embedded between two commits: a kill loses at most this much work."""
INDEX_EVERY: Final = 256
"""New embeddings that are taken into the index while embedding; fewer are left to the next query."""
GRAPH_STEP: Final = 1_000
"""Rows added to a graph between two reports of progress."""
GROW: Final = 2
"""Rows added to a graph for each embedding made: it catches up, and a query never waits for it."""
BATCH_CHARACTERS: Final = 20_000
"""Text embedded between two looks at a deadline: about 20 chunks, a fifth of a second."""
QUERY_CHARACTERS: Final = 10_000
"""What is looked at of a query: a pasted log must not take the whole deadline."""
CACHE_WAIT_SECONDS: Final = 0.05
"""How long a query waits for the write lock to cache its embedding; the cache is not worth more."""

Progress = Callable[[int], None]
"""Called with the number of memories just embedded."""


class Semantic:
    """The embedder, the vector index and the query cache of one store. Safe for use from several threads."""

    def __init__(self, database: Database, config: Config, embedder: Embedder | None = None) -> None:
        self._database = database
        self._config = config
        self._given = self._embedder = embedder
        recall = config.settings.recall
        self._index = StoreIndex(database, recall.index, config.settings.rust, recall.threads)
        self._unindexed = 0
        self._queries: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.RLock()

    @property
    def model(self) -> str:
        """The stamp of the model in use, known without loading it; empty when none is installed."""
        if self._embedder is not None:
            return self._embedder.model
        files = find_model(self._config.model_dir)
        return files.model if files else ""

    @property
    def embedder(self) -> Embedder:
        """The embedder, loaded on first use. Raises ModelMissing or ModelError."""
        with self._lock:
            if self._embedder is None:
                embedding = self._config.settings.embedding
                self._embedder = load_embedder(
                    self._config.model_dir,
                    precision="fp32" if embedding.precision == "fp32" else "int8",
                    threads=embedding.threads,
                    torch=not embedding.use_onnx,
                    rust=self._config.settings.rust,
                )
            return self._embedder

    def release(self) -> None:
        """Let the loaded model go; one that the caller gave stays."""
        with self._lock:
            if self._given is None:
                self._embedder = None

    def embed_pending(self, deadline: float | None = None, progress: Progress | None = None) -> int:
        """Embed the rows that wait for it until none is left or `deadline` (time.monotonic()); return how many.

        Raises ModelMissing, and StoreBusy when a deadline passes while another process writes.
        """
        if not self.pending():
            return 0
        embedder = self.embedder
        done = 0
        while deadline is None or time.monotonic() < deadline:
            with self._database.read() as connection:
                rows = vectors.pending(connection, embedder.model, BATCH)
            if not rows:
                break
            if deadline is not None:
                rows = _head(rows)
            embedded = embedder.embed([row.text for row in rows])
            within = BUSY_SECONDS if deadline is None else max(CACHE_WAIT_SECONDS, deadline - time.monotonic())
            with self._database.write(within=within) as connection:
                vectors.write(connection, embedder.model, list(zip(rows, embedded, strict=True)))
            done += len(rows)
            self._indexed(len(rows), embedder, deadline)
            if progress:
                progress(len(rows))
        return done

    def pending(self) -> int:
        """Count the rows that the model in use has not embedded."""
        with self._database.read() as connection:
            return vectors.pending_count(connection, self.model)

    def query_vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the queries' unit vectors, shape (queries, dimensions); those not known yet are embedded together.

        Raises ModelMissing or ModelError.
        """
        import numpy as np

        model, texts = self.model, [text[:QUERY_CHARACTERS] for text in texts]
        if not model:
            raise ModelMissing(self._config.model_dir)
        with self._lock:
            missing = [text for text in dict.fromkeys(texts) if f"{model}\0{text}" not in self._queries]
            vectors = {text: self._queries[f"{model}\0{text}"] for text in texts if text not in missing}
            vectors |= self._stored_queries(model, missing)
            for text in texts:
                self._queries[f"{model}\0{text}"] = vectors[text]
                self._queries.move_to_end(f"{model}\0{text}")
            while len(self._queries) > max(1, self._config.settings.cache.lru_size):
                self._queries.popitem(last=False)
        return np.stack([vectors[text] for text in texts])

    def search(
        self, query: NDArray[np.float32], k: int, filter_: Filter, also: list[int], deadline: float | None
    ) -> dict[int, float]:
        """Return {row number: cosine} of the k nearest memories that pass the filter, and of those in `also`."""
        import numpy as np

        with self._lock:
            index = self._index.current(self.model, len(query), deadline)
            among = None
            if not filter_.empty:
                with self._database.read(deadline) as connection:
                    among = np.array(vectors.passing(connection, filter_), dtype=np.int64)
            nearest = dict(index.search(query, k, among))
            rest = np.array([num for num in also if num not in nearest], dtype=np.int64)
            similar = index.similarities(query[None], rest)[0]
            return {**{int(num): float(one) for num, one in zip(rest, similar, strict=True) if one == one}, **nearest}

    def similarities(
        self, queries: NDArray[np.float32], nums: NDArray[np.int64], deadline: float | None = None
    ) -> NDArray[np.float32]:
        """Return the cosine of each query (q, dimensions) to each memory (n,), of its best passage: shape (q, n).

        NaN for a memory that the current model has not embedded.
        """
        with self._lock:
            return self._index.current(self.model, queries.shape[1], deadline).similarities(queries, nums)

    def _indexed(self, embedded: int, embedder: Embedder, deadline: float | None) -> None:
        """Take a large number of new embeddings into the index now, so that no later query has to."""
        with self._lock:
            self._unindexed += embedded
            if self._unindexed >= INDEX_EVERY:
                self._unindexed = 0
                with suppress(DeadlineExceeded, ConfigError):  # a query says what is wrong with the settings
                    self._index.current(embedder.model, embedder.dimensions, deadline)
            self._index.grow(GROW * embedded)

    def index_status(self) -> IndexStatus:
        """Read the whole vector file and compare it with the database."""
        settings = self._config.settings
        backend = resolved(settings.recall.index, settings.rust)
        return index_status(self._database, self._index.folder, self.model, backend)

    def rebuild_index(self, progress: Progress | None = None) -> None:
        """Make the vector file, and a graph where one is asked for, anew; `progress` is told of each row in a graph.

        Raises ModelMissing, ConfigError for a backend that is not installed, StoreError where it cannot be written.
        """
        embedder = self.embedder
        with self._lock:
            try:
                self._index.rebuild(embedder.model, embedder.dimensions)
                while added := self._index.grow(GRAPH_STEP):
                    if progress:
                        progress(added)
                self._index.save()
            except OSError as error:
                raise StoreError(f"{self._index.folder} cannot be written ({error.strerror}); try again") from None

    def _stored_queries(self, model: str, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return vectors from the database's cache, and embed and cache the rest."""
        import numpy as np

        with self._database.read() as connection:
            blobs = {text: vectors.cached(connection, model, text) for text in texts}
        found = {text: np.frombuffer(blob, dtype=np.float32) for text, blob in blobs.items() if blob}
        if new := [text for text in texts if text not in found]:
            embedded = dict(zip(new, self.embedder.embed_queries(new), strict=True))
            with suppress(StoreError), self._database.write(within=CACHE_WAIT_SECONDS) as connection:
                for text, vector in embedded.items():
                    keep = self._config.settings.cache.table_size
                    vectors.cache(connection, model, text, vector.tobytes(), keep)
            found |= embedded
        return found


def _head(rows: list[vectors.Pending]) -> list[vectors.Pending]:
    """Return the first rows whose texts are BATCH_CHARACTERS together, one row at least."""
    lengths = accumulate(len(row.text) for row in rows)
    return rows[: max(1, bisect_right(list(lengths), BATCH_CHARACTERS))]
