"""A store of its own for every test, and an embedder that needs no model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from memento.base.identity import memory_id
from memento.config import Config, load_config
from memento.embedding import Embedder
from memento.memory import NewMemory
from memento.search.index.header import read_header
from memento.search.index.numpy_index import NumpyIndex
from memento.search.index.rows import MemoryRows
from memento.search.index.vector_index import VectorIndex
from memento.search.store_index import StoreIndex
from memento.storage import rows, vectors
from memento.storage.database import Database
from memento.store import MemoryStore

StoreMaker = Callable[..., MemoryStore]
RowMaker = Callable[..., NewMemory]


class WordEmbedder(Embedder):
    """A deterministic fake: each word is a direction, a text the sum of its words; a blank line begins a new passage.

    `same` maps a word to the one whose direction it shares, so that a test can have two words that mean the same.
    """

    engine = "fake"
    dimensions = 64

    def __init__(self, model: str = "words@1", same: dict[str, str] | None = None) -> None:
        self.model = model
        self.same = same or {}
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        self.embedded += texts
        return [np.stack([self._vector(text[start:end]) for start, end in self.passages(text)]) for text in texts]

    def passages(self, text: str) -> list[tuple[int, int]]:
        cuts = [0, *(match.end() for match in re.finditer(r"\n\n", text)), len(text)]
        return list(pairwise(cuts))

    def _vector(self, text: str) -> NDArray[np.float32]:
        total = np.full(self.dimensions, 1e-3, np.float32)
        for word in re.findall(r"\w+", text.lower()):
            seed = hashlib.blake2b(self.same.get(word, word).encode(), digest_size=8).digest()
            total += np.random.default_rng(int.from_bytes(seed, "big")).standard_normal(self.dimensions)
        return np.asarray(total / np.linalg.norm(total), np.float32)


EMBEDDED_MODEL, EMBEDDED_DIMENSIONS = "fake@1", 8


class EmbeddedStore:
    """A database with random embeddings, and what its index must answer."""

    def __init__(self, path: Path, row: RowMaker) -> None:
        self.database = Database(path)
        self._row = row
        self._rng = np.random.default_rng(0)

    def add(self, *keys: str, passages: int = 1, model: str = EMBEDDED_MODEL) -> None:
        """Write memories, or grow those that exist, and embed them."""
        with self.database.write() as connection:
            size = len(connection.execute("SELECT coalesce(max(text), '') FROM memories").get) + 1
            rows.put(connection, [self._row(key, "x" * size) for key in keys], revive=True)
            waiting = vectors.pending_texts(
                connection, [one.num for one in vectors.pending_rows(connection, model, len(keys))]
            )
            vectors.write(connection, model, [(one, self.random(passages).tobytes()) for one in waiting])

    def random(self, count: int) -> NDArray[np.float32]:
        found = self._rng.standard_normal((count, EMBEDDED_DIMENSIONS)).astype(np.float32)
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)

    def delete(self, *keys: str) -> None:
        with self.database.write() as connection:
            rows.delete(connection, [self._row(key, "").id for key in keys])

    def open(self, backend: str = "numpy") -> StoreIndex:
        return StoreIndex(self.database, backend)

    def expected(self, model: str = EMBEDDED_MODEL) -> VectorIndex:
        index = NumpyIndex(MemoryRows(EMBEDDED_DIMENSIONS))
        with self.database.read() as connection:
            for one in vectors.written_since(connection, model, 0):
                index.put([one.num], [len(one.blob) // (4 * EMBEDDED_DIMENSIONS)], one.blob)
        return index

    def check(self, index: StoreIndex, model: str = EMBEDDED_MODEL) -> VectorIndex:
        found, expected = index.current(model, EMBEDDED_DIMENSIONS), self.expected(model)
        assert len(found) == len(expected)
        queries = [query.tobytes() for query in self.random(3)]
        similar, wanted = (np.array(one.similarities(queries, range(len(expected) + 20))) for one in (found, expected))
        np.testing.assert_allclose(similar, wanted, atol=1e-6, equal_nan=True)
        for query in queries:
            assert [num for num, _ in found.search(query, 5)] == [num for num, _ in expected.search(query, 5)]
        return found

    @property
    def folder(self) -> Path:
        return Path(f"{self.database.path}.vectors")

    @property
    def header(self) -> Any:
        return read_header(self.folder)


@pytest.fixture
def made(tmp_path: Path, row: RowMaker) -> Iterator[EmbeddedStore]:
    """An EmbeddedStore, empty."""
    store = EmbeddedStore(tmp_path / "store.db", row)
    yield store
    store.database.close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test its own folder of Memento, without a model and without the machine's settings."""
    folder = tmp_path / "home"
    for name in ("MEMORY_DB_PATH", "MEMENTO_RUST", "MEMORY_ECHO"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MEMENTO_HOME", str(folder))
    monkeypatch.setenv("MEMENTO_MODEL_DIR", str(tmp_path / "no-model"))
    return folder


@pytest.fixture
def config(home: Path) -> Config:
    return load_config()


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[StoreMaker]:
    """Return a function that opens a store (`store.db` unless named) and see to it that it is closed."""
    opened: list[MemoryStore] = []

    def make(name: str = "store.db", embedder: Embedder | None = None) -> MemoryStore:
        store = MemoryStore(tmp_path / name, embedder=embedder)
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: StoreMaker) -> MemoryStore:
    """A store whose embedder is WordEmbedder."""
    return open_store(embedder=WordEmbedder())


@pytest.fixture
def bare(open_store: StoreMaker) -> MemoryStore:
    """A store without any model."""
    return open_store("bare.db")


@pytest.fixture
def real(model_dir: Path, monkeypatch: pytest.MonkeyPatch, open_store: StoreMaker) -> MemoryStore:
    """A store with the real model."""
    monkeypatch.setenv("MEMENTO_MODEL_DIR", str(model_dir))
    return open_store("real.db")


@pytest.fixture(scope="session")
def words() -> type[WordEmbedder]:
    """The fake embedder's class."""
    return WordEmbedder


@pytest.fixture(scope="session")
def row() -> RowMaker:
    """Return a function that makes the row of a record from its key and text."""

    def make(key: str, text: str, **fields: object) -> NewMemory:
        template = NewMemory(memory_id("test", key), text, 1_750_000_000_000, "test", collection="episodic")
        return replace(template, **fields)  # type: ignore[arg-type]

    return make
