"""The query language: operators where they are meant, plain text everywhere else, never an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from memento import MemoryStore
from memento.config import load_config
from memento.search.query import MAX_OPERATORS, parse
from memento.storage.filters import Filter


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    return MemoryStore(tmp_path / "m.db", config=load_config(environment={"MEMENTO_HOME": str(tmp_path)}))


@pytest.mark.parametrize(
    ("query", "text", "filter_"),
    [
        ("plain words", "plain words", Filter()),
        ('"exact phrase"', "exact phrase", Filter(phrases=("exact phrase",))),
        ('the "exact phrase" here', "the exact phrase here", Filter(phrases=("exact phrase",))),
        ("timeout -redis", "timeout", Filter(without=("redis",))),
        ('timeout -"two words"', "timeout", Filter(without=("two words",))),
        ("deploy tag:ci tag:prod", "deploy", Filter(tags=("ci", "prod"))),
        ("deploy session:abc-1", "deploy", Filter(session="abc-1")),
        ('tag:"two words" x', "x", Filter(tags=("two words",))),
        ('what did she say about "Dune"?', "what did she say about Dune ?", Filter()),
    ],
)
def test_operators(query: str, text: str, filter_: Filter) -> None:
    found = parse(query, Filter())
    assert (found.text, found.filter) == (text, filter_)


@pytest.mark.parametrize(
    "query",
    [
        "C++", "don't", "a - b", "--flag", "x-y", "rm -", "since:soon", "tag:", "session:", 'a "', '""', '"!!"', "🎉",
        "日本語", "f(x) == \"", "http://a/b?c=tag:x", "it's -", "note:this", "well-known",
    ],
)  # fmt: skip
def test_what_is_no_operator_is_plain_text(query: str) -> None:
    found = parse(query, Filter())
    assert (found.text, found.filter) == (query, Filter())


@given(st.text(max_size=400))
def test_nothing_is_an_error_and_no_word_is_lost(query: str) -> None:
    found = parse(query, Filter())
    kept = {*found.text.split(), *found.filter.tags, *found.filter.without, *found.filter.phrases}
    assert kept or not query.strip() or found.filter != Filter()


def test_operators_narrow_and_never_widen() -> None:
    within = Filter(session="mine", tags=("a",), since=2_000_000_000_000)
    found = parse("x session:other tag:b since:2001-01-01", within).filter
    assert (found.session, found.tags, found.since) == ("mine", ("a", "b"), 2_000_000_000_000)


def test_a_page_of_quotes_is_text() -> None:
    page = " ".join(f'"quote {n}"' for n in range(MAX_OPERATORS + 1))
    assert parse(page, Filter()).filter == Filter()


def test_phrases_and_exclusions_hold_before_top_k(store: MemoryStore) -> None:
    for number in range(300):
        store.remember(f"the pool of connections number {number}", embed=False)
    wanted = store.remember("the connection pool is exhausted", embed=False)
    other = store.remember("the connection pool of redis", embed=False)
    assert {one.id for one in store.recall('"connection pool"')} == {wanted, other}
    assert [one.id for one in store.recall('"connection pool" -redis')] == [wanted]
    assert len(store.recall('"connection pool"', plain=True)) == 10
    assert not store.recall('"pool connection is"')


@pytest.mark.parametrize("query", ["C++ don't 🎉", "x" * 10_000, '"' * 999, "-", "a OR NEAR(b) AND *", "text:x", "''"])
def test_odd_queries_are_answered(store: MemoryStore, query: str) -> None:
    store.remember("C++ is what we don't use", embed=False)
    store.recall(query)
