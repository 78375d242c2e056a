"""Near-duplicates: texts of one voice that share most of their words in order.

MinHash signatures of word triples (Broder 1997), cut into bands so that only texts that agree in a band are compared
(locality-sensitive hashing: Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, ch. 3); the comparison itself is
exact. Texts that differ in a number or in a negation are never the same.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
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
_WORD: Final = re.compile(r"\w+(?:'\w+)?")
_EXACT: Final = re.compile(r"\d+(?:[.,:/-]\d+)*|\b(?:not|no|never|without|cannot|\w+n't)\b")


class Text(NamedTuple):
    """A text and the voice that said it: texts of different voices are never compared."""

    id: str
    voice: str
    text: str


class Pair(NamedTuple):
    """Two texts that say the same; `first` comes first in the order in which they were given."""

    first: str
    second: str
    similarity: float
    """Jaccard similarity of their word triples, in [0, 1]."""


def near_duplicates(texts: Sequence[Text], above: float) -> Iterator[Pair]:
    """Yield the pairs that are at least `above` similar. Memory: 300 bytes a text beside the texts."""
    signatures = _signatures(texts)
    least = (above - _MARGIN) * ROWS * BANDS
    compared: set[tuple[int, int]] = set()
    for first, second in _candidates([_group(text) for text in texts], signatures):
        if (first, second) not in compared:
            compared.add((first, second))
            if (signatures[first] == signatures[second]).sum() < least:
                continue
            similarity = jaccard(_shingles(texts[first].text), _shingles(texts[second].text))
            if similarity >= above:
                yield Pair(texts[first].id, texts[second].id, similarity)


def jaccard(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Return the share of common elements of two sets; 1 for two empty ones."""
    here, there = set(first.tolist()), set(second.tolist())
    return len(here & there) / len(here | there) if here or there else 1.0


def _plain(text: str) -> str:
    return text[:_MOST_CHARS].lower().replace("\u2019", "'")


def _shingles(text: str) -> NDArray[np.int64]:
    """Return a hash of 31 bits for every three words in a row; for all words where there are fewer."""
    import numpy as np

    words = np.array([crc32(word.encode()) for word in _WORD.findall(_plain(text))], np.uint64)
    size = min(_SHINGLE, max(len(words), 1))
    hashes = np.zeros(len(words) - size + 1, np.uint64)
    for place in range(size if len(words) else 0):
        hashes = hashes * _MIX + words[place : len(words) - size + 1 + place]
    return (hashes * _MIX >> np.uint64(33)).astype(np.int64) if len(words) else np.zeros(0, np.int64)


def _group(text: Text) -> int:
    """Return a hash of what two texts must have in common to be compared: the voice, the numbers, the negations."""
    exact = "\0".join((text.voice, *_EXACT.findall(_plain(text.text))))
    return int.from_bytes(blake2b(exact.encode(), digest_size=8).digest(), "big")


def _signatures(texts: Sequence[Text]) -> NDArray[np.int32]:
    import numpy as np

    rng = np.random.default_rng(1)
    factors = rng.integers(1, _PRIME, ROWS * BANDS, dtype=np.int64)
    offsets = rng.integers(0, _PRIME, ROWS * BANDS, dtype=np.int64)
    found = np.zeros((len(texts), ROWS * BANDS), np.int32)
    for index, text in enumerate(texts):
        values = _shingles(text.text)
        if len(values):
            found[index] = ((values[:, None] * factors + offsets) % _PRIME).min(0)
    return found


def _candidates(groups: Sequence[int], signatures: NDArray[np.int32]) -> Iterator[tuple[int, int]]:
    """Yield pairs of one voice, with the same numbers and negations, that agree in a band.

    In a bucket of many each is paired with the one before it only: what is the same as its predecessor is in the chain.
    """
    import numpy as np

    for band in range(BANDS):
        keys = np.array(groups, np.uint64)
        for row in range(band * ROWS, (band + 1) * ROWS):
            keys = keys * _MIX + signatures[:, row].astype(np.uint64)
        order = np.argsort(keys, kind="stable")
        same = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
        yield from zip(order[same].tolist(), order[same + 1].tolist(), strict=True)


def chains(pairs: Iterable[Pair]) -> list[list[str]]:
    """Return the groups of ids that pairs connect, each in no particular order."""
    parent: dict[str, str] = {}

    def root(one: str) -> str:
        while parent.setdefault(one, one) != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for pair in pairs:
        parent[root(pair.second)] = root(pair.first)
    groups: dict[str, list[str]] = defaultdict(list)
    for one in parent:
        groups[root(one)].append(one)
    return list(groups.values())
