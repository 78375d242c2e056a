"""Which of many patterns occur in one short text, without compiling those that cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from memento_policies.needs import SPACE, Need, folded
from memento_policies.patterns import PatternSet

MAX_SIFTED: Final = 16 * 1024
"""Bytes; in a longer text looking for every word takes longer than compiling every pattern."""
_RUNS: Final = bytes(32 if byte in SPACE else byte if byte > 32 else 33 for byte in range(256))


class Sieve:
    """Answers as a PatternSet of the same patterns would, but for those whose rule cannot match in the text."""

    def __init__(self, pattern: Callable[[int], str], needs: Sequence[Need]) -> None:
        """Take what each rule needs, and what gives the pattern of the nth when it is asked for."""
        self._pattern = pattern
        self._needs = [(run, [word.encode() for word in words]) for run, words in needs]
        self._chosen: list[int] = []
        self._set: PatternSet | None = None

    def matches(self, data: bytes) -> list[int]:
        """Return the indexes of the patterns that occur in `data` (UTF-8 without NUL), ascending."""
        possible = self._possible(data)
        if not possible:
            return []
        if self._set is None or not set(possible) <= set(self._chosen):
            self._chosen = sorted({*possible, *self._chosen})
            self._set = PatternSet([self._pattern(index) for index in self._chosen])
        return [self._chosen[index] for index in self._set.matches(data)]

    def _possible(self, data: bytes) -> Sequence[int]:
        if len(data) > MAX_SIFTED:
            return range(len(self._needs))
        text = folded(data)
        longest = max(map(len, text.translate(_RUNS).split(b" ")))
        return [
            index
            for index, (run, words) in enumerate(self._needs)
            if run <= longest and (not words or any(word in text for word in words))
        ]
