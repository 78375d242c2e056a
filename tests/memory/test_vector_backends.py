"""Backends over the vector file: they follow it, and what a graph keeps of its own is used only when it fits."""

from __future__ import annotations

import json
import resource
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from zlib import crc32

import numpy as np
import pytest

from memento.search.index.backends import accelerator_class
from memento.search.index.numpy_index import NumpyIndex
from memento.search.index.rows import MemoryRows
from memento.search.index.sqlite_vec_backend import SqliteVec
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
    monkeypatch.setattr("memento.search.index.native_index.NativeCodes.cheap", 100)
    made.add(*map(str, range(300)))
    made.check(made.open("native"))
    (saved,) = made.folder.glob("native.*.bin")
    written = saved.stat().st_mtime_ns
    made.add("one more")
    assert covered(made.check(made.open("native"))) == 301
    assert saved.stat().st_mtime_ns == written, "read, extended, and not worth writing again"
    saved.write_bytes(saved.read_bytes()[:-1])
    assert covered(made.check(made.open("native"))) == 301


@contextmanager
def files_up_to(length: int) -> Iterator[None]:
    """No file grows beyond so many bytes: as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_graph_that_does_not_fit_on_the_disk_is_not_kept(made: Any, graph: str) -> None:
    made.add(*map(str, range(1_000)))
    index = made.open(graph)
    made.check(index)
    with files_up_to(40_000):  # the graph takes more: its vectors alone do
        assert index.grow(1_000) == 1_000
        with pytest.raises(OSError, match="not written whole"):
            index.save()
    assert {path.name.partition(".")[0] for path in made.folder.iterdir()} == {"header", "lock", "rows", "vectors"}
    assert covered(made.check(made.open(graph))) == 0
    index.save()
    assert covered(made.check(made.open(graph))) == 1_000


def test_a_graph_that_its_library_refuses_is_made_again(made: Any, graph: str) -> None:
    made.add(*map(str, range(300)))
    index = made.open(graph)
    made.check(index)
    index.grow(300)
    (saved,) = made.folder.glob("*.bin")
    raw = b"written by another version" + saved.read_bytes()[26:]
    saved.write_bytes(raw)
    saved.with_suffix(".json").write_text(json.dumps({"bytes": len(raw), "checksum": crc32(raw)}))
    again = made.open(graph)
    assert covered(made.check(again)) == 0
    assert again.grow(300) == 300
    assert covered(made.check(made.open(graph))) == 300


def test_a_deadline_leaves_the_rest_to_the_scan(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sqlite_vec")
    monkeypatch.setattr("memento.search.index.sqlite_vec_backend.SqliteVec.at_once", 100)
    made.add(*map(str, range(1_000)))
    made.check(made.open())
    index = made.open("sqlite-vec")
    extend, taken = SqliteVec.extend, []

    def slow(self: SqliteVec, vectors: memoryview[float]) -> None:
        extend(self, vectors)
        taken.append(self.covered)
        time.sleep(0.05)

    with monkeypatch.context() as patch:
        patch.setattr(SqliteVec, "extend", slow)
        index.current("fake@1", 8, time.monotonic() + 0.12)
    assert 0 < taken[-1] < 1_000
    assert covered(made.check(index)) == 1_000


def test_rows_behind_a_graph_do_not_crowd_out_those_in_it(made: Any, graph: str) -> None:
    """Twenty passages of one memory are nearest, then another of the graph, then three behind it."""
    vectors = np.zeros((24, 8), np.float32)
    vectors[:20, 0], vectors[20, 0], vectors[21:, 0] = 1, 0.9, 0.1
    vectors[:, 1] = np.sqrt(1 - vectors[:, 0] ** 2)
    index = NumpyIndex(MemoryRows(8))
    index.put([1, 2], [20, 1], vectors[:21].tobytes())
    kind: Any = accelerator_class(graph, 1)
    index.accelerator = kind(8)
    index.accelerator.extend(index.rows.vectors)
    index.put([3, 4, 5], [1, 1, 1], vectors[21:].tobytes())
    query = np.eye(1, 8, dtype=np.float32)
    assert [num for num, _ in index.search(query.tobytes(), 2)] == [1, 2]
