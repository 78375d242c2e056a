"""The query language: plain text, with `"exact phrase"`, `-word`, `tag:x`, `session:x` and `since:7d` where meant.

Nothing a user types is an error. What is no operator (`since:soon`, `C++`, `don't`, a lone dash, a command's option as
in `git commit -m`) is plain text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import partial
from typing import Final, NamedTuple

from memento.base.times import parse_when
from memento.errors import UsageError
from memento.storage.filters import Filter

_PART: Final = re.compile(
    r"""(?<!\S)(?:
        (?P<without>-)(?:"(?P<unphrase>[^"]+)"|(?P<unword>(?![a-zA-Z](?!\S))\w[^\s"]*))
      | (?P<name>tag|session|since):(?:"(?P<quoted>[^"]+)"|(?P<value>[^\s"]+))
    )(?!\S)
    | (?<!\w)"(?P<phrase>[^"]+)"(?!\w)""",
    re.VERBOSE,
)
_WORD: Final = re.compile(r"\w")
_QUESTION: Final = re.compile(
    r"\?\s*$|^\s*(?:what|when|where|who|whom|whose|why|how|which|did|does|do|has|have|is|was|are|were|can|could)\b",
    re.IGNORECASE,
)
MAX_OPERATORS: Final = 32
"""A pasted page full of quotation marks is text, not a condition."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for, and within what."""

    text: str
    """The words to rank by, the phrases' own among them."""
    filter: Filter
    unread: str = ""
    """The first part that looks like an operator and is text: `since:` with what is no time."""


class _Clock(NamedTuple):
    """What times in a query count from."""

    now: int | None
    """Unix milliseconds; None = the current time."""
    zone: tzinfo | None
    """None = local time."""


def parse(query: str, within: Filter, now: int | None = None, zone: tzinfo | None = None) -> Query:
    """Read the operators of a query; they narrow `within`, never widen it.

    Ages count back from `now` (Unix milliseconds); days begin at midnight in `zone`, or local time.

    A phrase must occur (its words in this order, whatever their endings), save in a question: who asks `what did she
    say about "Dune"?` names a thing and does not quote the answer.
    """
    clock = _Clock(now, zone)
    matches = list(_PART.finditer(query))
    found = [match for match in matches if _means_something(clock, match)]
    unread = next((match[0] for match in matches if match["name"] == "since" and match not in found), "")
    if not found or len(found) > MAX_OPERATORS:
        return Query(query, within, unread)
    text = _PART.sub(partial(_plain, clock), query)
    asks = bool(_QUESTION.search(text))
    for match in found:
        within = _narrowed(within, match, clock, asks)
    return Query(" ".join(text.split()), within, unread)


def _means_something(clock: _Clock, match: re.Match[str]) -> bool:
    words = match["phrase"] or match["unphrase"] or match["unword"] or match["quoted"] or match["value"]
    return bool(_WORD.search(words)) and (match["name"] != "since" or _age(clock, match) is not None)


def _age(clock: _Clock, match: re.Match[str]) -> int | None:
    try:
        return parse_when(match["quoted"] or match["value"], clock.now, clock.zone)
    except UsageError:
        return None


def _plain(clock: _Clock, match: re.Match[str]) -> str:
    """What a match leaves in the text that is ranked by."""
    if not _means_something(clock, match):
        return match[0]
    return f" {match['phrase']} " if match["phrase"] else " "


def _narrowed(within: Filter, match: re.Match[str], clock: _Clock, asks: bool) -> Filter:
    value = match["quoted"] or match["value"]
    if match["phrase"]:
        return within if asks else replace(within, phrases=(*within.phrases, match["phrase"]))
    if match["without"]:
        return replace(within, without=(*within.without, match["unphrase"] or match["unword"]))
    if match["name"] == "tag":
        return replace(within, tags=(*within.tags, value))
    if match["name"] == "session":
        return replace(within, session=value) if not within.session else within
    if (since := _age(clock, match)) is None:
        return within
    return replace(within, since=since if within.since is None else max(within.since, since))
