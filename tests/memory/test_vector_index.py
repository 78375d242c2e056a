"""The contract of every vector backend: what brute force answers. A new backend joins by its line in BACKENDS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from memento.search.index.rows import MemoryRows
from memento.search.index.vector_index import VectorIndex

DIMENSIONS = 16
BACKENDS: dict[str, Callable[[], VectorIndex]] = {"numpy": lambda: VectorIndex(MemoryRows(DIMENSIONS))}
Vectors = NDArray[np.float32]


@pytest.fixture(params=BACKENDS)
def make(request: pytest.FixtureRequest) -> Callable[[], VectorIndex]:
    return BACKENDS[request.param]


def unit(rng: np.random.Generator, count: int) -> Vectors:
    vectors = rng.standard_normal((count, DIMENSIONS)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def put(index: VectorIndex, num: int, vectors: Vectors) -> None:
    index.put(np.array([num]), np.array([len(vectors)]), vectors)


def brute_force(known: dict[int, Vectors], query: Vectors, k: int, among: Any = None) -> list[tuple[int, float]]:
    scores = {num: max(float(vector @ query) for vector in vectors) for num, vectors in known.items()}
    passing = [(num, score) for num, score in scores.items() if among is None or num in among]
    return sorted(passing, key=lambda item: -item[1])[:k]


def assert_same(found: list[tuple[int, float]], expected: list[tuple[int, float]]) -> None:
    assert [num for num, _ in found] == [num for num, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-5)


def test_an_empty_index_finds_nothing(make: Callable[[], VectorIndex]) -> None:
    index, query = make(), unit(np.random.default_rng(0), 1)[0]
    assert len(index) == 0
    assert index.search(query, 5) == []
    assert index.search(query, 5, np.array([1, 2])) == []
    assert np.isnan(index.similarities(query[None], np.array([1, 2]))).all()
    assert index.similarities(query[None], np.array([], np.int64)).shape == (1, 0)


@pytest.mark.parametrize("k", [1, 7, 200, 5_000])
def test_it_equals_brute_force_with_several_passages(make: Callable[[], VectorIndex], k: int) -> None:
    rng = np.random.default_rng(k)
    known = {num: unit(rng, int(rng.integers(1, 6))) for num in rng.permutation(3_000)[:1_000].tolist()}
    index = make()
    for num, vectors in known.items():
        put(index, num, vectors)
    assert len(index) == 1_000
    for query in unit(rng, 5):
        assert_same(index.search(query, k), brute_force(known, query, k))
        among = np.unique(rng.integers(0, 3_000, 300))
        assert_same(index.search(query, k, among), brute_force(known, query, k, set(among.tolist())))
    queries, nums = unit(rng, 8), rng.permutation(3_000)
    similar = index.similarities(queries, nums)
    for query, found in zip(queries, similar, strict=True):
        expected = dict(brute_force(known, query, len(known)))
        np.testing.assert_allclose(found, [expected.get(num, np.nan) for num in nums.tolist()], atol=1e-5)


def test_many_passages_of_one_memory_do_not_crowd_out_the_others(make: Callable[[], VectorIndex]) -> None:
    rng = np.random.default_rng(1)
    query = unit(rng, 1)[0]
    close = np.repeat(query[None], 500, axis=0)
    known = {1: close, **{num: unit(rng, 1) for num in range(2, 12)}}
    index = make()
    for num, vectors in known.items():
        put(index, num, vectors)
    assert_same(index.search(query, 5), brute_force(known, query, 5))


def test_among_limits_before_k(make: Callable[[], VectorIndex]) -> None:
    rng = np.random.default_rng(2)
    query = unit(rng, 1)[0]
    index = make()
    for num in range(300):
        put(index, num, query[None])
    put(index, 300, -query[None])
    assert [num for num, _ in index.search(query, 3, np.array([300]))] == [300]
    assert index.search(query, 3, np.array([], np.int64)) == []
    assert index.search(query, 3, np.array([999])) == []
    assert index.search(query, 0) == []


def test_a_replacement_leaves_nothing_of_what_it_replaced(make: Callable[[], VectorIndex]) -> None:
    rng = np.random.default_rng(3)
    index, known = make(), {}
    for _ in range(3_000):
        num = int(rng.integers(0, 20))
        known[num] = unit(rng, int(rng.integers(1, 4)))
        put(index, num, known[num])
    assert len(index) == 20
    for query in unit(rng, 10):
        assert_same(index.search(query, 50), brute_force(known, query, 50))


Action = tuple[int, int, int]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4), st.integers(0, 2**32 - 1)), max_size=30),
    st.sets(st.integers(0, 12)),
    st.integers(1, 15),
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_any_sequence_equals_brute_force(backend: str, actions: list[Action], among: set[int], k: int) -> None:
    index, known = BACKENDS[backend](), {}
    for num, passages, seed in actions:
        known[num] = unit(np.random.default_rng(seed), passages)
        put(index, num, known[num])
    query = unit(np.random.default_rng(7), 1)[0]
    wanted = np.array(sorted(among), np.int64)
    expected = brute_force(known, query, k, among)
    found = index.search(query, k, wanted)
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-5)
    assert {num for num, _ in found} <= among
    assert len({num for num, _ in found}) == len(found) == min(k, len(among & set(known)))
