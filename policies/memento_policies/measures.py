"""The figures of a text that importance weighs beside patterns: log(1 + count), so that length tells less and less."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from functools import cached_property
from math import log1p
from typing import Final, Literal

from memento_policies.before import OPENING, Before
from memento_policies.words import distinct, plain, shipped_rarity

_SCANNED: Final = 2000
"""Characters that are measured: what matters in a longer text shows by then."""
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|\n+")
_NAME: Final = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]{2,}")
_YOU: Final = re.compile(r"\byou(?:rs?|rself|'(?:re|ve|ll|d))?\b")

Measure = Literal[
    "words", "rarity", "told", "told_sentences", "names", "past", "exclaims", "turns_before", "words_before", "asked",
    "asked_for", "rare", "told_rare", "told_new", "echo", "opening", "asking", "new", "new_words",
]  # fmt: skip


class Measured:
    """A text and what was before it, measured once; every figure is computed when it is asked for."""

    def __init__(self, text: str, before: Before = OPENING, speaker: str = "") -> None:
        self.text = text[:_SCANNED]
        self.said = plain(self.text)
        self.speakers = distinct(plain(f"{speaker} {before.speaker}"))
        self.words = distinct(self.said) - self.speakers
        self.before = before
        self._rarity = shipped_rarity().of(self.words)

    def of(self, measure: Measure) -> float:
        """Return one figure."""
        return _MEASURES[measure](self)

    def rarity(self, words: Set[str]) -> float:
        """Return log(1 + the sum of the rarities) of some of its words."""
        of = self._rarity.get
        return log1p(sum([of(word, 0.0) for word in words]))

    @property
    def names(self) -> set[str]:
        """The words that look like names, without those of the speakers."""
        return {name for name in _NAME.findall(self.text) if name.lower() not in self.speakers}

    @cached_property
    def new(self) -> set[str]:
        """The words that were not said in the last turns."""
        left = self.words
        for said in self.before.recent:
            left = left - said
        return left

    @cached_property
    def told(self) -> tuple[int, set[str]]:
        """How many sentences neither ask nor address the other, and their words."""
        count, words = 0, set[str]()
        for sentence in _SENTENCE.split(self.said):
            if sentence and not sentence.endswith("?") and not _YOU.search(sentence):
                found = distinct(sentence)
                count += bool(found)
                words |= found
        return count, words - self.speakers


_MEASURES: Final[Mapping[Measure, Callable[[Measured], float]]] = {
    "words": lambda text: log1p(len(text.words)),
    "rarity": lambda text: text.rarity(text.words),
    "told": lambda text: text.rarity(text.told[1]),
    "told_sentences": lambda text: log1p(text.told[0]),
    "names": lambda text: log1p(len(text.names)),
    "past": lambda text: log1p(sum([word.endswith("ed") for word in text.words])),
    "exclaims": lambda text: log1p(text.said.count("!")),
    "turns_before": lambda text: text.before.turns / 8,
    "words_before": lambda text: log1p(len(text.before.recent[0])) if text.before.recent else 0.0,
    "new": lambda text: text.rarity(text.new),
    "new_words": lambda text: log1p(len(text.new)),
    "rare": lambda text: log1p(shipped_rarity().unlisted(text.words)),
    "told_rare": lambda text: log1p(shipped_rarity().unlisted(text.told[1])),
    "told_new": lambda text: text.rarity(text.told[1] & text.new),
    "echo": lambda text: text.rarity(text.words & text.before.recent[0]) if text.before.recent else 0.0,
    "opening": lambda text: float(not text.before.turns),
    "asking": lambda text: float(text.before.asking),
    "asked": lambda text: float(text.before.asked),
    "asked_for": lambda text: float(text.before.asked_for),
}
