"""How often a question's stems occur in texts: what BM25 of a turn, of its window and of its session is made of.

A text is not tokenised as a whole. Few of its words can have one of the question's stems: those that begin like one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

Counts = Mapping[str, int]
"""Stem to how often it occurs; under WORDS, how many words the document has, about."""
WORDS: Final = ""
CHARACTERS_PER_WORD: Final = 5.5
"""Of English text, the space included."""
K1: Final = 1.2
B: Final = 0.75
"""BM25's usual parameters; they are FTS5's too."""


_FOREIGN: Final = re.compile(r"[^\W\x00-\x7f]")
"""A letter outside ASCII."""


class StemCounter:
    """Counts a question's stems in texts. `stemmed` is the tokenizer of the index: a text to its stems."""

    def __init__(self, stems: Iterable[str], stemmed: Callable[[str], Sequence[str]]) -> None:
        self._stems = frozenset(stems)
        self._stemmed = stemmed
        self._beginnings = sorted({_beginning(stem) for stem in self._stems})
        self._words = re.compile(rf"\b(?:{'|'.join(map(re.escape, self._beginnings))})\w*")
        self._known: dict[str, tuple[str, ...]] = {}

    def count(self, text: str) -> dict[str, int]:
        """Return the counts of one text."""
        counts = {WORDS: 1 + int(len(text) / CHARACTERS_PER_WORD)}
        lower = text.lower()
        if not lower.isascii() and _FOREIGN.search(lower):
            return self._every_word(lower, counts)
        if any(begin in lower for begin in self._beginnings):
            for word in self._words.findall(lower):
                for stem in self._stems_of(word):
                    counts[stem] = counts.get(stem, 0) + 1
        return counts

    def _every_word(self, text: str, counts: dict[str, int]) -> dict[str, int]:
        """Count in a text whose words the index may fold (`Café` is `cafe`): all of it is tokenised."""
        for stem in self._stemmed(text):
            if stem in self._stems:
                counts[stem] = counts.get(stem, 0) + 1
        return counts

    def _stems_of(self, word: str) -> tuple[str, ...]:
        if word not in self._known:
            self._known[word] = tuple(stem for stem in self._stemmed(word) if stem in self._stems)
        return self._known[word]


def bm25(documents: Sequence[Counts], idf: Mapping[str, float]) -> list[float]:
    """Return the BM25 of each document as a share of the best one; see Robertson and Zaragoza 2009, eq. 3.15.

    The mean length is that of these documents: it is the candidates that are told apart.
    """
    average = sum(document.get(WORDS, 0) for document in documents) / max(1, len(documents)) or 1.0
    scores = []
    for document in documents:
        norm = K1 * (1 - B + B * document.get(WORDS, 0) / average)
        hits = ((idf[stem], count) for stem, count in document.items() if stem in idf)
        scores.append(sum(weight * count * (K1 + 1) / (count + norm) for weight, count in hits))
    best = max(scores, default=0.0) or 1.0
    return [score / best for score in scores]


def together(documents: Iterable[Counts]) -> dict[str, int]:
    """Return the counts of several texts taken as one document."""
    total: dict[str, int] = {}
    for document in documents:
        for stem, count in document.items():
            total[stem] = total.get(stem, 0) + count
    return total


def _beginning(stem: str) -> str:
    """Return how every word with this stem begins: of 10,784 English words Porter changed one letter at most.

    `happy` becomes `happi` and `tries` `tri`; the rest is cut off at the end (Porter 1980).
    """
    return stem[:-1] if len(stem) > 2 else stem
