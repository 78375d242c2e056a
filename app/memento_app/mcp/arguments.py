"""The arguments of a tool, checked against its schema before anything is done with them.

Only what `catalog.py` uses of JSON Schema is known here. A name that the schema does not have is refused: a filter
that a model misspelt must not be left out in silence.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Final

from memento.errors import UsageError

_TYPES: Final[dict[str, tuple[type, str]]] = {
    "string": (str, "a text"),
    "integer": (int, "a whole number"),
    "boolean": (bool, "true or false"),
    "array": (list, "a list"),
}


def checked(schema: dict[str, Any], given: Any) -> dict[str, Any]:
    """Return the arguments without those that are null. Raises UsageError, naming the first that is wrong."""
    if not isinstance(given, dict):
        raise UsageError("`arguments` is an object")
    known: dict[str, Any] = schema["properties"]
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise UsageError(f"there is no argument `{name[:100]}`: " + _hint(near, known))
    found = {name: value for name, value in given.items() if value is not None}
    for name in schema.get("required", ()):
        if name not in found:
            raise UsageError(f"the argument `{name}` is missing")
    for name, value in found.items():
        _check(name, known[name], value)
    return found


def _hint(near: list[str], known: dict[str, Any]) -> str:
    return f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}"


def _check(name: str, schema: dict[str, Any], value: Any) -> None:
    kind, words = _TYPES[schema["type"]]
    given: Any = value  # mypy takes what passes isinstance(value, kind) for a plain object
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"`{name}` is {words}")
    if kind is int and not schema["minimum"] <= given <= schema["maximum"]:
        raise UsageError(f"`{name}` is from {schema['minimum']} to {schema['maximum']}")
    if kind is str and len(given) < schema.get("minLength", 0):
        raise UsageError(f"`{name}` is empty")
    if kind is list:
        least, most = schema.get("minItems", 0), schema.get("maxItems", len(given))
        if not least <= len(given) <= most:
            raise UsageError(f"`{name}` holds from {least} to {most}")
        for one in given:
            _check(name, schema["items"], one)
