"""Reads the times transcripts give - ISO 8601 strings and Unix numbers of any unit - as Unix milliseconds."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone

from memento.base.times import is_ahead, now_ms

# The unit of a Unix number follows from its size: as seconds 1e11 is the year 5138, as milliseconds it is 1973.
_SECONDS_BELOW = 1e11
_MILLISECONDS_BELOW = 1e14
_MICROSECONDS_BELOW = 1e17
_NANOSECONDS_BELOW = 1e20

_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?"
    # A lone sign is a zone cut short, as some exports write it; it counts as none.
    r"\s*(?:(Z|UTC|GMT)|([+-])(?:(\d{2})(?::?(\d{2}))?)?)?",
    re.IGNORECASE | re.ASCII,
)
_NUMBER = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,12})?", re.ASCII)
_MAX_STRING = 64


def to_unix_ms(value: object) -> int | None:
    """Return Unix milliseconds, or None where `value` is no time after 1970-01-01.

    Takes ISO 8601 strings (without a zone: UTC), numbers in seconds, milliseconds, microseconds or nanoseconds (told
    apart by their size) and such numbers as strings. Never raises.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _from_number(value)
    if isinstance(value, str) and len(value) <= _MAX_STRING:
        text = value.strip()
        if _NUMBER.fullmatch(text):
            return _from_number(float(text))
        return _from_iso(text)
    return None


def inheritable(time: int | None, otherwise: int = 0) -> int:
    """Return the time that records after this one, which state none, may take over: `time`, or else `otherwise`.

    A stamp ahead of this machine's clock is wrong, and a wrong stamp stays with the record that states it.
    """
    return time if time and not is_ahead(time, now_ms()) else otherwise


def _from_number(value: float) -> int | None:
    if not 0 < value < _NANOSECONDS_BELOW:  # false for NaN as well
        return None
    number = float(value)
    if number < _SECONDS_BELOW:
        # Rounded first, so that the binary fraction of 0.123 s does not make it 122 ms.
        return math.floor(round(number * 1000, 3)) or None
    if number < _MILLISECONDS_BELOW:
        return math.floor(number)
    if number < _MICROSECONDS_BELOW:
        return math.floor(number / 1000)
    return math.floor(number / 1_000_000)


def _from_iso(text: str) -> int | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, _, sign, zone_hours, zone_minutes = match.groups()
    try:
        zone = UTC
        if sign and zone_hours:
            shift = timedelta(hours=int(zone_hours), minutes=int(zone_minutes or 0))
            zone = timezone(-shift if sign == "-" else shift)
        # Second 60 is a leap second, which datetime cannot hold.
        seconds = min(int(second or 0), 59)
        moment = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), seconds, tzinfo=zone)
        whole = math.floor(moment.timestamp())
    except (ValueError, OverflowError):
        return None
    milliseconds = whole * 1000 + int((fraction or "0").ljust(3, "0")[:3])
    return milliseconds if milliseconds > 0 else None
