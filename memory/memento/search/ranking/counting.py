"""How often a question's stems occur in texts: what BM25 of a turn, of its window and of its session is made of.

A text is not tokenised as a whole. Few of its words can have one of the question's stems: those that begin like one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType
from typing import Final

Counts = Mapping[str, int]
"""Stem to how often it occurs; under WORDS, how many words the document has, about."""
WORDS: Final = ""
CHARACTERS_PER_WORD: Final = 5.5
"""Of English text, the space included."""
K1: Final = 1.2
B: Final = 0.75
"""BM25's usual parameters; they are FTS5's too."""


_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]+")
_AS_INDEXED: Final = {code: (one.lower() if (one := chr(code)).isalnum() else " ") for code in range(128)}
"""What the index makes of ASCII: small letters and digits, and what stands between words."""


class StemCounter:
    """Counts a question's stems in texts. `stemmed` is the tokenizer of the index: a text to its stems."""

    def __init__(self, stems: Iterable[str], stemmed: Callable[[str], Sequence[str]]) -> None:
        self._stems = frozenset(stems)
        self._stemmed = stemmed
        self._beginnings = _shortest(f" {_beginning(stem)}" for stem in self._stems)
        self._known: dict[str, tuple[str, ...]] = {}

    def count(self, texts: Mapping[int, str], subwords: Mapping[int, str] = MappingProxyType({})) -> dict[int, Counts]:
        """Return the counts of each text, together with those of the words in it that the tokenizer does not see."""
        counts = {num: {WORDS: 1 + int(len(text) / CHARACTERS_PER_WORD)} for num, text in texts.items()}
        plain = {num: ascii for num, text in texts.items() if (ascii := _ascii(text)) is not None}
        for num in texts.keys() - plain.keys():
            self._add(counts[num], self._stemmed(texts[num]))
        counted = [counts[num] for num in plain]
        ends = list(accumulate(1 + len(text) for text in plain.values()))
        joined = f" {' '.join(plain.values())} ".translate(
            _AS_INDEXED
        )  # one search for each stem, not one in each text
        for place, word in self._words(joined):
            if stems := self._stems_of(word):
                self._add(counted[bisect_right(ends, place)], stems)
        for num, words in subwords.items():
            self._add(counts[num], self._stemmed(words))
        return dict(counts)

    def _words(self, joined: str) -> Iterator[tuple[int, str]]:
        """Yield the words that can have one of the stems, and where they are."""
        find = joined.find
        for begin in self._beginnings:
            place = find(begin)
            while place >= 0:
                end = find(" ", place + 1)
                yield place, joined[place + 1 : end]
                place = find(begin, end)

    def _add(self, counts: dict[str, int], stems: Iterable[str]) -> None:
        for stem in stems:
            if stem in self._stems:
                counts[stem] = counts.get(stem, 0) + 1

    def _stems_of(self, word: str) -> tuple[str, ...]:
        if word not in self._known:
            self._known[word] = tuple(stem for stem in self._stemmed(word) if stem in self._stems)
        return self._known[word]


def _ascii(text: str) -> str | None:
    """Return a text without what is not ASCII; None where the index may fold its letters (`Café` is `cafe`)."""
    if text.isascii():
        return text
    others = set("".join(_NOT_ASCII.findall(text)))
    return None if any(one.isalnum() for one in others) else _NOT_ASCII.sub(" ", text)


def bm25(documents: Sequence[Counts], idf: Mapping[str, float]) -> list[float]:
    """Return the BM25 of each document as a share of the best one; see Robertson and Zaragoza 2009, eq. 3.15.

    The mean length is that of these documents: it is the candidates that are told apart.
    """
    average = sum(document.get(WORDS, 0) for document in documents) / max(1, len(documents)) or 1.0
    scores = []
    for document in documents:
        norm = K1 * (1 - B + B * document.get(WORDS, 0) / average)
        score = 0.0
        for stem, count in document.items():
            if stem in idf:
                score += idf[stem] * count * (K1 + 1) / (count + norm)
        scores.append(score)
    best = max(scores, default=0.0) or 1.0
    return [score / best for score in scores]


def together(documents: Sequence[Counts]) -> Counts:
    """Return the counts of several texts taken as one document."""
    if len(documents) == 1:
        return documents[0]
    total: dict[str, int] = {}
    for document in documents:
        for stem, count in document.items():
            total[stem] = total.get(stem, 0) + count
    return total


def _shortest(beginnings: Iterable[str]) -> list[str]:
    """Return those that begin with none of the others."""
    shortest: list[str] = []
    for one in sorted(beginnings):
        if not (shortest and one.startswith(shortest[-1])):
            shortest.append(one)
    return shortest


def _beginning(stem: str) -> str:
    """Return how every word with this stem begins.

    What Porter (1980) does not cut off at the end it leaves, but for one letter: `happy` becomes `happi`, `hoping`
    `hope` and `visibility` `visibl`.
    """
    return stem[:-1] if len(stem) > 2 and stem.endswith(("i", "e", "bl")) else stem
