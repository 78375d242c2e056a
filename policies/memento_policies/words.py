"""Words as the measures of importance count them: lower case, with how common they are in conversation."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Set
from functools import cache
from typing import Final

_WORD: Final = re.compile(r"[a-z]+(?:'[a-z]+)?")
_PLAIN: Final = str.maketrans("\u2019\u2018", "''")
_COMMONEST: Final = 120
"""The commonest words say nothing at all; rarity grows from there with the logarithm of the rank (Zipf 1949)."""
_UNKNOWN: Final = 1.0
"""How much rarer than the last of the list a word is that is not in it."""


def plain(text: str) -> str:
    """Return the text in lower case with straight apostrophes."""
    return text.translate(_PLAIN).lower()


def distinct(said: str) -> set[str]:
    """Return the different words of a text made by `plain`."""
    return set(_WORD.findall(said))


class Rarity:
    """How rare words are in conversation: 0 for the commonest, about 3.5 for one that is not in the list."""

    def __init__(self, ranked: Iterable[str]) -> None:
        self._of = {word: max(0.0, math.log((rank + 1) / _COMMONEST)) for rank, word in enumerate(ranked)}
        self._common = frozenset(word for word, rarity in self._of.items() if not rarity)
        self._listed = frozenset(self._of)
        self._unknown = math.log(max(len(self._of), _COMMONEST) / _COMMONEST) + _UNKNOWN

    def of(self, words: Set[str]) -> dict[str, float]:
        """Return the rarity of the words that have any."""
        of, unknown = self._of, self._unknown
        return {word: of.get(word, unknown) for word in words - self._common}

    def unlisted(self, words: Set[str]) -> int:
        """Count the words that are not in the list."""
        return len(words - self._listed)


@cache
def shipped_rarity() -> Rarity:
    """Return the rarity of the shipped list, `rules/common_words.txt`: words in the order of their commonness."""
    from importlib.resources import files  # slow to import, and this module comes with every Message

    return Rarity((files("memento_policies") / "rules" / "common_words.txt").read_text("utf-8").split())
