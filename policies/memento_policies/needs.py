"""What a text must hold for a pattern to be able to match in it: a word, and a long enough run without white space.

Compiling all rules costs a hook more than anything else it does. These needs are found once, when the rules are
cached; a text that misses one of them cannot match, so that the rule need not be compiled for it. They may ask for
too little, never for too much: what is not understood asks for nothing. Method after RE2's own prefilter
(re2/prefilter.cc), over the tree of Python's parser: where the two read a pattern differently, it is given up.
"""

from __future__ import annotations

import re
import re._parser as parser  # type: ignore[import-not-found]
import warnings
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

MAX_STRINGS: Final = 16
"""Strings a part of a pattern may stand for before it counts as unknown."""
MAX_WORDS: Final = 64
MAX_LENGTH: Final = 24
"""Characters of a word; more tell no more."""
_POSIX_CLASS: Final = re.compile(r"\[:\^?\w+:\]")
SPACE: Final = frozenset(map(ord, "\t\n\f\r "))
"""RE2's `\\s`: a run ends here."""


class Need(NamedTuple):
    """What a text must hold; the text is compared as `folded` returns it."""

    run: int = 0
    """Characters in a row that are no white space."""
    words: tuple[str, ...] = ()
    """One of these, lower case; empty: no word is known."""


def need(pattern: str) -> Need:
    """Return what every match of an RE2 pattern needs."""
    if _POSIX_CLASS.search(pattern):  # Python reads [[:alpha:]] as something else
        return Need()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            part = _sequence(parser.parse(pattern.replace(r"\z", r"\Z")))
    except (parser.error, ValueError, OverflowError, RecursionError):
        return Need()
    return Need(part.best, tuple(sorted(_better(part.words, part.exact) or ())))


def folded(data: bytes) -> bytes:
    """Return UTF-8 in which all that RE2's (?i) takes for an ASCII letter is that letter, lower case."""
    return data.lower().replace(b"\xc5\xbf", b"s").replace(b"\xe2\x84\xaa", b"k")


class _Part(NamedTuple):
    """What is known of a part of a pattern."""

    exact: frozenset[str] | None
    """All it can match; None: too much to list."""
    words: frozenset[str] | None
    """One of these occurs in all it can match."""
    solid: bool
    """Nothing it matches holds white space."""
    first: int
    """Characters without white space that it begins with, at least; of a solid part, all of them."""
    best: int
    last: int


_NOTHING: Final = _Part(frozenset({""}), None, True, 0, 0, 0)


def _char(strings: Iterable[str] | None, solid: bool) -> _Part:
    length = int(solid)
    return _Part(None if strings is None else frozenset(strings), None, solid, length, length, length)


def _sequence(nodes: Any) -> _Part:
    """Join parts: strings as long as all that can stand there is known, else words, each of one stretch of it."""
    whole, stretch = _NOTHING, frozenset({""})
    words: frozenset[str] | None = None
    for operation, value in nodes:
        part = _part(str(operation), value)
        grown = _product(stretch, part.exact)
        if grown is None:
            words, whole = _better(_better(words, stretch), part.words), whole._replace(exact=None)
            grown = part.exact or frozenset({""})
        stretch = grown
        whole = _run_on(whole, part)
    if whole.exact is None:
        return whole._replace(words=_better(words, stretch))
    return whole._replace(exact=stretch)


def _product(one: frozenset[str], other: frozenset[str] | None) -> frozenset[str] | None:
    if other is None or len(one) * len(other) > MAX_STRINGS:
        return None
    joined = frozenset(a + b for a in one for b in other)
    return joined if max(map(len, joined)) <= MAX_LENGTH else None


def _run_on(one: _Part, other: _Part) -> _Part:
    """Return the first with the runs of both in a row."""
    best = max(one.best, other.best, one.last + other.first)
    first = one.first + other.first if one.solid else one.first
    last = one.last + other.last if other.solid else other.last
    return one._replace(solid=one.solid and other.solid, first=first, best=best, last=last)


def _part(operation: str, value: Any) -> _Part:
    if operation == "LITERAL":
        return _char([chr(value).lower()] if value < 128 else None, value not in SPACE)
    if operation == "IN":
        return _char(_members(value), _is_solid(value))
    if operation == "AT":
        return _NOTHING
    if operation == "SUBPATTERN":
        return _sequence(value[-1])
    if operation == "BRANCH":
        return _any_of([_sequence(one) for one in value[1]])
    if operation in ("MAX_REPEAT", "MIN_REPEAT"):
        return _repeated(_sequence(value[2]), int(value[0]), int(value[1]))
    if operation in ("ANY", "NOT_LITERAL"):
        return _char(None, solid=False)
    raise ValueError(f"{operation} is not of RE2")


def _any_of(parts: list[_Part]) -> _Part:
    exact: frozenset[str] | None = frozenset()
    words: frozenset[str] | None = frozenset()
    for one in parts:
        known = _better(one.words, one.exact)
        exact = None if exact is None or one.exact is None or len(exact) > MAX_STRINGS else exact | one.exact
        words = None if words is None or known is None else words | known
    first, best, last = (min(column) for column in zip(*(part[3:] for part in parts), strict=True))
    return _Part(exact, words, all(one.solid for one in parts), first, best, last)


def _repeated(part: _Part, least: int, most: int) -> _Part:
    if least == 0:
        exact = part.exact | {""} if part.exact is not None and most == 1 else None
        return _Part(exact, None, part.solid, 0, 0, 0)
    words, exact = _better(part.words, part.exact), part.exact if most == 1 else None
    if part.exact is not None and len(part.exact) == 1:
        [text] = part.exact
        words = _better(words, frozenset({(text * min(least, MAX_LENGTH))[:MAX_LENGTH]}))
    if part.solid:
        return _Part(exact, words, True, *([part.best * least] * 3))
    return _Part(exact, words, False, part.first, part.best, part.last)


def _members(items: list[Any]) -> list[str] | None:
    """Return what a class of characters matches; None when that is much."""
    found: list[int] = []
    for operation, value in items:
        low, high = (value, value) if str(operation) == "LITERAL" else value if str(operation) == "RANGE" else (0, 128)
        if high > 127 or len(found) + high - low >= MAX_STRINGS:
            return None
        found += range(low, high + 1)
    return [chr(one).lower() for one in found]


def _is_solid(items: list[Any]) -> bool:
    """Tell whether a class of characters leaves out all white space."""
    excluded = str(items[0][0]) == "NEGATE"
    met: set[int] = set()
    for operation, value in items[int(excluded) :]:
        kind = str(value) if str(operation) == "CATEGORY" else ""
        if kind == "CATEGORY_SPACE" or (kind.startswith("CATEGORY_NOT_") and kind != "CATEGORY_NOT_SPACE"):
            met |= SPACE if kind == "CATEGORY_SPACE" or not excluded else set()
        elif not kind:
            low, high = (value, value) if str(operation) == "LITERAL" else value
            met |= {one for one in SPACE if low <= one <= high}
    return met >= SPACE if excluded else not met


def _better(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """Return which of two sets of words says more: the longer its shortest word, the rarer."""
    known = [words for words in (one, other) if words and "" not in words and len(words) <= MAX_WORDS]
    return max(known, key=lambda words: (min(map(len, words)), -len(words)), default=None)
