"""Near-duplicates: texts of one voice that share most of their words in order.

MinHash signatures of word triples (Broder 1997), cut into bands so that only texts that agree in a band are compared
(locality-sensitive hashing: Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, ch. 3); the comparison itself is
exact. Texts that differ in a number or in a negation are never the same.
"""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROWS: Final = 3
BANDS: Final = 24
"""72 hashes: of two texts with a similarity of 0.8 one pair in ten million is missed, at 0.6 three in a thousand."""
_SHINGLE: Final = 3
_MARGIN: Final = 0.2
"""Of 72 hashes so many fewer agree for one pair in a hundred thousand: below that, texts are not compared."""
_PRIME: Final = (1 << 31) - 1
_MIX: Final = 0x9E3779B97F4A7C15
"""2^64 / the golden ratio, odd: multiplying by it spreads a hash over all bits (Knuth, vol. 3, 6.4)."""
_MOST_CHARS: Final = 8000
_BLOCK: Final = 65_536
"""Pairs whose signatures are compared at once: 10 MB."""
_SHINGLES_KEPT: Final = 256
"""Texts that are read once for the pairs that follow each other."""
_WORD: Final = re.compile(r"\w+(?:'\w+)?")
_EXACT: Final = re.compile(r"\d+(?:[.,:/-]\d+)*|\b(?:not|no|never|without|cannot|\w+n't)\b")


class Pair(NamedTuple):
    """Two texts that say the same, by their places in the order in which they were added."""

    first: int
    second: int
    similarity: float
    """Jaccard similarity of their word triples, in [0, 1]."""


class Signatures:
    """The signatures of texts: 176 bytes each, however long the text is.

    Of each of the 72 hashes the lowest byte is kept (b-bit minwise hashing: Li and Koenig 2010), and of each band a
    hash of 32 bits. Texts of different voices are never compared.
    """

    def __init__(self) -> None:
        import numpy as np

        rng = np.random.default_rng(1)
        self._factors = rng.integers(1, _PRIME, ROWS * BANDS, dtype=np.int64)
        self._offsets = rng.integers(0, _PRIME, ROWS * BANDS, dtype=np.int64)
        self._groups, self._bands, self._lows = array("Q"), bytearray(), bytearray()

    def __len__(self) -> int:
        return len(self._groups)

    def add(self, voice: str, text: str) -> None:
        """Take in the text that a voice said."""
        import numpy as np

        group, values = _group(voice, text), _shingles(text)
        hashes = np.zeros(ROWS * BANDS, np.int64)
        if len(values):
            hashes = ((values[:, None] * self._factors + self._offsets) % _PRIME).min(0)
        keys = np.full(BANDS, group, np.uint64)
        for row in hashes.reshape(BANDS, ROWS).T.astype(np.uint64):
            keys = keys * _MIX + row
        self._groups.append(group)
        self._bands += (keys >> np.uint64(32)).astype(np.uint32).tobytes()
        self._lows += hashes.astype(np.uint8).tobytes()

    def pairs(self, above: float, text_of: Callable[[int], str | None]) -> Iterator[Pair]:
        """Yield the pairs that are at least `above` similar; `text_of` returns a text by its place, None if it is gone.

        In a bucket of many each is paired with the one before it only: what is the same as its predecessor is in the
        chain.
        """

        @lru_cache(_SHINGLES_KEPT)
        def shingles(place: int) -> NDArray[np.int64] | None:
            text = text_of(place)
            return None if text is None else _shingles(text)

        for first, second in self._candidates(above):
            one, other = shingles(first), shingles(second)
            if one is None or other is None:
                continue
            similarity = jaccard(one, other)
            if similarity >= above:
                yield Pair(first, second, similarity)

    def _candidates(self, above: float) -> Iterator[tuple[int, int]]:
        """Yield pairs of one voice, with the same numbers and negations, that agree in a band and in enough hashes."""
        import numpy as np

        least = (above - _MARGIN) * ROWS * BANDS
        count = len(self)
        groups = np.frombuffer(self._groups, np.uint64)
        bands = np.frombuffer(self._bands, np.uint32).reshape(count, BANDS)
        lows = np.frombuffer(self._lows, np.uint8).reshape(count, ROWS * BANDS)
        found = np.zeros(0, np.int64)
        for band in range(BANDS):
            keys = bands[:, band]
            order = np.argsort(keys, kind="stable")
            first, second = order[:-1], order[1:]
            same = (keys[first] == keys[second]) & (groups[first] == groups[second])
            first, second = first[same], second[same]
            for block in range(0, len(first), _BLOCK):
                ones, others = first[block : block + _BLOCK], second[block : block + _BLOCK]
                agree = (lows[ones] == lows[others]).sum(1) >= least
                found = np.union1d(found, ones[agree] * count + others[agree])
        for pair in found:
            yield divmod(int(pair), count)


def jaccard(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Return the share of common elements of two sets; 1 for two empty ones."""
    here, there = set(first.tolist()), set(second.tolist())
    return len(here & there) / len(here | there) if here or there else 1.0


def _plain(text: str) -> str:
    return text[:_MOST_CHARS].lower().replace("\u2019", "'")


def _shingles(text: str) -> NDArray[np.int64]:
    """Return a hash of 31 bits for every three words in a row; for all words where there are fewer."""
    import numpy as np

    words = np.array([crc32(word.encode("utf-8", "replace")) for word in _WORD.findall(_plain(text))], np.uint64)
    size = min(_SHINGLE, max(len(words), 1))
    hashes = np.zeros(len(words) - size + 1, np.uint64)
    for place in range(size if len(words) else 0):
        hashes = hashes * _MIX + words[place : len(words) - size + 1 + place]
    return (hashes * _MIX >> np.uint64(33)).astype(np.int64) if len(words) else np.zeros(0, np.int64)


def _group(voice: str, text: str) -> int:
    """Return a hash of what two texts must have in common to be compared: the voice, the numbers, the negations."""
    exact = "\0".join((voice, *_EXACT.findall(_plain(text))))
    return int.from_bytes(blake2b(exact.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def chains(pairs: Iterable[Pair]) -> list[list[int]]:
    """Return the groups of places that pairs connect, each in no particular order."""
    parent: dict[int, int] = {}

    def root(one: int) -> int:
        while parent.setdefault(one, one) != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for pair in pairs:
        parent[root(pair.second)] = root(pair.first)
    groups: dict[int, list[int]] = defaultdict(list)
    for one in parent:
        groups[root(one)].append(one)
    return list(groups.values())
