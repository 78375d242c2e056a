"""The query language: operators where they are meant, plain text everywhere else, never an error."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings, strategies as st

from memento import Memory, MemoryStore
from memento.config import load_config
from memento.search.query import MAX_OPERATORS, parse
from memento.storage.filters import Filter
from memento.storage.fulltext import stemmer


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
        "日本語", "f(x) == \"", "http://a/b?c=tag:x", "it's -", "note:this", "well-known", "git commit -m", "pip -e .",
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


def test_operators_alone_bring_the_latest_that_they_leave(store: MemoryStore) -> None:
    for number in range(12):
        store.remember(f"note {number} of tea", tags=["tea"], session_id=f"s{number % 2}", embed=False)
    coffee = store.remember("a note of coffee", tags=["coffee"], timestamp="2020-01-01", embed=False)
    assert [one.id for one in store.recall("tag:coffee")] == [coffee]
    assert [one.id for one in store.recall("-tea")] == [coffee]
    assert {one.memory.session_id for one in store.recall("session:s1")} == {"s1"}
    assert len(store.recall("since:7d", k=50)) == 12
    assert [one.text for one in store.recall("tag:tea session:s0 since:1h -2 -4 -6 -8 -10")] == ["note 0 of tea"]
    assert not store.recall("tag:milk")
    assert not store.recall("")
    assert not store.recall("", tags="tea")


def test_a_since_that_is_no_time_is_said_to_be_text(store: MemoryStore) -> None:
    store.remember("tea of today", embed=False)
    store.remember("tea of old", timestamp=datetime.now() - timedelta(2), embed=False)
    (note,) = [note for note in store.recall("tea since:soon").notes if "`since" in note]
    assert note == "`since:soon` is searched for as text: give an age such as 7d, or a date"
    assert not any("`since" in note for note in store.recall("tea since:soon", plain=True).notes)
    for day in ("since:today", "since:Yesterday"):
        assert [one.text for one in store.recall(f"tea {day}")] == ["tea of today"]


def test_a_time_before_1970_is_a_time(store: MemoryStore) -> None:
    old = store.remember("tea with grandmother", timestamp="1965-05-05", embed=False)
    new = store.remember("tea with milk", timestamp="2020-05-05", embed=False)
    assert {one.id for one in store.recall("tea since:1960-01-01")} == {old, new}
    assert [one.id for one in store.recall("tea since:1970-01-01")] == [new]
    assert [one.id for one in store.recall("tea on 5 May 2020", before=0)] == [old]


def test_a_phrase_is_looked_for_in_the_text_and_an_exclusion_everywhere(store: MemoryStore) -> None:
    said = store.remember("the green tea is ready", speaker="Ann", embed=False)
    store.remember("a drink is ready", tags=["green", "tea"], speaker="Ben", embed=False)
    assert [one.id for one in store.recall('"green tea" ready')] == [said]
    assert not store.recall("ready -Ann -green")


@pytest.mark.parametrize("phrase", ["_", "__", "_ _"])
def test_a_phrase_in_which_the_index_sees_no_word_is_text(store: MemoryStore, phrase: str) -> None:
    known = store.remember("tea with milk", embed=False)
    assert [one.id for one in store.recall(f'tea "{phrase}"')] == [known]


WORDS = (
    "tea",
    "milk",
    "Teas",
    "C++",
    "don't",
    "it\u2019s",
    "\u6771\u4eac",
    "caf\u00e9",
    "\U0001f468\u200d\U0001f469",
    "x_y",
    "AND",
    "\u05e9",
)
PARTS = (
    *WORDS, *(f"-{word}" for word in WORDS), *(f'"{word} tea"' for word in WORDS), '-"tea milk"', '"', "-", "NEAR(",
    "text:", "tag:a", 'tag:"b c"', "tag:", "session:s1", "since:5d", "since:2001-01-01", "since:soon", "*", "(",
    "\n", "\0",
)  # fmt: skip


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> MemoryStore:
    folder = tmp_path_factory.mktemp("mixed")
    store = MemoryStore(folder / "m.db", config=load_config(environment={"MEMENTO_HOME": str(folder)}))
    for number, word in enumerate(WORDS * 3):
        store.remember(
            f"{word} tea {WORDS[number % 5]} {number}",
            tags=("a", "b c") if number % 3 else ("a",),
            session_id=f"s{number % 2}",
            timestamp=datetime.now() - timedelta(number),
            embed=False,
        )
    return store


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=8).map(" ".join))
def test_what_is_found_is_what_a_plain_filter_leaves(mixed: MemoryStore, query: str) -> None:
    asked = parse(query.replace("\0", "\ufffd"), Filter()).filter
    found = mixed.recall(query, k=100)
    assert not found.partial
    for one in found:
        text = stems(one.text)
        assert set(asked.tags) <= set(one.memory.tags)
        assert asked.session in ("", one.memory.session_id)
        assert one.memory.timestamp >= (asked.since or 0)
        assert all(has(text, stems(phrase)) for phrase in asked.phrases)
        assert not any(has(text, stems(phrase)) for phrase in asked.without if stems(phrase))
    left = [one for one in mixed.get_recent(100) if passes(one, asked)]
    if asked != Filter() and not parse(query, Filter()).text.strip():
        assert sum(1 + one.copies for one in found) == len(left)


def passes(memory: Memory, asked: Filter) -> bool:
    text = stems(" ".join((memory.text, *memory.tags)))
    return (
        set(asked.tags) <= set(memory.tags)
        and asked.session in ("", memory.session_id)
        and memory.timestamp >= (asked.since or 0)
        and all(has(stems(memory.text), stems(phrase)) for phrase in asked.phrases)
        and not any(has(text, stems(phrase)) for phrase in asked.without if stems(phrase))
    )


stems = stemmer(apsw.Connection(":memory:"))


def has(text: list[str], phrase: list[str]) -> bool:
    return any(text[start : start + len(phrase)] == phrase for start in range(len(text)))
