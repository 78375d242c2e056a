"""What requests may ask for: query parameters and bodies, checked before anything is done with them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from memento_ingest.server.client import MOST_SECONDS
from memento_ingest.server.refusal import Refusal, unknown

MAX_RESULTS: Final = 10_000
MAX_CONTEXT: Final = 20
MOST_INSTRUCTIONS: Final = 100
"""How many unless it is said."""
MOST_NOTED: Final = 10
"""How many of each part of a brief unless it is said."""
_MAX_NESTING_HINT: Final = "send one JSON object"
TEXTS: Final = ("collection", "source", "session", "project", "role", "trust", "since", "before", "zone")
FLAGS: Final = ("spread", "cover", "by_time", "plain", "explain")
"""0 or 1."""
SHARES: Final = ("min_importance", "min_score")
"""In [0, 1]."""


class Asked(NamedTuple):
    """What a recall asks for."""

    query: str
    limit: int | None
    deadline: float | None
    """Seconds."""
    options: dict[str, Any]
    """Filters and options, as MemoryStore.recall takes them."""


class AskedInstructions(NamedTuple):
    """Which standing instructions are asked for."""

    project: str | None
    limit: int


class AskedBrief(NamedTuple):
    """What is to be told before an agent begins: of a project, or of a file."""

    project: str
    file: str
    session: str
    """Left out: the agent knows its own session."""
    limit: int


class Remembered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/remember`."""

    text: str
    session_id: str = ""
    role: str = "user"
    speaker: str = ""
    importance: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    tags: list[str] = []
    collection: str = "knowledge"
    timestamp: str | float | None = None
    project: str = ""
    meta: dict[str, Any] = {}


def query(raw: bytes, known: Sequence[str], repeatable: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return the query's parameters. Raises Refusal for an unknown one, a repeated one and what is not UTF-8."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise Refusal(400, "the query cannot be read", "percent-encode it as UTF-8, with at most 100 fields") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in known:
            raise unknown("parameter", name, known)
        if name in found and name not in repeatable:
            raise Refusal(400, f"the parameter `{name}` is given twice", "give it once")
        found.setdefault(name, []).append(value)
    return found


def asked(raw: bytes) -> Asked:
    """Return what the query of a recall asks for. Raises Refusal."""
    found = query(raw, ("q", "k", "deadline", "tag", *SHARES, "context", *FLAGS, *TEXTS), ("tag",))
    one = {name: values[0] for name, values in found.items()}
    if "q" not in one:
        raise Refusal(400, "the parameter `q` is missing", "say what to look for: /v1/recall?q=...")
    options: dict[str, Any] = {name: one[name] for name in TEXTS if one.get(name)}
    if "tag" in found:
        options["tags"] = found["tag"]
    for name in SHARES:
        if (least := _number(one, name, 0.0, 1.0, float)) is not None:
            options[name] = least
    if (context := _number(one, "context", 0, MAX_CONTEXT, int)) is not None:
        options["context"] = context
    for name in FLAGS:
        if (flag := _number(one, name, 0, 1, int)) is not None:
            options[name] = bool(flag)
    return Asked(
        one["q"], _number(one, "k", 1, MAX_RESULTS, int), _number(one, "deadline", 0.0, MOST_SECONDS, float), options
    )


def instructions(raw: bytes) -> AskedInstructions:
    """Return what the query for instructions asks for. Raises Refusal."""
    one = {name: values[0] for name, values in query(raw, ("project", "k")).items()}
    return AskedInstructions(one.get("project") or None, _number(one, "k", 1, MAX_RESULTS, int) or MOST_INSTRUCTIONS)


def brief(raw: bytes) -> AskedBrief:
    """Return what is asked of a project or a file. Raises Refusal unless it is one of the two."""
    one = {name: values[0] for name, values in query(raw, ("project", "file", "session", "k")).items()}
    project, file = one.get("project", ""), one.get("file", "")
    if bool(project) == bool(file):
        raise Refusal(400, "`project` or `file` is asked about", "give one of them")
    if not (project or file).startswith("/"):
        raise Refusal(400, "`project` and `file` are whole paths", "begin the path with /")
    return AskedBrief(project, file, one.get("session", ""), _number(one, "k", 1, MAX_RESULTS, int) or MOST_NOTED)


def remembered(body: bytes) -> Remembered:
    """Return what a body asks to remember. Raises Refusal, for a field that is unknown with the nearest one."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not JSON", _MAX_NESTING_HINT) from None
    if not isinstance(value, dict):
        raise Refusal(400, "the body is not a JSON object", 'send {"text": "..."}')
    fields = Remembered.__struct_fields__
    for name in value:
        if name not in fields:
            raise unknown("field", name, fields)
    try:
        return msgspec.convert(value, Remembered)
    except msgspec.ValidationError as error:
        raise Refusal(400, str(error), "see /openapi.json for the fields") from None


Number = Callable[[str], Any]


def _number(given: Mapping[str, str], name: str, least: float, most: float, kind: Number) -> Any:
    """Return a parameter as a number, None when it is not given. Raises Refusal."""
    if name not in given:
        return None
    text = given[name]
    try:
        value = kind(text) if text.isascii() and len(text) <= 40 else math.nan
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        what = "a whole number" if kind is int else "a number"
        raise Refusal(400, f"`{name}` is {what} from {least:g} to {most:g}", f"correct `{name}`")
    return value
