"""What an assistant says beside its work: courtesy, what it does next, and that tests pass.

Signals and importance are read from the rest, so that "All tests pass. Now let me fix the header" is not taken for a
fix. Sentences are left out from the beginning and from the end only; those between them stay in their context.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import re2

from memento_policies.patterns import compile_pattern, options
from memento_policies.schema import NarrationRules

_END: Final = re.compile(rb"[.!?:](?=\s)|\n|\Z")
"""Where a sentence ends; a dot inside a word, as in `main.py`, ends none."""
_MOST_SENTENCES: Final = 6
"""How many are looked at from either end."""
_MOST_OPENING: Final = 200
"""Bytes that opening words may take."""


class Narration:
    """The patterns of `narration` in significance.yaml, compiled."""

    def __init__(self, rules: NarrationRules) -> None:
        self._opens = _Beginning(rules.openers)
        self._opener = compile_pattern(_joined(rules.openers))
        self._narrates = _Beginning(rules.sentences)
        self._ends = _Beginning([*rules.sentences, *rules.last])
        self._unless = compile_pattern(_joined(rules.unless)) if rules.unless else None

    def strip(self, data: bytes) -> bytes:
        """Return a text (UTF-8) without narration at its beginning and end; the text itself where there is none."""
        start = self._first_told(data)
        end = self._last_told(data, start)
        return data if start == 0 and end == len(data) else data[start:end].strip()

    def _first_told(self, data: bytes) -> int:
        """Return where the first sentence begins that is not narration, after its opening words."""
        start = 0
        for _ in range(_MOST_SENTENCES):
            opening = data[start : start + _MOST_OPENING]
            if self._opens.of(opening) and (opener := self._opener.match(opening)):
                start += opener.end()
            end = next(_END.finditer(data, start)).end()
            sentence = data[start:end]
            if not self._is_narration(sentence, self._narrates):
                break
            start = len(data) - len(data[end:].lstrip())
        return start

    def _last_told(self, data: bytes, first: int) -> int:
        """Return where the last sentence ends that is not narration; `first` where all of them are."""
        end, beginnings = len(data.rstrip()), self._ends
        for number in range(_MOST_SENTENCES):
            if end <= first:
                return first
            start = _last_start(data, first, end)
            if not self._is_narration(data[start:end], beginnings):
                return end if number else len(data)
            end, beginnings = first + len(data[first:start].rstrip()), self._narrates
        return end

    def _is_narration(self, sentence: bytes, beginnings: _Beginning) -> bool:
        return beginnings.of(sentence) and (self._unless is None or self._unless.search(sentence) is None)


class _Beginning:
    """Tells whether a text begins with one of some patterns: a set of one tells it in a third of a match's time."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._set = re2.Set.MatchSet(options())
        self._set.Add(_joined(patterns).encode())
        self._set.Compile()

    def of(self, data: bytes) -> bool:
        return bool(self._set.Match(data))


def _joined(patterns: Sequence[str]) -> str:
    """Return one pattern for any of some; without any, one that matches nothing."""
    return "(?is)(?:" + ("|".join(f"(?:{pattern})" for pattern in patterns) or r"\x00never\x00") + ")"


def _last_start(data: bytes, first: int, end: int) -> int:
    """Return where the last sentence of a part of a text begins."""
    line = max(first, data.rfind(b"\n", first, end) + 1)
    starts = [data.rfind(mark, line, end - 1) + 2 for mark in (b". ", b"! ", b"? ", b": ")]
    return max([line, *[start for start in starts if start > line + 1]])
