"""What a caller may narrow a search by, in the caller's words, and the same as storage takes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, tzinfo
from difflib import get_close_matches
from typing import Any, TypedDict, get_args

from memento.base.arguments import checked_text, checked_texts, fraction
from memento.base.times import to_ms
from memento.errors import UsageError
from memento.memory import Trust
from memento.storage.filters import Filter
from memento_policies.message import Role

When = datetime | date | float | str
"""A datetime or a day (naive = local time), Unix seconds or milliseconds, an ISO 8601 text, or an age such as `7d` or
`12h`, `today`, `yesterday`."""


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


def to_filter(filters: Filters, zone: tzinfo | None = None) -> Filter:
    """Return the filters as storage takes them; None is like none.

    A time that names no zone is a time in `zone`, or local time.
    Raises UsageError for a name that is none, with the nearest one, for a role or a trust that does not exist, and for
    a value of another type.
    """
    for name in filters:
        if name not in Filters.__annotations__:
            near = get_close_matches(name, Filters.__annotations__, n=1)
            raise UsageError(f"there is no filter `{name}`" + (f": did you mean `{near[0]}`?" if near else ""))
    given: dict[str, Any] = {name: value for name, value in filters.items() if value is not None}
    words = {name: checked_text(name, given.get(name, "")) for name in ("collection", "source", "session", "project")}
    words["project"] = words["project"].rstrip("/") or words["project"]  # what a shell completes to `harbor/`
    return Filter(
        **words,
        tags=checked_texts("tags", given.get("tags", ())),
        role=one_of("role", ("", *get_args(Role)), given.get("role", "")),
        trust=one_of("trust", ("", *get_args(Trust)), given.get("trust", "")),
        since=to_ms(given["since"], zone) if "since" in given else None,
        before=to_ms(given["before"], zone) if "before" in given else None,
        min_importance=fraction("min_importance", given.get("min_importance", 0.0)),
    )


def one_of(name: str, known: Sequence[str], value: str) -> str:
    """Return the value. Raises UsageError, which lists those that are known, for any other."""
    if value not in known:
        raise UsageError(f"{name} is one of {', '.join(filter(None, known))}, not {value!r}")
    return value
