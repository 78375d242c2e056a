"""The working tier and the queries' vectors: found again, and never an answer that a write has overtaken."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memento.config import load_config
from memento.memory import Found
from memento.store import MemoryStore

StoreMaker = Callable[..., MemoryStore]


@pytest.fixture
def store(open_store: StoreMaker, words: Any) -> MemoryStore:
    opened = open_store(embedder=words())
    for text in ("green tea with milk", "black coffee", "a glass of water"):
        opened.remember(text)
    return opened


def working(store: MemoryStore) -> tuple[int, int]:
    use = store.stats().caches["working"]
    return use.hits, use.misses


def test_the_same_question_is_answered_once(store: MemoryStore) -> None:
    first = store.recall("tea")
    again = store.recall("tea")
    assert again.results == first.results
    assert working(store) == (1, 1)
    store.recall("tea", k=1)
    store.recall("tea", source="api")
    assert working(store) == (1, 3)
    figures = store.stats()
    assert figures.tiers == {"working": 3, "episodic": 0, "semantic": 3}
    assert figures.as_dict()["caches"]["working"]["hit_rate"] == 0.25
    assert figures.caches["queries"].hits > 0


def test_other_questions_leave_it(store: MemoryStore) -> None:
    """Their vectors are written to the database, which changes no answer."""
    first = store.recall("tea")
    for query in ("coffee", "water", "milk"):
        store.recall(query)
    assert store.recall("tea").results == first.results
    assert working(store) == (1, 4)


def test_every_write_ends_what_was_kept(store: MemoryStore, row: Any) -> None:
    assert len(store.recall("tea")) >= 1
    tea = store.remember("tea from Assam")
    assert tea in {found.id for found in store.recall("tea")}
    assert store.get(tea) is not None
    assert store.delete(tea)
    assert tea not in {found.id for found in store.recall("tea")}
    assert store.get(tea) is None


def test_another_threads_and_processes_writes_end_it_too(store: MemoryStore) -> None:
    before = store.recall("tea").results
    assert store.recall("tea").results == before
    thread = threading.Thread(target=store.remember, args=("tea from a thread",))
    thread.start()
    thread.join()
    assert "tea from a thread" in {found.text for found in store.recall("tea")}
    store.recall("tea")
    program = "import sys; from memento import MemoryStore; MemoryStore(sys.argv[1]).remember('tea from elsewhere')"
    subprocess.run([sys.executable, "-c", program, str(store.path)], check=True, timeout=60)
    assert "tea from elsewhere" in {found.text for found in store.recall("tea")}


def test_threads_share_answers(store: MemoryStore) -> None:
    barrier = threading.Barrier(4)
    found: list[tuple[Found, ...]] = []

    def ask() -> None:
        barrier.wait()
        found.extend(store.recall("tea").results for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(one == found[0] for one in found)
    assert working(store)[0] >= 40


def test_an_answer_with_a_note_is_not_kept(bare: MemoryStore) -> None:
    bare.remember("tea")
    assert bare.recall("tea").notes
    bare.recall("tea")
    assert working(bare) == (0, 2)


def test_a_very_long_answer_is_not_kept(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memento.store._MOST_KEPT", 2)
    for _ in range(2):
        assert len(store.recall("tea coffee water")) == 3
        assert len(store.recall("tea coffee water", k=2)) == 2
    assert working(store) == (1, 3)


def test_its_size_is_bounded_and_may_be_nothing(tmp_path: Path, words: Any) -> None:
    small = MemoryStore(tmp_path / "small.db", embedder=words(), config=load_config({"cache.working_size": 2}))
    small.remember("tea")
    for query in ("a", "b", "c", "a"):
        small.recall(query)
    assert working(small) == (0, 4)
    assert small.stats().tiers["working"] == 2
    small.close()
    none = MemoryStore(tmp_path / "none.db", embedder=words(), config=load_config({"cache.working_size": 0}))
    none.remember("tea")
    none.recall("tea")
    none.recall("tea")
    assert working(none) == (0, 2)
    none.close()


def test_the_stored_vectors_used_last_stay(tmp_path: Path, words: Any) -> None:
    embedder = words()
    settings = {"cache.table_size": 2, "cache.lru_size": 1, "cache.working_size": 0}
    store = MemoryStore(tmp_path / "lru.db", embedder=embedder, config=load_config(settings))
    store.remember("anything")
    store.recall("one")
    store.recall("two")
    with store.database.write() as connection:  # both long ago, `one` first
        connection.execute("UPDATE embedding_cache SET timestamp = rowid")
    embedder.embedded.clear()
    store.recall("one")
    store.recall("three")
    assert embedder.embedded == ["three"]
    store.recall("one")
    assert embedder.embedded == ["three"]
    store.recall("two")
    assert embedder.embedded == ["three", "two"]
    assert store.stats().caches["queries_stored"].entries == 2
    store.close()


def test_caches_of_no_size_keep_nothing(tmp_path: Path, words: Any) -> None:
    settings = {"cache.table_size": 0, "cache.lru_size": 0, "cache.working_size": 0}
    with MemoryStore(tmp_path / "none.db", embedder=words(), config=load_config(settings)) as store:
        store.remember("tea")
        assert store.recall("tea").results == store.recall("tea").results
        assert [(use.entries, use.hits) for use in store.stats().caches.values()] == [(0, 0)] * 3


def test_a_model_loads_in_the_background(tmp_path: Path, model_dir: Path) -> None:
    config = load_config({"embedding.model_dir": str(model_dir)})
    with MemoryStore(tmp_path / "warm.db", config=config) as store:
        thread = store._semantic.warm()
        thread.join()
        assert store._semantic._models._loaded.keys() == {store.stats().model}
        store.release_model()
        assert not store._semantic._models._loaded


ENDING = """
import os, sys, time
from pathlib import Path
from memento import MemoryStore

class Slow:
    model, engine, dimensions = "slow@1", "fake", 1
    def embed_queries_to_bytes(self, texts):
        time.sleep(0.3)
        Path(sys.argv[2]).touch()
        return [bytes(4) for _ in texts]

store = MemoryStore(sys.argv[1], embedder=Slow())
store.recall("anything", deadline=0.1)
if not os.fork():
    sys.exit()  # that thread is not the child's
os.wait()
"""


def test_a_process_ends_when_what_it_embeds_is_done(tmp_path: Path) -> None:
    """ONNX Runtime aborts one that ends sooner: after a recall that gave up, say."""
    command = [sys.executable, "-c", ENDING]
    done = subprocess.run([*command, str(tmp_path / "a.db"), str(tmp_path / "done")], check=False, timeout=60)
    assert done.returncode == 0
    assert (tmp_path / "done").exists()
