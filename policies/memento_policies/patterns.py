"""Many RE2 patterns, one pass over the text.

RE2 matches in time linear in the text whatever the pattern, so a rule a user writes can never hang the sidecar.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import re2

from memento_policies.errors import PolicyError

# For the cached states of one automaton. Over 28 MB of source code the largest set of redaction rules makes 11 MB of
# them. A set that needs more than it may have rebuilds them all the time and is 20 times slower.
_SET_MEMORY = 32 << 20
# No judged text holds a NUL (see `text.py`), so this pattern never fires on one: it only proves that the set works.
_CANARY_PATTERN, _CANARY = r"\x00canary\x00", b"\x00canary\x00"


def options(max_mem: int = 8 << 20) -> re2.Options:
    """RE2 options used everywhere: UTF-8, silent on errors, `max_mem` bytes for the automaton's cached states."""
    chosen = re2.Options()
    chosen.log_errors = False
    chosen.max_mem = max_mem
    return chosen


def compile_pattern(pattern: str) -> Any:
    """Compile a pattern to be matched against UTF-8 bytes. Raises ValueError with RE2's reason."""
    try:
        return re2.compile(pattern.encode(), options())
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0] if isinstance(error, re2.error) else "is not valid Unicode"
        raise ValueError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)) from None


def check_pattern(pattern: str) -> str:
    """Return a pattern that RE2 accepts. Raises ValueError with RE2's reason otherwise."""
    try:
        # Parsing into a set that is never compiled costs a tenth of compiling the pattern.
        re2.Set.SearchSet(options()).Add(pattern.encode())
    except (re2.error, UnicodeEncodeError):
        compile_pattern(pattern)
    return pattern


class PatternSet:
    """Tells which of its patterns occur in a text, by one scan."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._set = re2.Set.SearchSet(options(_SET_MEMORY))
        indexes: dict[str, list[int]] = {}
        for index, pattern in enumerate(patterns):
            indexes.setdefault(pattern, []).append(index)
        self._indexes = list(indexes.values())
        for pattern in (*indexes, _CANARY_PATTERN):  # equal ones are looked for once
            self._set.Add(pattern.encode())
        if not self._compile():
            raise PolicyError(
                f"{len(patterns)} patterns are too large to scan at once in {_SET_MEMORY >> 20} MB: "
                "disable some rules, or shorten counted repetitions such as {1,1000}"
            )

    def _compile(self) -> bool:
        try:
            self._set.Compile()
        except re2.error:
            return False
        # An automaton that does not fit in its memory reports "no match" for everything: that must never pass silently.
        return bool(self._set.Match(_CANARY))

    def matches(self, data: bytes) -> list[int]:
        """Return the indexes of the patterns that occur in `data` (UTF-8 without NUL), ascending."""
        return sorted(self.unordered(data))

    def unordered(self, data: bytes) -> list[int]:
        """Return the same indexes in no order, for callers who put them into a set."""
        indexes = self._indexes
        return [index for hit in self._set.Match(data) or () for index in indexes[hit]]
