"""Times: everything inside is Unix milliseconds, UTC; this module is where other notations enter and leave."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta
from typing import Final

from memento.errors import UsageError

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_557_600}
_AGE: Final = re.compile(r"(\d+)\s*([smhdwy])", re.ASCII)
_DAYS_BACK: Final = {"today": 0, "yesterday": 1}
_MILLISECONDS_FROM: Final = 100_000_000_000
"""Numbers from here on are milliseconds: as seconds they would lie beyond the year 5138."""


def now_ms() -> int:
    """Return the current time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def to_ms(value: datetime | date | float | str) -> int:
    """Turn a datetime or a day (naive = local), Unix seconds or milliseconds, or an ISO 8601 text into Unix ms.

    Raises UsageError for a text that is no date, a number no clock will ever show, and what is none of these.
    """
    if isinstance(value, str):
        return parse_when(value)
    try:
        if isinstance(value, datetime):
            return round(value.timestamp() * 1000)
        if isinstance(value, date):
            return parse_when(value.isoformat())
        return storable(int(value) if abs(value) >= _MILLISECONDS_FROM else round(value * 1000))
    except TypeError:
        raise UsageError(
            f"{value!r} is no time: give a datetime, Unix seconds, or a text such as 7d or 2026-11-01"
        ) from None
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{value} is no time that can be stored") from None


def parse_when(text: str, now: int | None = None) -> int:
    """Turn `7d`, `12h`, `yesterday`, `2026-11-01` or an ISO 8601 time into Unix milliseconds.

    An age counts back from `now` (Unix milliseconds; the current time unless given); a day begins at midnight here, as
    a time without a zone is of here.
    """
    stripped, now = text.strip(), now_ms() if now is None else now
    try:
        if stripped.lower() in _DAYS_BACK:
            day = datetime.fromtimestamp(now / 1000) - timedelta(_DAYS_BACK[stripped.lower()])
            return round(day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)
        if age := _AGE.fullmatch(stripped):
            return storable(now - int(age[1]) * _UNITS[age[2]] * 1000)
        return round(datetime.fromisoformat(stripped).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"cannot read {text!r} as a time: give an age such as 7d or 12h, or a date such as 2026-11-01"
        ) from None


def iso(milliseconds: int) -> str:
    """Return the ISO 8601 text, UTC, to the second; empty for 0, which means unknown."""
    if milliseconds == 0:
        return ""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return ""


def storable(milliseconds: int) -> int:
    """Return the time. Raises OverflowError for what SQLite's 64 bits cannot hold."""
    if abs(milliseconds) >= 1 << 63:
        raise OverflowError
    return milliseconds
