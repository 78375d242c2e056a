"""Words as the measures of importance count them: lower case, with how common they are in conversation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Set
from functools import cache, lru_cache
from itertools import repeat
from typing import Final, NamedTuple

_KEPT: Final = b"abcdefghijklmnopqrstuvwxyz'\n"
_SPACED: Final = bytes(byte if byte in _KEPT else 32 for byte in range(256))
_COMMONEST: Final = 120
"""The commonest words say nothing at all; rarity grows from there with the logarithm of the rank (Zipf 1949)."""
_UNKNOWN: Final = 1.0
"""How much rarer than the last of the list a word is that is not in it."""


def plain(text: str) -> str:
    """Return the text in lower case with straight apostrophes."""
    return text.replace("\u2019", "'").replace("\u2018", "'").lower()


class Read(NamedTuple):
    """A text in plain words."""

    said: str
    """The text as `plain` makes it, with a line for every sentence."""
    spaced: str
    """Its words, the lines the same."""
    words: frozenset[str]
    """Its different words."""


@lru_cache(maxsize=8)  # a text is read when it is judged, and again for what it leaves to the next one
def read(text: str) -> Read:
    """Return the words of a text: runs of ASCII letters; an apostrophe belongs to one between two of them."""
    said = plain(text).replace("? ", "?\n").replace("! ", "!\n").replace(". ", ".\n")
    # A pattern that finds the words takes three times as long.
    spaced = b" %b " % said.encode("utf-8", "replace").translate(_SPACED).replace(b"\n", b" \n ")
    if b"'" in spaced:
        spaced = spaced.replace(b"''", b"  ").replace(b" '", b"  ").replace(b"' ", b"  ")
    words = spaced.decode("ascii")
    return Read(said, words, frozenset(words.split()))


class Rarity:
    """How rare words are in conversation: 0 for the commonest, about 3.5 for one that is not in the list."""

    def __init__(self, ranked: Iterable[str]) -> None:
        self._of = {word: max(0.0, math.log((rank + 1) / _COMMONEST)) for rank, word in enumerate(ranked)}
        self._listed = frozenset(self._of)
        self._unlisted = math.log(max(len(self._of), _COMMONEST) / _COMMONEST) + _UNKNOWN

    def total(self, words: Set[str]) -> float:
        """Return the sum of the rarities of some words."""
        return math.fsum(map(self._of.get, words, repeat(self._unlisted)))

    def unlisted(self, words: Set[str]) -> int:
        """Count the words that are not in the list."""
        return len(words - self._listed)


@cache
def shipped_rarity() -> Rarity:
    """Return the rarity of the shipped list, `rules/common_words.txt`: words in the order of their commonness."""
    from importlib.resources import files  # slow to import, and this module comes with every Message

    return Rarity((files("memento_policies") / "rules" / "common_words.txt").read_text("utf-8").split())
