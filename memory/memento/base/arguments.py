"""Checks of callers' arguments: an invalid one raises UsageError, which names it."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from datetime import datetime, tzinfo
from numbers import Real
from operator import index
from typing import Any

from memento.base.times import to_ms
from memento.errors import UsageError
from memento_policies.text import encode


def checked_text(name: str, given: object) -> str:
    """Return a storable text: NULs and lone surrogates become U+FFFD."""
    if not isinstance(given, str):
        raise UsageError(f"`{name}` takes a text, not {given!r}")
    return encode(given)[0]


def checked_texts(name: str, given: object) -> tuple[str, ...]:
    """Return a tuple of texts; a single text becomes a tuple of one."""
    if isinstance(given, str):
        return (checked_text(name, given),)
    if isinstance(given, Mapping | bytes) or not hasattr(given, "__iter__"):
        raise UsageError(f"`{name}` takes texts, not {given!r}")
    return tuple(checked_text(name, one) for one in given)


def whole_number(name: str, given: Any, least: int) -> int:
    """Return a whole number, at least `least` and limited to SQLite's range."""
    try:
        number = index(given)
    except TypeError:
        raise UsageError(f"`{name}` takes a whole number, not {given!r}") from None
    if number < least:
        raise UsageError(f"{name} must be {least} or more, not {number}")
    return min(number, sys.maxsize)


def fraction(name: str, given: Any) -> float:
    """Return a number in [0, 1]."""
    if isinstance(given, bool) or not isinstance(given, Real) or not 0 <= float(given) <= 1:
        raise UsageError(f"{name} lies in [0, 1], not {given!r}")
    return float(given)


def json_object(name: str, given: Any) -> Mapping[str, Any]:
    """Return a mapping that JSON can represent, which excludes NaN and Infinity."""
    if not isinstance(given, Mapping):
        raise UsageError(f"`{name}` takes a mapping, not {given!r}")
    try:
        json.dumps(dict(given), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} must be what JSON can hold: {error}") from None
    return given


def seconds(name: str, given: object) -> float:
    """Return a number of seconds; a negative one is in the past."""
    if not isinstance(given, Real) or math.isnan(given):
        raise UsageError(f"`{name}` takes a number of seconds, not {given!r}")
    return float(given)


def moment(name: str, given: Any, zone: tzinfo | None = None) -> int:
    """Return a time as Unix milliseconds, between the years 1000 and 9000 so that ages can be subtracted."""
    milliseconds = to_ms(given, zone)
    try:
        if 1000 < datetime.fromtimestamp(milliseconds / 1000).year < 9000:
            return milliseconds
    except (ValueError, OverflowError, OSError):
        pass
    raise UsageError(f"`{name}` takes a time between the years 1000 and 9000, not {given!r}")
