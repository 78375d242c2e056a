"""A long text is embedded a segment at a time: nobody waits for it, and no work on it is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from memento.config import load_config
from memento.embedding import Embedder
from memento.embedding.passages import SEGMENT_BYTES
from memento.storage import segments
from memento.store import MemoryStore

OPENING, CLOSING = "The heron stands in the shallow river. ", "The invoice for the greenhouse was paid in March. "


def long_text(size: int) -> str:
    filler = "".join(f"Line {n} of the log says that step {n % 97} took {n % 13} ms.\n" for n in range(size // 45))
    return f"{OPENING * 40}\n{filler}{CLOSING * 40}"


class Slow(Embedder):
    """Takes a while for every segment of text; the vector says how long the text was."""

    engine, model, dimensions = "fake", "slow@1", 2

    def __init__(self, seconds: float) -> None:
        self.seconds, self.calls = seconds, 0

    def embed(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        self.calls += 1
        time.sleep(self.seconds * sum(max(1, len(text) // SEGMENT_BYTES) for text in texts))
        return [np.array([[1, 0]], np.float32) for _ in texts]

    def passages(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def test_remembering_a_long_text_keeps_to_its_budget(tmp_path: Path) -> None:
    embedder = Slow(0.2)
    with MemoryStore(tmp_path / "m.db", embedder=embedder) as store:
        began = time.monotonic()
        store.remember(long_text(2_000_000))  # 500 segments: 100 seconds of work
        assert time.monotonic() - began < 10
        assert 0 < embedder.calls < 10
        assert store.pending() == 1


def test_processes_with_little_time_finish_it_together(tmp_path: Path) -> None:
    calls = 0
    with MemoryStore(tmp_path / "m.db", embedder=Slow(0)) as store:
        store.remember(long_text(40_000), embed=False)
    for _ in range(40):
        embedder = Slow(0.02)
        with MemoryStore(tmp_path / "m.db", embedder=embedder) as store:
            store.embed_pending(deadline=time.monotonic() + 0.03)
            calls += embedder.calls
            if not store.pending():
                break
    else:
        pytest.fail("a text that takes longer than any process has was never embedded")
    assert calls <= 15  # each segment once, two at most for a deadline that fell between its call and its commit


def test_short_texts_do_not_wait_for_a_long_one(tmp_path: Path) -> None:
    with MemoryStore(tmp_path / "m.db", embedder=Slow(0.1)) as store:
        short = [store.remember(f"Note {n}: the tea is ready.", embed=False) for n in range(3)]
        store.remember(long_text(100_000), embed=False)
        store.embed_pending(deadline=time.monotonic() + 0.5)
        assert store.pending() == 1
        assert all(found.dense == 1.0 for found in store.recall("tea", k=3) if found.id in short)


def test_a_text_that_grows_begins_again(tmp_path: Path, row: Callable[..., Any]) -> None:
    from memento.storage.capture import Batch

    with MemoryStore(tmp_path / "m.db", embedder=Slow(0.01)) as store:
        store.commit(Batch(None, [row("a", long_text(20_000))]))
        store.embed_pending(deadline=time.monotonic() + 0.015)
        begun = store.database.connection.execute("SELECT count(*) FROM embedded_segments").get
        assert begun
        store.commit(Batch(None, [row("a", long_text(20_000) + " And more.")]))
        assert store.database.connection.execute("SELECT count(*) FROM embedded_segments").get == 0
        assert store.embed_pending() == 1
        assert store.pending() == 0


def test_a_damaged_segment_is_made_again(tmp_path: Path) -> None:
    embedder = Slow(0.01)
    with MemoryStore(tmp_path / "m.db", embedder=embedder) as store:
        store.remember(long_text(20_000), embed=False)
        store.embed_pending(deadline=time.monotonic() + 0.015)
        with store.database.write() as connection:
            connection.execute("UPDATE embedded_segments SET embedding = zeroblob(8)")
        assert store.embed_pending() == 1
        vectors = store.database.connection.execute("SELECT embedding FROM memories").get
        assert b"".join(np.array([1, 0], np.float32).tobytes() for _ in range(len(vectors) // 8)) == vectors
        assert store.database.connection.execute("SELECT count(*) FROM embedded_segments").get == 0


def test_what_was_forgotten_leaves_no_segment(tmp_path: Path) -> None:
    with MemoryStore(tmp_path / "m.db", embedder=Slow(0.01)) as store:
        known = store.remember(long_text(20_000), embed=False)
        store.embed_pending(deadline=time.monotonic() + 0.015)
        assert store.delete(known)
        assert store.database.connection.execute("SELECT count(*) FROM embedded_segments").get == 0
        assert store.embed_pending() == 0


@pytest.mark.parametrize("rust", [False, True])
def test_every_part_is_found_by_meaning(tmp_path: Path, model_dir: Path, rust: bool) -> None:
    if rust:
        pytest.importorskip("memento_native")
    config = load_config({"embedding.model_dir": str(model_dir), "rust": rust})
    with MemoryStore(tmp_path / "m.db", config=config) as store:
        known = store.remember(long_text(12_000), embed=False)
        store.remember("Something else about the weather.", embed=False)
        assert store.embed_pending() == 2
        for question in ("where does the heron stand?", "when was the greenhouse invoice paid?"):
            likeness = {found.id: found.dense or 0.0 for found in store.recall(question, k=2)}
            assert likeness[known] > max(0.3, *(cosine for other, cosine in likeness.items() if other != known))


def test_segments_of_another_cut_are_not_joined(tmp_path: Path) -> None:
    """Another version of Memento may cut elsewhere."""
    embedder = Slow(0)
    with MemoryStore(tmp_path / "m.db", embedder=embedder) as store:
        store.remember(long_text(12_000), embed=False)
        with store.database.write() as connection:
            from memento.storage import vectors

            (row,) = vectors.pending_texts(connection, [1])
            segments.write_segment(connection, embedder.model, row, span=(10, 900), vectors=bytes(8), codes=b"")
            segments.write_segment(
                connection, embedder.model, row, span=(900, len(row.text)), vectors=bytes(8), codes=b""
            )
        assert store.embed_pending() == 1
        assert bytes(8) not in (store.database.connection.execute("SELECT embedding FROM memories").get,)
