"""What a caller may narrow a search by, in the caller's words, and the same as storage takes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import TypedDict, get_args

from memento.errors import UsageError
from memento.memory import Trust
from memento.storage.filters import Filter
from memento.times import to_ms
from memento_policies.message import Role
from memento_policies.text import encode

When = datetime | float | str
"""A datetime (naive = local time), Unix seconds or milliseconds, an ISO 8601 text, or an age such as `7d` or `12h`."""


class Filters(TypedDict, total=False):
    """What `recall`, `batch_recall` and `get_recent` take to narrow a search; all of them hold before top-k."""

    collection: str
    """`knowledge` is what was remembered, `episodic` what was ingested, any other a collection of your own."""
    tags: Sequence[str]
    """All of them must be present."""
    source: str
    """The transcript's format, such as `claude-code`; `api` for what `remember` wrote."""
    session: str
    """The session's id."""
    project: str
    """The whole path of the folder the agent worked in, or its last part."""
    role: str
    """`user`, `assistant`, `tool` or `system`."""
    trust: str
    """Whose word it is, from the channel it came through: `user`, `assistant`, `tool` or `import`."""
    since: When | None
    """The event's own time, inclusive."""
    before: When | None
    """The event's own time, exclusive."""
    min_importance: float
    """In [0, 1], inclusive."""


def to_filter(filters: Filters) -> Filter:
    """Return the filters as storage takes them.

    Raises UsageError for a name that is none, with the nearest one, and for a role or a trust that does not exist.
    """
    for name in filters:
        if name not in Filters.__annotations__:
            near = get_close_matches(name, Filters.__annotations__, n=1)
            raise UsageError(f"there is no filter `{name}`" + (f": did you mean `{near[0]}`?" if near else ""))
    since, before = filters.get("since"), filters.get("before")
    return Filter(
        collection=encode(filters.get("collection", ""))[0],
        tags=strings(filters.get("tags", ())),
        source=encode(filters.get("source", ""))[0],
        session=encode(filters.get("session", ""))[0],
        project=encode(filters.get("project", ""))[0],
        role=one_of("role", ("", *get_args(Role)), filters.get("role", "")),
        trust=one_of("trust", ("", *get_args(Trust)), filters.get("trust", "")),
        since=None if since is None else to_ms(since),
        before=None if before is None else to_ms(before),
        min_importance=filters.get("min_importance", 0.0),
    )


def one_of(name: str, known: Sequence[str], value: str) -> str:
    """Return the value. Raises UsageError, which lists those that are known, for any other."""
    if value not in known:
        raise UsageError(f"{name} is one of {', '.join(filter(None, known))}, not {value!r}")
    return value


def strings(given: Sequence[str]) -> tuple[str, ...]:
    """Return tags as they are stored; one string is one tag."""
    return tuple(encode(tag)[0] for tag in ((given,) if isinstance(given, str) else given))
