"""The small parts of a search: terms, fusion, times, filters."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, strategies as st

from memento.base.stop_words import STOP_WORDS
from memento.base.times import iso, now_ms, parse_when, to_ms
from memento.errors import UsageError
from memento.search.fusion import DENSE_WEIGHT, LEXICAL_WEIGHT, MIN_COSINE, fuse
from memento.search.terms import MAX_TERMS, terms
from memento.storage.filters import Filter, quote_term, where

# Terms


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("When do we deploy?", ["deploy"]),
        ("the C++ and c# code", ["c++", "c#", "code"]),
        ("don't panic, DON'T", ["don't", "panic"]),
        ("what is it", ["what", "is", "it"]),
        ("src/memento/store.py line-42", ["src", "memento", "store.py", "line-42"]),
        ("", []),
        ("?!* ()", []),
        ("日本語 Ελλάδα", ["日本", "本語", "ελλάδα"]),
    ],
)
def test_terms(query: str, expected: list[str]) -> None:
    assert terms(query) == expected


@given(st.text(max_size=300))
def test_terms_are_few_lowered_and_once(query: str) -> None:
    found = terms(query)
    assert len(found) == len(set(found)) <= MAX_TERMS
    assert not (set(found) & STOP_WORDS and set(found) - STOP_WORDS)
    assert all(term and '"' not in term for term in found)


def test_a_huge_query_is_cut_quickly() -> None:
    started = time.monotonic()
    assert len(terms(" ".join(map(str, range(100_000))))) == MAX_TERMS
    assert terms("'" * 200_000) == terms("a'" * 100_000 + "b")[1:] == []
    assert time.monotonic() - started < 2


@given(st.text())
def test_a_quoted_term_is_one_string(term: str) -> None:
    quoted = quote_term(term)
    assert quoted.startswith('"')
    assert quoted.endswith('"')
    assert quoted[1:-1].replace('""', "") == term.replace('"', "")


# Fusion

scores = st.dictionaries(st.integers(1, 20), st.floats(0, 30, allow_subnormal=False), max_size=12)
cosines = st.dictionaries(st.integers(1, 20), st.floats(-1, 1, allow_subnormal=False), max_size=12)


@given(cosines, scores)
def test_fusion_is_sorted_bounded_and_complete(dense: dict[int, float], lexical: dict[int, float]) -> None:
    fused = fuse(dense, lexical)
    assert list(fused.values()) == sorted(fused.values(), reverse=True)
    assert all(0 <= score <= 1 + 1e-9 for score in fused.values())
    expected = {num for num, cosine in dense.items() if cosine >= MIN_COSINE} | set(lexical)
    assert fused.keys() == expected


@given(cosines, scores)
def test_fusion_does_not_depend_on_the_order_of_its_input(dense: dict[int, float], lexical: dict[int, float]) -> None:
    backwards = fuse(dict(reversed(dense.items())), dict(reversed(lexical.items())))
    assert list(fuse(dense, lexical).items()) == list(backwards.items())


def test_both_kinds_of_evidence_beat_one() -> None:
    fused = fuse({1: 0.8, 2: 0.8, 3: 0.2}, {1: 9.0, 3: 9.0, 4: 1.0})
    assert list(fused) == [1, 2, 3, 4]
    assert fused[1] == pytest.approx(DENSE_WEIGHT + LEXICAL_WEIGHT)


def test_one_kind_alone_orders_by_it() -> None:
    assert list(fuse({}, {5: 1.0, 6: 2.0})) == [6, 5]
    assert list(fuse({5: 0.3, 6: 0.4, 7: 0.01}, {})) == [6, 5]
    assert fuse({}, {}) == fuse({1: 0.05}, {}) == {}


# Times

SECONDS = 1_772_366_400  # 2026-03-01T12:00:00Z


@pytest.mark.parametrize(
    "value",
    [
        SECONDS, float(SECONDS), SECONDS * 1000, datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:00:00Z",
        "2026-03-01T13:00:00+01:00", " 2026-03-01 12:00:00+00:00 ", datetime.fromtimestamp(SECONDS),
        datetime(2026, 3, 1, 13, tzinfo=timezone(timedelta(hours=1))),
    ],
    ids=str,
)  # fmt: skip
def test_every_notation_of_a_time(value: Any) -> None:
    assert to_ms(value) == SECONDS * 1000
    assert iso(to_ms(value)) == "2026-03-01T12:00:00Z"


@pytest.mark.parametrize(
    ("age", "seconds"), [("45s", 45), ("5m", 300), ("12h", 43_200), ("7d", 604_800), ("2 w", 1_209_600)]
)
def test_an_age_counts_back_from_now(age: str, seconds: int) -> None:
    assert abs(now_ms() - seconds * 1000 - parse_when(age)) < 2_000


@pytest.mark.parametrize(
    "text", ["", "soon", "7x", "-7d", "7.5d", "2026-13-01", "٧d", "9" * 5000 + "d", "9" * 30 + "y"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UsageError, match="give an age such as 7d or 12h, or a date such as 2026-11-01"):
        parse_when(text)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 1e300, 10**400, -(2**70)])
def test_what_no_clock_shows(number: float) -> None:
    with pytest.raises(UsageError, match="no time that can be stored"):
        to_ms(number)


@given(st.one_of(st.text(max_size=20), st.floats(), st.integers(), st.datetimes()))
def test_any_value_gives_64_bits_or_a_usage_error(value: Any) -> None:
    try:
        found = to_ms(value)
    except UsageError:
        return
    assert -(2**63) < found < 2**63
    iso(found)


def test_an_unknown_time_has_no_text() -> None:
    assert iso(0) == iso(10**17) == ""


# Filters


def test_no_filter_is_no_condition() -> None:
    assert Filter().empty
    assert where(Filter()) == ("TRUE", [])


def test_every_value_is_bound_and_never_part_of_the_statement() -> None:
    evil = "x'; DROP TABLE memories; --"
    filter_ = Filter(evil, (evil, evil), evil, evil, evil, evil, evil, 1, 2, 0.5)
    condition, parameters = where(filter_)
    assert evil not in condition
    assert condition.count("?") == len(parameters) == 13
    assert not filter_.empty
    assert where(Filter(since=0)) == ("memories.timestamp >= ?", [0])
