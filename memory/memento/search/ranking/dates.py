"""Time in language: the days a question names, and whether a text says when something happened.

English only: months, weekdays and the common relative expressions. What is not understood is not a date.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta, tzinfo
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from memento.base.times import day_of, day_start

_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBERS: Final = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "a couple of": 2,
}  # fmt: skip
_UNIT_DAYS: Final = {"day": 1, "week": 7, "month": 30, "year": 365}

_MONTH: Final = "|".join(f"{month[:3]}(?:{month[3:]})?" for month in _MONTHS).replace("(?:tember)", "(?:t(?:ember)?)")
_DAY: Final = r"(\d{1,2})(?:st|nd|rd|th)?"
_ISO: Final = re.compile(r"\b(\d{4})[-/](\d{2})[-/](\d{2})(?!\d)")
_DAY_MONTH: Final = re.compile(rf"\b{_DAY}\s+(?:of\s+)?({_MONTH})\b\.?(?:,?\s+(\d{{4}}))?", re.IGNORECASE)
_MONTH_DAY: Final = re.compile(rf"\b({_MONTH})\b\.?\s+{_DAY}\b(?:,?\s+(\d{{4}}))?", re.IGNORECASE)
_MONTH_ONLY: Final = re.compile(rf"\b({_MONTH})\b\.?(?:,?\s+(?:of\s+)?(\d{{4}}))?", re.IGNORECASE)
_MAY: Final = re.compile(r"\b(?:in|of|since|until|by|last|this|early|late|mid)\s+may\b|\bMay\b(?!\s+(?:I|we|be)\b)")
_YEAR: Final = re.compile(r"\b(?:in|of|since|during)\s+((?:19|20)\d{2})\b", re.IGNORECASE)
_COUNT: Final = rf"\d{{1,3}}|{'|'.join(_NUMBERS)}"
_AGO: Final = re.compile(rf"\b({_COUNT})\s+(day|week|month|year)s?\s+ago\b", re.IGNORECASE)
_LAST: Final = re.compile(rf"\blast\s+(weekend|week|month|year|{'|'.join(_WEEKDAYS)})\b", re.IGNORECASE)
_NEAR: Final = re.compile(
    r"\b(today|this morning|tonight|day before yesterday|yesterday|last night|this week|this month|this year)\b",
    re.IGNORECASE,
)
_DURING: Final = re.compile(
    rf"\b(?:(?:last|past|previous)\s+({_COUNT})\s+(day|week|month|year)s?|past\s+(day|week|month|year))\b",
    re.IGNORECASE,
)
_HOURS_AGO: Final = re.compile(rf"\b({_COUNT})\s+hours?\s+ago\b", re.IGNORECASE)
_WEEKDAY: Final = re.compile(
    rf"\b(?:on|this)\s+({'|'.join(_WEEKDAYS)})\b"
    rf"|(?<!last )(?<!next )\b({'|'.join(_WEEKDAYS)})(?:\s+(?:morning|afternoon|evening|night))?\s*[?.]?\s*$",
    re.IGNORECASE,
)
_IN_MONTHS: Final = tuple(month[:3] for month in _MONTHS)
_IN_YEARS: Final = ("19", "20")
_IN_NEAR: Final = ("today", "tonight", "yesterday", "this ", "last ")
"""What the pattern of that name finds holds one of these: looking for them first takes a third of the time."""

_TIME_WORDS: Final = (
    "yesterday", "today", "tonight", "tomorrow", "last", "next", "ago", "weekend", "recently", "since", "day", "week",
    "month", "year", "days", "weeks", "months", "years", "in may", "last may", "this may", "next may", "this morning",
    *_WEEKDAYS, *(month for month in _MONTHS if month != "may"),
)  # fmt: skip
_BY_LETTER: Final = "|".join(
    f"{letter}(?:{'|'.join(word[1:] for word in words)})"
    for letter, words in groupby(sorted(_TIME_WORDS), key=itemgetter(0))
)
_SAYS_WHEN: Final = re.compile(rf"\b(?:{_BY_LETTER}|(?:19|20)\d\d)\b")
_DATED: Final = (*_IN_MONTHS, *_IN_YEARS, *_IN_NEAR, "ago")
"""What a day that a text names has a word beginning with, near by."""
_NEAR_BY: Final = 40
"""Characters."""
_ASKS_WHEN: Final = re.compile(
    r"^\s*(?:when|how long|how many (?:days|weeks|months|years)|"
    r"(?:in |on |at )?(?:what|which) (?:year|month|week|date|day|time))\b",
    re.IGNORECASE,
)

TELLING_DAYS: Final = 10.0
"""How long people go on telling of something. Measured on the development conversations: docs/recall.md."""


class Span(NamedTuple):
    """Days that a question names: `start` to `end` (exclusive), or a part of the calendar of any year."""

    start: date | None = None
    end: date | None = None
    month: int = 0
    """With no start: this month of any year."""
    day: int = 0
    """With no start: this day of that month."""

    def holds(self, when: date) -> bool:
        """Tell whether a day lies in the span."""
        if self.start and self.end:
            return self.start <= when < self.end
        return when.month == self.month and self.day in (0, when.day)

    def times(self, days: int, zone: tzinfo | None = None) -> tuple[int, int] | None:
        """Return start and end (exclusive) in Unix milliseconds; None for a longer time than this, or any year.

        A day begins at midnight in `zone`, or local time.
        """
        if not self.start or not self.end or (self.end - self.start).days > days:
            return None
        try:
            return day_start(self.start, zone), day_start(self.end, zone)
        except (ValueError, OverflowError, OSError):  # the first and the last days of the calendar
            return None

    def meets(self, other: Span) -> bool:
        """Tell whether two spans have a day in common."""
        if self.start and self.end and other.start and other.end:
            return self.start < other.end and other.start < self.end
        if self.start:
            return other.holds(self.start)
        if other.start:
            return self.holds(other.start)
        return self.month == other.month and (not self.day or not other.day or self.day == other.day)


def asks_when(question: str) -> bool:
    """Tell whether the answer is a time."""
    return bool(_ASKS_WHEN.search(question))


def says_when(text: str) -> bool:
    """Tell whether a text names a time."""
    return bool(_SAYS_WHEN.search(text.lower()))


def spans(question: str, today: date) -> list[Span]:
    """Return the days a question names; `today` is what `yesterday` and `two weeks ago` count from."""
    found: list[Span] = []
    rest = _ISO.sub(partial(_taken, _iso, found), question)
    if _holds(rest, _IN_MONTHS):
        for pattern, read in ((_DAY_MONTH, _day_month), (_MONTH_DAY, _month_day), (_MONTH_ONLY, _month)):
            rest = pattern.sub(partial(_taken, read, found), rest)
    found += [_year(int(match[1])) for match in _finds(_YEAR, rest, _IN_YEARS)]
    return [*found, *_relative(rest, today)]


def asked_spans(question: str, today: date) -> list[Span]:
    """Return the days a question names, those among them that only a question about the past names.

    "On Monday" in a question is the latest one; in a text, it may as well be the next.
    """
    return [*spans(question, today), *_looking_back(question, today)]


def closeness(spans: Sequence[Span], timestamp: int, text: str = "", zone: tzinfo | None = None) -> float:
    """Return how well an event, in Unix milliseconds, fits the days that were named: 0 to 1; 0 if its time is unknown.

    Its day is the one in `zone`, or local time.
    1 where it fell on such a day, or where its text names one, counted from the event's own day ("last Friday"). People
    tell of things in the days after: from the span's end it falls by e every TELLING_DAYS, before its start three times
    as fast.
    """
    when = _day_of(timestamp, zone) if spans else None
    if when is None:
        return 0.0
    if any(span.holds(when) for span in spans) or _tells(text, when, spans):
        return 1.0
    return max(_shortly_after(span, when) for span in spans)


def _day_of(timestamp: int, zone: tzinfo | None) -> date | None:
    if timestamp <= 0:
        return None
    try:
        return day_of(timestamp, zone)
    except (ValueError, OverflowError, OSError):
        return None


def _tells(text: str, when: date, named: Sequence[Span]) -> bool:
    """Tell whether a text of that day names one of the days."""
    if not says_when(text):
        return False
    try:
        told = spans(_around_dates(text), when)
    except (ValueError, OverflowError):  # "200 years ago" in the year 100: before there were days
        return False
    return any(one.meets(other) for one in told for other in named)


def _around_dates(text: str) -> str:
    """Return the parts of a text in which a day can be named: the patterns take a millisecond for a long text."""
    lower = text.lower()
    if len(lower) != len(text):
        return text
    parts: list[tuple[int, int]] = []
    for place in sorted(_beginnings(lower)):
        start = text.rfind(" ", 0, place - _NEAR_BY) + 1 if place > _NEAR_BY else 0
        if parts and start <= parts[-1][1]:
            start = parts.pop()[0]
        parts.append((start, place + _NEAR_BY))
    return " ; ".join(text[start:end] for start, end in parts)


def _beginnings(lower: str) -> Iterator[int]:
    """Yield where a word begins as a date does."""
    for beginning in _DATED:
        place = lower.find(beginning)
        while place >= 0:
            if not place or not lower[place - 1].isalnum():
                yield place
            place = lower.find(beginning, place + 1)


def _shortly_after(span: Span, when: date) -> float:
    if not span.start or not span.end:
        return 0.0
    days = (when - span.end).days + 1 if when >= span.end else 3 * (span.start - when).days
    return math.exp(-days / TELLING_DAYS)


def _finds(pattern: re.Pattern[str], text: str, beginnings: Sequence[str]) -> Iterator[re.Match[str]]:
    return pattern.finditer(text) if _holds(text, beginnings) else iter(())


def _holds(text: str, beginnings: Sequence[str]) -> bool:
    return any(map(text.lower().__contains__, beginnings))


def _iso(match: re.Match[str]) -> Span | None:
    return _span(int(match[1]), int(match[2]), int(match[3]))


def _day_month(match: re.Match[str]) -> Span | None:
    return _span(int(match[3] or 0), _number(match[2]), int(match[1]))


def _month_day(match: re.Match[str]) -> Span | None:
    return _span(int(match[3] or 0), _number(match[1]), int(match[2]))


def _month(match: re.Match[str]) -> Span | None:
    if _number(match[1]) == 5 and not match[2] and not _MAY.search(match.string):
        return None  # "may" is a verb more often than a month
    return _span(int(match[2] or 0), _number(match[1]), 0)


def _taken(read: Callable[[re.Match[str]], Span | None], found: list[Span], match: re.Match[str]) -> str:
    """Take a date out of the question, so that a coarser pattern does not find it again."""
    if span := read(match):
        found.append(span)
    return " " if match[0].lower() != "may" else match[0]


def _number(month: str) -> int:
    return next(number for number, name in enumerate(_MONTHS, 1) if name.startswith(month.lower()[:3]))


def _span(year: int, month: int, day: int) -> Span | None:
    if not year:
        return Span(month=month, day=day)
    try:
        start = date(year, month, day or 1)
        return Span(start, start + timedelta(1) if day else _next_month(start))
    except (ValueError, OverflowError):
        return None


def _year(year: int) -> Span:
    return Span(date(year, 1, 1), date(year + 1, 1, 1))


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(32)).replace(day=1)


def _relative(question: str, today: date) -> Iterator[Span]:
    """Yield what is counted from today; a span a little wider than its words, as people mean it."""
    for match in _finds(_AGO, question, ("ago",)):
        days = _UNIT_DAYS[match[2].lower()]
        middle = today - timedelta(_counted(match[1]) * days)
        yield Span(middle - timedelta(days // 2), middle + timedelta(days // 2 + 1))
    for match in _finds(_LAST, question, ("last",)):
        yield _last(match[1].lower(), today)
    for match in _finds(_NEAR, question, _IN_NEAR):
        yield _near(match[1].lower(), today)


def _looking_back(question: str, today: date) -> Iterator[Span]:
    tomorrow = today + timedelta(1)
    for match in _finds(_DURING, question, ("last", "past", "previous")):
        days = _UNIT_DAYS[(match[2] or match[3]).lower()]
        yield Span(today - timedelta(days * _counted(match[1] or "one")), tomorrow)
    for match in _finds(_HOURS_AGO, question, ("ago",)):
        yield Span(today - timedelta((_counted(match[1]) + 23) // 24), tomorrow)
    for match in _finds(_WEEKDAY, question, _WEEKDAYS):
        back = (today.weekday() - _WEEKDAYS.index((match[1] or match[2]).lower())) % 7
        for days_ago in (back, 7) if back == 0 else (back,):
            yield Span(today - timedelta(days_ago), tomorrow - timedelta(days_ago))


def _counted(word: str) -> int:
    return _NUMBERS.get(word.lower()) or int(word)


def _last(unit: str, today: date) -> Span:
    monday = today - timedelta(today.weekday())
    if unit in _WEEKDAYS:
        day = today - timedelta((today.weekday() - _WEEKDAYS.index(unit)) % 7 or 7)
        return Span(day, day + timedelta(1))
    if unit == "year":
        return _year(today.year - 1)
    if unit == "month":
        last = today.replace(day=1) - timedelta(1)
        return Span(last.replace(day=1), last + timedelta(1))
    return Span(monday - timedelta(2 if unit == "weekend" else 7), monday)


def _near(words: str, today: date) -> Span:
    tomorrow, yesterday = today + timedelta(1), today - timedelta(1)
    starts = {
        "last night": yesterday,
        "this week": today - timedelta(today.weekday()),
        "this month": today.replace(day=1),
        "this year": today.replace(month=1, day=1),
    }
    if words == "yesterday":
        return Span(yesterday, today)
    if words.endswith("yesterday"):
        return Span(yesterday - timedelta(1), yesterday)
    return Span(starts.get(words, today), tomorrow)
