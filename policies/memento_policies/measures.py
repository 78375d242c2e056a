"""The figures of a text that importance weighs beside patterns: log(1 + count), so that length tells less and less."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from functools import cached_property
from math import log1p
from typing import Final, Literal

from memento_policies.before import OPENING, Before
from memento_policies.words import read, shipped_rarity

_SCANNED: Final = 2000
"""Characters that are measured: what matters in a longer text shows by then."""
# The look-behind comes second, so that the search can run from capital to capital.
_NAME: Final = re.compile(r"[A-Z](?<=[a-z,;] [A-Z])[a-z]{2,}")
_YOU: Final = frozenset(("you", "your", "yours", "yourself", "you're", "you've", "you'll", "you'd"))
_FEW: Final = 10
"""Words to which a shorter text is filled up with known ones: that the two words of a greeting are new says little."""
_USUALLY_NEW: Final = 0.16
"""The share of new words where it is not known what was said before."""
_MOST_TURNS: Final = 8

Measure = Literal[
    "words", "rarity", "rare", "told", "told_rare", "told_sentences", "names", "past", "exclaims", "fresh", "new_words",
    "turns_before", "words_before", "asked", "asked_for", "asking", "narrated",
]  # fmt: skip


class Measured:
    """A text and what was before it, measured once; every figure is computed when it is asked for."""

    def __init__(self, text: str, before: Before = OPENING, speaker: str = "", *, narrated: bool = False) -> None:
        self.narrated = narrated
        self.text = text[:_SCANNED]
        self.before = before
        named = speaker or before.speaker
        self.speakers = read(f"{speaker} {before.speaker}").words if named else frozenset[str]()
        self.said, self.spaced, words = read(self.text)
        self.words = words - self.speakers if named else words

    @property
    def names(self) -> set[str]:
        """The words that look like names, without those of the speakers."""
        return {name for name in _NAME.findall(self.text) if name.lower() not in self.speakers}

    @cached_property
    def new_words(self) -> float:
        """How many words were not said before."""
        if not self.before.known:
            return _USUALLY_NEW * len(self.words)
        new = self.words
        for words in self.before.said:  # one after the other, so that ever fewer are looked up
            new = new - words
        return len(new)

    @cached_property
    def told(self) -> tuple[int, Set[str]]:
        """How many sentences neither ask nor address the other, and the words that occur in no other sentence."""
        told, others = 0, list[str]()
        for sentence, words in zip(self.said.split("\n"), self.spaced.split("\n"), strict=True):
            if sentence.endswith("?") or ("you" in sentence and not _YOU.isdisjoint(words.split())):
                others.append(words)
            elif not words.isspace():
                told += 1
        return told, self.words.difference(*(words.split() for words in others))


MEASURES: Final[Mapping[Measure, Callable[[Measured], float]]] = {
    "words": lambda text: log1p(len(text.words)),
    "rarity": lambda text: log1p(shipped_rarity().total(text.words)),
    "rare": lambda text: log1p(shipped_rarity().unlisted(text.words)),
    "told": lambda text: log1p(shipped_rarity().total(text.told[1])),
    "told_rare": lambda text: log1p(shipped_rarity().unlisted(text.told[1])),
    "told_sentences": lambda text: log1p(text.told[0]),
    "names": lambda text: log1p(len(text.names)),
    "past": lambda text: log1p(text.spaced.count("ed ")),
    "exclaims": lambda text: log1p(text.said.count("!")),
    "fresh": lambda text: text.new_words / (len(text.words) + _FEW),
    "new_words": lambda text: log1p(text.new_words),
    "turns_before": lambda text: min(text.before.turns, _MOST_TURNS) / _MOST_TURNS,
    "words_before": lambda text: log1p(text.before.words),
    "asked": lambda text: float(text.before.asked),
    "asked_for": lambda text: float(text.before.asked_for),
    "asking": lambda text: float(text.before.asking),
    "narrated": lambda text: float(text.narrated),
}
