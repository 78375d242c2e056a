"""Times: Unix milliseconds, UTC, everywhere inside; this module converts other notations."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, date, datetime, time as clock_time, timedelta, tzinfo
from pathlib import Path
from typing import Final

from memento.errors import UsageError

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_557_600}
_AGE: Final = re.compile(r"(\d+)\s*([smhdwy])", re.ASCII)
_DAYS_BACK: Final = {"today": 0, "yesterday": 1}
_MILLISECONDS_FROM: Final = 100_000_000_000
"""Numbers from this one on are milliseconds: as seconds, they would be after the year 5138."""


EARLIEST_CLOCK: Final = 1_577_836_800_000
"""2020-01-01: a clock that shows an earlier time is wrong, so timestamps are not compared with it."""
MOST_AHEAD: Final = 300_000
"""Tolerance for timestamps ahead of this machine's clock, since clocks differ."""
_SYSTEM_ZONE: Final = ":/etc/localtime"
"""The meaning of an unset TZ; see tzset(3)."""


def now_ms() -> int:
    """Return the current time in Unix milliseconds; 0 if the clock shows a time before 1970."""
    return max(0, time.time_ns() // 1_000_000)


def is_ahead(timestamp: int, now: int) -> bool:
    """Tell whether a timestamp is ahead of a clock that shows `now` (both in Unix ms), so one of them is wrong."""
    return now >= EARLIEST_CLOCK and timestamp > now + MOST_AHEAD


def to_ms(value: datetime | date | float | str, zone: tzinfo | None = None) -> int:
    """Convert a datetime or date, Unix seconds or milliseconds, or an ISO 8601 text to Unix milliseconds.

    A time without a zone is in `zone`, by default local. Raises UsageError for a text that is not a date, a number out
    of range, and another type.
    """
    if isinstance(value, str):
        return parse_when(value, zone=zone)
    try:
        if isinstance(value, datetime):
            return round(_in_zone(value, zone).timestamp() * 1000)
        if isinstance(value, date):
            return day_start(value, zone)
        return require_storable(int(value) if abs(value) >= _MILLISECONDS_FROM else round(value * 1000))
    except TypeError:
        raise UsageError(
            f"{value!r} is no time: give a datetime, Unix seconds, or a text such as 7d or 2026-11-01"
        ) from None
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{value} is no time that can be stored") from None


def parse_when(text: str, now: int | None = None, zone: tzinfo | None = None) -> int:
    """Convert `7d`, `12h`, `yesterday`, `2026-11-01` or an ISO 8601 time to Unix milliseconds.

    An age counts back from `now` (Unix milliseconds; default: the current time). Days begin at midnight in `zone`, and
    times without a zone are in `zone`; by default, both are local.
    """
    stripped, now = text.strip(), now_ms() if now is None else now
    try:
        if stripped.lower() in _DAYS_BACK:
            return day_start(day_of(now, zone) - timedelta(_DAYS_BACK[stripped.lower()]), zone)
        if age := _AGE.fullmatch(stripped):
            return require_storable(now - int(age[1]) * _UNITS[age[2]] * 1000)
        return round(_in_zone(datetime.fromisoformat(stripped), zone).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"cannot read {text!r} as a time: give an age such as 7d or 12h, or a date such as 2026-11-01"
        ) from None


def day_of(milliseconds: int, zone: tzinfo | None = None) -> date:
    """Return the calendar day of an instant in `zone`, or local time. Raises ValueError, OverflowError, OSError."""
    return datetime.fromtimestamp(milliseconds / 1000, zone).date()


def day_start(day: date, zone: tzinfo | None = None) -> int:
    """Return the instant at which a day begins in `zone`, or local time, in Unix milliseconds.

    If daylight saving begins at midnight, that is the day's first instant. Raises ValueError, OverflowError, OSError.
    """
    return round(datetime.combine(day, clock_time(), zone).timestamp() * 1000)


def process_zone() -> str:
    """Return the name of this process's time zone, as `zone_of` takes it."""
    return os.environ.get("TZ", _SYSTEM_ZONE) or "UTC"


def zone_of(name: str) -> tzinfo | None:
    """Return the time zone of an IANA name or of another process's `process_zone`; None if it is this process's own.

    Raises UsageError for a name that is not in the time zone database.
    """
    if name in ("", process_zone()):
        time.tzset()  # a laptop travels: the system's zone may have changed since this process started
        return None
    from zoneinfo import ZoneInfo

    try:
        if name == _SYSTEM_ZONE:
            with Path(_SYSTEM_ZONE.removeprefix(":")).open("rb") as file:
                return ZoneInfo.from_file(file)
        return ZoneInfo(name.removeprefix(":"))
    except (ValueError, LookupError, OSError):
        raise UsageError(f"{name!r} is not in the time zone database: give a name such as Europe/Madrid") from None


def _in_zone(moment: datetime, zone: tzinfo | None) -> datetime:
    return moment if moment.tzinfo or zone is None else moment.replace(tzinfo=zone)


def iso(milliseconds: int) -> str:
    """Return the ISO 8601 text, UTC, to the second; empty for 0, which means unknown."""
    if milliseconds == 0:
        return ""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return ""


def local(milliseconds: int, zone: tzinfo | None = None) -> str:
    """Return the day and time to the minute, in `zone` or local time, for a person to read; empty for 0: unknown.

    Local, since `since:`, `--at` and "yesterday" are read as local too.
    """
    if milliseconds == 0:
        return ""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, zone).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return ""


def local_day(milliseconds: int, zone: tzinfo | None = None) -> str:
    """Return the day of an instant, in `zone` or local time, for a person to read; empty for 0, which means unknown."""
    return local(milliseconds, zone)[:10]


def require_storable(milliseconds: int) -> int:
    """Return the time. Raises OverflowError for what SQLite's 64 bits cannot hold."""
    if abs(milliseconds) >= 1 << 63:
        raise OverflowError
    return milliseconds
