"""JSON in columns of `memories`: a list of texts or an object; anything else means a damaged row."""

from __future__ import annotations

import json
from json import JSONDecodeError
from typing import Any


def texts(column: str) -> tuple[str, ...]:
    """Return a list of texts. Raises JSONDecodeError if the column holds something else."""
    found = _loaded(column)
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise JSONDecodeError("it is no array of texts", "", 0)
    return tuple(found)


def mapping(column: str) -> dict[str, Any]:
    """Return an object. Raises JSONDecodeError if the column holds something else."""
    found = _loaded(column)
    if not isinstance(found, dict):
        raise JSONDecodeError("it is no object", "", 0)
    return found


def are_readable(tags: str, *objects: str) -> bool:
    """Tell whether all of a row's JSON columns can be read."""
    try:
        texts(tags)
        for column in objects:
            mapping(column)
    except (ValueError, TypeError):
        return False
    return True


def _loaded(column: str) -> Any:
    try:
        return json.loads(column)
    except (RecursionError, TypeError):
        raise JSONDecodeError("it is nested too deeply, or no text", "", 0) from None
