"""A store with embeddings that need no model, and the ways to damage it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from memento.base.identity import memory_id
from memento.embedding import Embedder
from memento.memory import NewMemory
from memento.store import MemoryStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

StoreMaker = Callable[..., MemoryStore]


class LengthEmbedder(Embedder):
    """A deterministic fake: a text's vector points where its bytes say."""

    engine = "fake"
    dimensions = 16
    model = "bytes@1"

    def embed(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        import numpy as np

        vectors = []
        for text in texts:
            counts = np.bincount(np.frombuffer(text.encode(), np.uint8) % self.dimensions, minlength=self.dimensions)
            vectors.append(np.asarray(counts / np.linalg.norm(counts), np.float32)[None, :])
        return vectors

    def passages(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def memories(first: int, count: int) -> list[NewMemory]:
    """Return rows whose texts name their numbers."""
    made = NewMemory("", "", 1_750_000_000_000, "test", "session", collection="episodic", tags=("harbour",))
    return [
        replace(
            made, id=memory_id("test", str(number)), text=f"Rule number {number} of the harbour: moor at pier {number}."
        )
        for number in range(first, first + count)
    ]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test its own folder of Memento."""
    folder = tmp_path / "home"
    monkeypatch.delenv("MEMORY_DB_PATH", raising=False)
    monkeypatch.setenv("MEMENTO_HOME", str(folder))
    monkeypatch.setenv("MEMENTO_MODEL_DIR", str(tmp_path / "no-model"))
    return folder


@pytest.fixture
def open_store(home: Path) -> Iterator[StoreMaker]:
    """Return a function that opens the store in its home and see to it that it is closed."""
    opened: list[MemoryStore] = []

    def make() -> MemoryStore:
        opened.append(MemoryStore(embedder=LengthEmbedder()))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: StoreMaker) -> MemoryStore:
    """A store of 200 embedded rows."""
    from memento.storage.capture import Batch

    store = open_store()
    store.commit(Batch(None, memories(0, 200)))
    store.embed_pending()
    return store


@pytest.fixture
def rows() -> Callable[[int, int], list[NewMemory]]:
    return memories


ID = "ab" * 16
"""The id of the memory that `memory` makes."""


@contextmanager
def as_put_today(connection: apsw.Connection) -> Iterator[None]:
    """Let rows be put into a store of an older schema: the column that it lacks is there meanwhile."""
    lacks = "subwords" not in [column[1] for column in connection.execute("PRAGMA table_info (memories)")]
    if lacks:
        connection.execute("ALTER TABLE memories ADD COLUMN subwords TEXT NOT NULL DEFAULT ''")
    yield
    if lacks:
        connection.execute("ALTER TABLE memories DROP COLUMN subwords")


@pytest.fixture
def memento(home: Path, tmp_path: Path) -> Any:
    from tests.cli.conftest import Cli

    return Cli(home, tmp_path / "no-model")


def written(path: Path, *records: dict[str, Any]) -> Path:
    lines = [{"memento": {"version": 1}}, *records, {"end": {"memories": 1}}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def memory(**fields: Any) -> dict[str, Any]:
    return {"memory": {"id": ID, "text": "We moor at pier five.", "timestamp": 1, "source": "x", **fields}}
