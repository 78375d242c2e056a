"""The embed worker: catches up in the background, rests above its memory, and never stops for good."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from memento.config import load_config
from memento.store import MemoryStore
from memento_ingest.sidecar.embedding import EmbedWorker


def eventually(holds: Callable[[], bool], seconds: float = 15) -> None:
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.02)


@pytest.fixture
def store(tmp_path: Path, model_dir: Path) -> MemoryStore:
    config = load_config({"embedding.model_dir": str(model_dir)}, {"MEMENTO_HOME": str(tmp_path)})
    store = MemoryStore(config=config)
    for number in range(30):
        store.remember(f"The harbour has rule number {number}.", embed=False)
    return store


def test_it_catches_up_and_goes_on_when_woken(store: MemoryStore) -> None:
    worker = EmbedWorker(store, 1.0, 100_000, print)
    worker.start()
    eventually(lambda: store.pending() == 0)
    store.remember("One more rule for the harbour.", embed=False)
    assert store.pending() == 1
    worker.wake()
    eventually(lambda: store.pending() == 0)
    worker.stop(5)


def test_the_model_is_loaded_at_the_start_where_that_is_asked_for(tmp_path: Path, model_dir: Path) -> None:
    settings = {"embedding.model_dir": str(model_dir), "sidecar.preload_model": True}
    with MemoryStore(config=load_config(settings, {"MEMENTO_HOME": str(tmp_path)})) as store:
        worker = EmbedWorker(store, 1.0, 100_000, print)
        worker.start()
        eventually(lambda: bool(store._semantic._models._loaded))
        worker.stop(5)


def test_above_its_memory_it_rests_and_says_so_once(store: MemoryStore) -> None:
    said: list[str] = []
    worker = EmbedWorker(store, 1.0, 1, said.append)
    worker.start()
    eventually(lambda: len(said) == 1)
    assert "sidecar.memory_mb is 1" in said[0]
    worker.stop(5)
    assert len(said) == 1


def test_resident_memory_is_that_of_this_process() -> None:
    script = """
from memento_ingest.sidecar.embedding import resident_mb
before = resident_mb()
held = b"x" * 64_000_000
print(resident_mb() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 60 < float(done.stdout) < 80


def test_a_lock_that_capture_holds_is_waited_for_in_silence(store: MemoryStore, tmp_path: Path) -> None:
    said: list[str] = []
    worker = EmbedWorker(store, 1.0, 100_000, said.append)
    with MemoryStore(config=store.config) as other, other.database.write():
        worker.start()
        time.sleep(2)
        assert store.pending() == 30
    eventually(lambda: store.pending() == 0)
    worker.stop(5)
    assert said == []
