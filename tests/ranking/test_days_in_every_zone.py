"""`yesterday` in a question is a day of the one who asks: in every zone, and where a day has 23 or 25 hours."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st

from memento import MemoryStore
from memento.base.times import day_of, day_start, parse_when, process_zone, to_ms, zone_of
from memento.errors import UsageError
from memento.search.query import parse
from memento.search.ranking import dates
from memento.search.ranking.question import understand
from memento.storage.filters import Filter

ZONES: Final = (
    "Pacific/Kiritimati", "Pacific/Chatham", "Pacific/Auckland", "Asia/Kathmandu", "Asia/Kolkata", "Africa/Cairo",
    "Asia/Beirut", "Europe/Berlin", "UTC", "America/St_Johns", "America/Santiago", "America/Havana", "America/New_York",
    "Australia/Lord_Howe", "Pacific/Marquesas", "Pacific/Pago_Pago", "Etc/GMT+12",
)  # fmt: skip
"""+14 to -12 hours, halves and quarters of an hour, and zones that change their clocks at midnight."""
HOUR: Final = 3_600_000


@contextmanager
def local(zone: str) -> Iterator[None]:
    """Make a zone this process's own."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()


def named(question: str, at: int, moment: int, zone: ZoneInfo | None) -> bool:
    """Tell whether an event fell on a day that a question, asked at that time, names."""
    read = understand(question, lambda word: False, at, zone)
    return dates.closeness(read.spans, moment, "", read.zone) == 1


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ZONES), st.integers(1_577_836_800, 1_893_456_000), st.integers(-60 * HOUR, 12 * HOUR))
def test_yesterday_is_the_day_of_the_one_who_asks(zone: str, seconds: int, away: int) -> None:
    """The oracle converts both instants by the standard library and compares calendar days."""
    at, moment, there = seconds * 1000, seconds * 1000 + away, ZoneInfo(zone)
    asked, happened = (datetime.fromtimestamp(one / 1000, UTC).astimezone(there).date() for one in (at, moment))
    days = (asked - happened).days
    for question, right in (("yesterday", days == 1), ("today", days == 0), ("the day before yesterday", days == 2)):
        assert named(f"What did we say {question}?", at, moment, there) == right
        with local(zone):
            assert named(f"What did we say {question}?", at, moment, None) == right


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ZONES), st.integers(1_577_836_800, 1_893_456_000), st.sampled_from(("today", "yesterday")))
def test_candidates_filters_and_ranking_mean_the_same_day(zone: str, seconds: int, word: str) -> None:
    at, there = seconds * 1000, ZoneInfo(zone)
    (span,) = understand(word, lambda _: False, at, there).spans
    times = span.times(31, there)
    assert times
    assert times[0] == parse_when(word, at, there) == parse(f"since:{word}", Filter(), at, there).filter.since
    for moment in times:
        assert named(word, at, moment, there) == (moment == times[0])
        assert named(word, at, moment - 1, there) == (moment == times[1])
    with local(zone):
        assert span.times(31) == times
        assert parse_when(word, at) == times[0]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Africa/Cairo", date(2026, 4, 24), 23),  # there is no midnight that day
        ("America/Havana", date(2026, 11, 1), 25),  # there are two
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
    ],
)
def test_a_day_of_another_length_is_a_day(zone: str, day: date, hours: float) -> None:
    there, noon_after = ZoneInfo(zone), day_start(day + timedelta(1), ZoneInfo(zone)) + 12 * HOUR
    first, end = day_start(day, there), day_start(day + timedelta(1), there)
    assert (end - first) / HOUR == hours
    assert day_of(first, there) == day
    assert day_of(first - 1, there) == day - timedelta(1)
    for moment, right in ((first, True), (end - 1, True), (first - 1, False), (end, False)):
        assert named("yesterday", noon_after, moment, there) == right
    with local(zone):
        assert (day_start(day), day_start(day + timedelta(1))) == (first, end)


def test_what_a_text_tells_counts_from_its_own_local_day() -> None:
    """1 May, 08:00 in Auckland is still April in UTC: "last month" told then is April, not March."""
    auckland = ZoneInfo("Pacific/Auckland")
    told = to_ms("2026-05-01T08:00", auckland)
    april, march = ([dates.Span(date(2026, month, 1), date(2026, month + 1, 1))] for month in (4, 3))
    assert dates.closeness(april, told, "We moved last month.", auckland) == 1
    assert dates.closeness(march, told, "We moved last month.", auckland) < 1


@pytest.mark.parametrize(
    ("question", "days"),
    [
        ("What did we decide on Friday?", ["2026-11-27"]),
        ("What did we decide on Monday?", ["2026-11-30", "2026-11-23"]),  # asked on a Monday
        ("What did I say Tuesday night?", ["2026-11-24"]),
        ("What came up in the last 3 days?", ["2026-11-27", "2026-11-30"]),
        ("What came up over the past week?", ["2026-11-24", "2026-11-30"]),
        ("What did I tell you two hours ago?", ["2026-11-30"]),
    ],
)
def test_days_that_a_question_about_the_past_names(question: str, days: list[str]) -> None:
    spans = dates.asked_spans(question, date(2026, 11, 30))
    assert all(any(span.holds(date.fromisoformat(day)) for span in spans) for day in days)
    assert not any(span.holds(date(2026, 11, 19)) or span.holds(date(2026, 12, 1)) for span in spans)


@pytest.mark.parametrize("question", ["Do we deploy on Fridays?", "What is due next Friday?", "the last one", "a past"])
def test_what_names_no_past_day(question: str) -> None:
    assert dates.asked_spans(question, date(2026, 11, 30)) == []


def test_recall_takes_the_zone_of_the_one_who_asks(tmp_path: Path) -> None:
    with MemoryStore(tmp_path / "memory.db") as store:
        store.remember("The deploy marker is green.", timestamp="2026-06-10T22:30Z", embed=False)
        asked, question = "2026-06-11T12:00Z", "the deploy marker yesterday"
        there = store.recall(question, zone="America/Los_Angeles", at=asked, explain=True)  # 15:30 on the 10th
        here = store.recall(question, zone="Asia/Kolkata", at=asked, explain=True)  # 04:00 on the 11th
        assert [one[0].features["date"].value == 1 for one in (there, here) if one[0].features] == [True, False]
        assert store.recall("since:2026-06-11 marker", zone="Asia/Kolkata")
        assert not store.recall("since:2026-06-11 marker", zone="America/Los_Angeles")
        assert store.recall("marker", zone="Asia/Kolkata", since="2026-06-11")
        assert not store.recall("marker", zone="America/Los_Angeles", since="2026-06-11")
        with pytest.raises(UsageError, match="time zone database"):
            store.recall("marker", zone="Mars/Olympus")


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "../../etc/passwd", "/etc/passwd", ":/etc/passwd", "<+0545>-5:45", "\0"]
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        zone_of(name)


def test_a_process_tells_its_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    assert (process_zone(), zone_of("Asia/Kolkata")) == ("Asia/Kolkata", None)
    assert zone_of(":Europe/Berlin") == ZoneInfo("Europe/Berlin")
    monkeypatch.setenv("TZ", "")
    assert process_zone() == "UTC"
    monkeypatch.delenv("TZ")
    assert zone_of(process_zone()) is None
    time.tzset()
