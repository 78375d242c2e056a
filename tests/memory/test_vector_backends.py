"""Backends over the vector file: they follow it, and what a graph keeps of its own is used only when it fits."""

from __future__ import annotations

import stat
from typing import Any

import pytest

from memento.search.index.vector_index import VectorIndex


@pytest.fixture(params=["faiss", "hnsw"])
def graph(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A backend that is a graph at any size."""
    pytest.importorskip({"faiss": "faiss", "hnsw": "hnswlib"}[request.param])
    monkeypatch.setattr("memento.search.index.backends.FAISS_FLAT_ROWS", 0)
    return str(request.param)


def covered(index: VectorIndex) -> int:
    return index.accelerator.covered if index.accelerator else 0


def test_a_graph_grows_is_saved_and_read_back(made: Any, graph: str) -> None:
    made.add(*map(str, range(300)))
    index = made.open(graph)
    assert covered(made.check(index)) == 0
    assert index.grow(100) == 100
    assert covered(made.check(index)) == 100
    assert index.grow(1_000) == 200
    made.delete("5", "250")
    made.add("7")
    again = made.open(graph)
    assert covered(made.check(again)) == 300, "read, and not built again"
    assert again.grow(10) == 1
    made.check(again)


@pytest.mark.parametrize("what", ["bin", "json"])
def test_a_damaged_or_stale_graph_is_not_used(made: Any, graph: str, what: str) -> None:
    made.add(*map(str, range(300)))
    index = made.open(graph)
    made.check(index)
    index.grow(300)
    (saved,) = made.folder.glob(f"*.{what}")
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    raw = saved.read_bytes()
    saved.write_bytes(raw[:20] + bytes([raw[20] ^ 1]) + raw[21:])
    assert covered(made.check(made.open(graph))) == 0
    index.rebuild("fake@1", 8)
    assert not saved.exists()
    assert covered(made.check(index)) == 0
    assert index.grow(300) == 300
    made.check(index)


@pytest.mark.parametrize("backend", ["faiss", "sqlite-vec", "native"])
def test_an_exact_backend_follows_the_file(made: Any, backend: str) -> None:
    pytest.importorskip({"faiss": "faiss", "sqlite-vec": "sqlite_vec", "native": "memento_native"}[backend])
    made.add(*map(str, range(50)), passages=2)
    index, writer = made.open(backend), made.open()
    assert covered(made.check(index)) == 100
    made.add("3", "new")
    made.delete("4")
    made.check(writer)
    assert covered(made.check(index)) == 102
    writer.rebuild("fake@1", 8)
    assert covered(made.check(index)) == made.header.rows


def test_the_native_codes_are_kept(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("memento_native")
    monkeypatch.setattr("memento.search.index.native_backend.Native.cheap", 100)
    made.add(*map(str, range(300)))
    made.check(made.open("native"))
    (saved,) = made.folder.glob("native.*.bin")
    written = saved.stat().st_mtime_ns
    made.add("one more")
    assert covered(made.check(made.open("native"))) == 301
    assert saved.stat().st_mtime_ns == written, "read, extended, and not worth writing again"
    saved.write_bytes(saved.read_bytes()[:-1])
    assert covered(made.check(made.open("native"))) == 301
