"""The contract of every vector backend: what brute force answers. A new backend joins by its line in BACKENDS."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from memento.config import load_config
from memento.errors import ConfigError
from memento.health import ENVIRONMENT_CHECKS, CheckContext, run_checks
from memento.search.index.backends import FAISS_FLAT_ROWS, accelerator_class, index_of
from memento.search.index.numpy_index import NumpyIndex
from memento.search.index.partial_index import PartialIndex
from memento.search.index.rows import MemoryRows
from memento.search.index.vector_index import VectorIndex
from memento.store import MemoryStore

DIMENSIONS = 16
BACKENDS: dict[str, Callable[[], type[PartialIndex] | None]] = {
    "numpy": lambda: None,
    "faiss": lambda: accelerator_class("faiss", 1),
    "faiss hnsw": lambda: accelerator_class("faiss", FAISS_FLAT_ROWS + 1),
    "hnsw": lambda: accelerator_class("hnsw", 1),
    "sqlite-vec": lambda: accelerator_class("sqlite-vec", 1),
    "native": lambda: accelerator_class("native", 1),
}
Vectors = NDArray[np.float32]
Make = Callable[[], VectorIndex]


def made(backend: str) -> VectorIndex:
    """An empty index with this backend; skips where its package is not installed."""
    try:
        kind = BACKENDS[backend]()
    except ConfigError as error:
        pytest.skip(str(error))
    index = index_of(MemoryRows(DIMENSIONS), backend)
    if kind:
        index.accelerator = kind(DIMENSIONS)
    return index


@pytest.fixture(params=BACKENDS)
def make(request: pytest.FixtureRequest) -> Make:
    made(request.param)
    return partial(made, request.param)


def unit(rng: np.random.Generator, count: int) -> Vectors:
    vectors = rng.standard_normal((count, DIMENSIONS)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def search(index: VectorIndex, query: Vectors, k: int, among: Iterable[int] | None = None) -> list[tuple[int, float]]:
    return index.search(query.tobytes(), k, None if among is None else list(among))


def put(index: VectorIndex, num: int, vectors: Vectors) -> None:
    index.put([num], [len(vectors)], vectors.tobytes())
    if index.accelerator and index.accelerator.covered < 500:  # the rest is found by the scan
        index.accelerator.extend(index.rows.vectors)


def brute_force(known: dict[int, Vectors], query: Vectors, k: int, among: Any = None) -> list[tuple[int, float]]:
    scores = {num: max(float(vector @ query) for vector in vectors) for num, vectors in known.items()}
    passing = [(num, score) for num, score in scores.items() if among is None or num in among]
    return sorted(passing, key=lambda item: -item[1])[:k]


def assert_same(found: list[tuple[int, float]], expected: list[tuple[int, float]]) -> None:
    assert [num for num, _ in found] == [num for num, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-5)


def test_an_empty_index_finds_nothing(make: Make) -> None:
    index, query = make(), unit(np.random.default_rng(0), 1)[0]
    assert len(index) == 0
    assert search(index, query, 5) == []
    assert search(index, query, 5, [1, 2]) == []
    assert np.isnan(index.similarities([query.tobytes()], [1, 2])).all()
    assert index.similarities([query.tobytes()], []) == [[]]


@pytest.mark.parametrize("k", [1, 7, 200, 5_000])
def test_it_equals_brute_force_with_several_passages(make: Make, k: int) -> None:
    rng = np.random.default_rng(k)
    known = {num: unit(rng, int(rng.integers(1, 6))) for num in rng.permutation(3_000)[:1_000].tolist()}
    index = make()
    for num, vectors in known.items():
        put(index, num, vectors)
    assert len(index) == 1_000
    for query in unit(rng, 5):
        assert_same(search(index, query, k), brute_force(known, query, k))
        among = set(rng.integers(0, 3_000, 300).tolist())
        assert_same(search(index, query, k, among), brute_force(known, query, k, among))
    queries, nums = unit(rng, 8), rng.permutation(3_000).tolist()
    similar = index.similarities([query.tobytes() for query in queries], nums)
    for query, found in zip(queries, similar, strict=True):
        expected = dict(brute_force(known, query, len(known)))
        np.testing.assert_allclose(found, [expected.get(num, np.nan) for num in nums], atol=1e-5)


def test_many_passages_of_one_memory_do_not_crowd_out_the_others(make: Make) -> None:
    rng = np.random.default_rng(1)
    query = unit(rng, 1)[0]
    close = np.repeat(query[None], 500, axis=0)
    known = {1: close, **{num: unit(rng, 1) for num in range(2, 12)}}
    index = make()
    for num, vectors in known.items():
        put(index, num, vectors)
    assert_same(search(index, query, 5), brute_force(known, query, 5))


def test_among_limits_before_k(make: Make) -> None:
    rng = np.random.default_rng(2)
    query = unit(rng, 1)[0]
    index = make()
    for num in range(300):
        put(index, num, query[None])
    put(index, 300, -query[None])
    assert [num for num, _ in search(index, query, 3, [300])] == [300]
    assert search(index, query, 3, []) == []
    assert search(index, query, 3, [999]) == []
    assert search(index, query, 0) == []


def test_a_filter_that_names_everything_in_another_order(make: Make) -> None:
    index, known, rng = make(), {}, np.random.default_rng(4)
    for num in (5, 3, 9, 1):
        known[num] = unit(rng, 2)
        put(index, num, known[num])
    query = unit(rng, 1)[0]
    assert_same(search(index, query, 4, [1, 3, 5, 9]), brute_force(known, query, 4))


def test_a_replacement_leaves_nothing_of_what_it_replaced(make: Make) -> None:
    rng = np.random.default_rng(3)
    index, known = make(), {}
    for _ in range(3_000):
        num = int(rng.integers(0, 20))
        known[num] = unit(rng, int(rng.integers(1, 4)))
        put(index, num, known[num])
    assert len(index) == 20
    for query in unit(rng, 10):
        assert_same(search(index, query, 50), brute_force(known, query, 50))


Action = tuple[int, int, int]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4), st.integers(0, 2**32 - 1)), max_size=30),
    st.sets(st.integers(0, 12)),
    st.integers(1, 15),
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_any_sequence_equals_brute_force(backend: str, actions: list[Action], among: set[int], k: int) -> None:
    index, known = made(backend), {}
    for num, passages, seed in actions:
        known[num] = unit(np.random.default_rng(seed), passages)
        put(index, num, known[num])
    query = unit(np.random.default_rng(7), 1)[0]
    expected = brute_force(known, query, k, among)
    found = search(index, query, k, among)
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-5)
    assert {num for num, _ in found} <= among
    assert len({num for num, _ in found}) == len(found) == min(k, len(among & set(known)))


def clustered(rng: np.random.Generator, count: int) -> Vectors:
    centres = rng.standard_normal((60, DIMENSIONS)) * 1.5
    vectors = (centres[rng.integers(0, 60, count)] + rng.standard_normal((count, DIMENSIONS))).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.15, 0.01])
def test_ten_nearest_of_clustered_vectors_under_any_filter(make: Make, share: float) -> None:
    rng = np.random.default_rng(5)
    vectors, index, exact = clustered(rng, 4_000), make(), NumpyIndex(MemoryRows(DIMENSIONS))
    for one in (index, exact):
        one.put(range(2_000), [2] * 2_000, vectors.tobytes())
        if one.accelerator:
            one.accelerator.extend(one.rows.vectors[: 3_500 * DIMENSIONS])
        one.put(range(400), [2] * 400, vectors[::-1][:800].tobytes())
        one.keep_only([num for num in range(2_000) if num < 100 or (num - 100) % 7])
    among = None if share == 1 else rng.choice(2_000, int(2_000 * share), replace=False).tolist()
    hits = wanted = 0
    for query in clustered(rng, 50):
        expected = [num for num, _ in search(exact, query, 10, among)]
        found = [num for num, _ in search(index, query, 10, among)]
        assert len(found) == len(expected), "a filter never leaves an answer short"
        hits, wanted = hits + len(set(found) & set(expected)), wanted + len(expected)
    assert hits >= 0.99 * wanted


def test_a_backend_that_is_not_installed_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module, backend in {"faiss": "faiss", "hnswlib": "hnsw", "sqlite_vec": "sqlite-vec"}.items():
        monkeypatch.setitem(sys.modules, module, None)
        remedy = rf"{module} is not installed: run `pip install 'memento-memory\[{backend}\]'"
        with pytest.raises(ConfigError, match=remedy):
            accelerator_class(backend, 1)
        with MemoryStore(tmp_path / f"{backend}.db", config=load_config({"recall.index": backend})) as store:
            (found,) = (
                one
                for one in run_checks(CheckContext(store.database, store.config), ENVIRONMENT_CHECKS)
                if one.check == "index"
            )
            assert (found.level, found.text) == ("broken", f"recall.index is {backend}, but {module} is not installed")
            assert re.search(remedy, store.index_status().problem)
    monkeypatch.setattr("memento.search.index.backends.native_module", lambda _: None)
    with pytest.raises(ConfigError, match=r"memento_native is not installed: run `make native`, or `memento index use"):
        accelerator_class("native", 1)
