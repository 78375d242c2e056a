"""Semantic search: query to vector, rows to vectors, vectors to rows. Everything here needs a model."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from memento.config import Config
from memento.embedding import Embedded, Embedder
from memento.errors import ConfigError, ModelMissing, StoreBusy, StoreError
from memento.memory import CacheUse
from memento.search.backlog import Backlog, Progress, Swap
from memento.search.index.backends import accelerator_class, resolved
from memento.search.index.vector_index import VectorIndex
from memento.search.index_status import IndexStatus, index_status
from memento.search.models import Models
from memento.search.query_cache import PendingVectors, QueryCache
from memento.search.store_index import StoreIndex
from memento.storage import vectors
from memento.storage.database import Database, DeadlineExceeded, acquired
from memento.storage.filters import Filter

INDEX_EVERY: Final = 1_024
"""New embeddings after which the index is updated while embedding; fewer are left to the next query."""
GRAPH_STEP: Final = 1_000
"""Rows added to a graph between two reports of progress."""
GROW: Final = 2
"""Rows added to a graph per embedding made, so that it catches up without a query waiting for it."""

NO_COSINE: Final = 1.01
"""A cosine beyond this is impossible for unit vectors: the vector file is damaged, or a custom embedder is wrong."""


class Semantic:
    """The models, the vector index and the query cache of one store. Safe for use from several threads.

    `model` pins a query to the model that answered when it began, since another may take over.
    """

    def __init__(self, database: Database, config: Config, embedder: Embedder | None = None) -> None:
        self._database = database
        self._config = config
        self._models = Models(database, config, embedder)
        self._queries = QueryCache(database, self._models, config.settings.cache)
        self._backlog = Backlog(database, self._models, self._indexed)
        self._index = _index_of(database, config)
        self._unindexed = 0
        self._lock = threading.RLock()

    @property
    def model(self) -> str:
        """The stamp of the answering model, known without loading it; empty if none is installed."""
        return self._models.active().answering

    def use_config(self, config: Config) -> None:
        """Use the model and the vector backend of these settings from now on."""
        self._models.use_config(config)
        with self._lock:
            self._config, self._index = config, _index_of(self._database, config)

    def release(self) -> None:
        """Unload the models; an embedder that the caller gave stays."""
        self._models.release()

    def warm(self) -> threading.Thread:
        """Load the model in a new thread."""
        return self._models.warm()

    def embed_pending(
        self, deadline: float | None = None, progress: Progress | None = None, *, swap: bool = True
    ) -> int:
        """Embed pending rows until none is left or `deadline` (time.monotonic()); return how many.

        Without `swap`, nothing is embedded for a following model. Raises ModelMissing, and StoreBusy if a deadline
        passes while another process writes.
        """
        return self._backlog.embed_pending(deadline, progress, swap=swap)

    def count_pending(self, model: str | None = None) -> int:
        """Count the rows that a model (default: the answering one) has not embedded."""
        return self._backlog.count_pending(self.model if model is None else model)

    def count_to_embed(self) -> int:
        """Count the embeddings to make, including those for a following model."""
        return self._backlog.count_to_embed()

    def swap(self) -> Swap:
        """Return which model answers, which follows, and the progress of the latter."""
        return self._backlog.status()

    def cache_use(self) -> tuple[CacheUse, CacheUse]:
        """Return the use of the query caches of the process and of the database."""
        return self._queries.use()

    def query_vectors(self, texts: Sequence[str], model: str | None = None) -> list[bytes]:
        """Return the queries' unit vectors as bytes of float32: cached ones, and new ones embedded in one batch.

        Raises ModelMissing or ModelError.
        """
        return [one.vectors for one in self.request_vectors(texts, self.model if model is None else model)()]

    def request_vectors(self, texts: Sequence[str], model: str, deadline: float | None = None) -> PendingVectors:
        """Begin to embed queries; return a function that waits for their vectors, until the deadline at most."""
        if model:
            return self._queries.request_vectors(model, texts, deadline)

        def missing() -> list[Embedded]:
            raise ModelMissing(self._config.model_dir)

        return missing

    def search(
        self,
        query: bytes,
        k: int,
        filter_: Filter,
        deadline: float | None,
        model: str | None = None,
    ) -> dict[int, float]:
        """Return {row number: cosine} of the k nearest memories that pass the filter. Raises DeadlineExceeded."""
        with acquired(self._lock, deadline):
            index = self._current(query, deadline, model)
            among = None
            if not filter_.empty:
                with self._database.read(deadline) as connection:
                    among = vectors.matching_rows(connection, filter_)
            nearest = dict(index.search(query, k, among))
            if not all(abs(cosine) < NO_COSINE for cosine in nearest.values()) and self._index.repair():
                index = self._current(query, deadline, model)
                nearest = dict(index.search(query, k, among))
            return nearest

    def similarities(
        self,
        queries: Sequence[bytes],
        nums: Sequence[int],
        deadline: float | None = None,
        model: str | None = None,
    ) -> list[list[float]]:
        """Return for each query (at least one) its cosine to each memory, to its best passage.

        NaN for a memory that was not embedded when the index was last updated. Raises DeadlineExceeded.
        """
        with acquired(self._lock, deadline):
            index = self._index.latest(model) if model else None
            if index is None:
                index = self._current(queries[0], deadline, model)
            return index.similarities(queries, nums)

    def max_similarities(
        self, question: Embedded, nums: Sequence[int], deadline: float | None, model: str
    ) -> dict[int, list[float]]:
        """Return {row number: for each token of the question, the maximum similarity to any of its tokens}.

        Memories without codes are left out; so are all if the question has no codes. Raises DeadlineExceeded.
        """
        if not question.codes:
            return {}
        with self._database.read(deadline) as connection:
            codes = vectors.read_codes(connection, model, nums)
        with acquired(self._lock, deadline):
            index = self._index.latest(model) or self._current(question.vectors, deadline, model)
            return dict(zip(codes, index.max_similarities(question.codes, list(codes.values())), strict=True))

    def _current(self, query: bytes, deadline: float | None, model: str | None) -> VectorIndex:
        return self._index.current(model or self.model, len(query) // 4, deadline)

    def _indexed(self, embedded: int, embedder: Embedder, deadline: float | None) -> None:
        """Add a large number of new embeddings to the index now, so that no later query has to.

        If another thread holds the index past the deadline, a later query does it.
        """
        with suppress(DeadlineExceeded), acquired(self._lock, deadline):
            self._unindexed += embedded
            if self._unindexed >= INDEX_EVERY:
                self._unindexed = 0
                with suppress(DeadlineExceeded, ConfigError):  # a query reports wrong settings
                    self._index.current(embedder.model, embedder.dimensions, deadline)
            self._index.grow(GROW * embedded)

    def index_status(self) -> IndexStatus:
        """Read the whole vector file and compare it with the database."""
        settings = self._config.settings
        backend = resolved(settings.recall.index, settings.rust)
        found = index_status(self._database, self._index.folder, self.model, backend)
        try:
            accelerator_class(backend, found.rows)
        except ConfigError as error:
            return found._replace(problem=str(error))
        return found

    def rebuild_index(self, progress: Progress | None = None) -> None:
        """Rebuild the vector file, and the graph if one is configured; `progress` gets the rows added to the graph.

        Raises ModelMissing, ConfigError for a backend that is not installed, StoreError if a file cannot be written.
        """
        embedder = self._models.embedder(self.model)
        with self._lock:
            try:
                self._index.rebuild(embedder.model, embedder.dimensions)
                while added := self._index.grow(GRAPH_STEP):
                    if progress:
                        progress(added)
                self._index.save()
            except BlockingIOError:
                raise StoreBusy(f"another process keeps writing {self._index.folder}: try again later") from None
            except OSError as error:
                raise StoreError(f"{self._index.folder} cannot be written ({error.strerror}); try again") from None


def _index_of(database: Database, config: Config) -> StoreIndex:
    recall = config.settings.recall
    return StoreIndex(database, recall.index, config.settings.rust, recall.threads)
