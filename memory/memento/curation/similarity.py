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

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROWS: Final = 3
BANDS: Final = 24
"""72 hashes: of two texts with a similarity of 0.8 one pair in ten million is missed, at 0.6 three in a thousand."""
_SHINGLE: Final = 3
_PRIME: Final = (1 << 31) - 1
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
    compared: set[tuple[int, int]] = set()
    for first, second in _candidates(texts):
        if (first, second) not in compared:
            compared.add((first, second))
            similarity = jaccard(_shingles(texts[first].text), _shingles(texts[second].text))
            if similarity >= above:
                yield Pair(texts[first].id, texts[second].id, similarity)


def jaccard(first: frozenset[int], second: frozenset[int]) -> float:
    """Return the share of common elements; 1 for two empty sets."""
    return len(first & second) / len(first | second) if first or second else 1.0


def _plain(text: str) -> str:
    return text[:_MOST_CHARS].lower().replace("\u2019", "'")


def _shingles(text: str) -> frozenset[int]:
    words = _WORD.findall(_plain(text))
    size = min(_SHINGLE, max(len(words), 1))
    shingles = {" ".join(words[at : at + size]) for at in range(len(words) - size + 1)}
    return frozenset(int.from_bytes(blake2b(one.encode(), digest_size=4).digest(), "big") % _PRIME for one in shingles)


def _group(text: Text) -> bytes:
    """Return a hash of what two texts must have in common to be compared: the voice, the numbers, the negations."""
    return blake2b("\0".join((text.voice, *_EXACT.findall(_plain(text.text)))).encode(), digest_size=8).digest()


def _signatures(texts: Sequence[Text]) -> NDArray[np.int32]:
    import numpy as np

    rng = np.random.default_rng(1)
    factors = rng.integers(1, _PRIME, ROWS * BANDS, dtype=np.int64)
    offsets = rng.integers(0, _PRIME, ROWS * BANDS, dtype=np.int64)
    found = np.zeros((len(texts), ROWS * BANDS), np.int32)
    for index, text in enumerate(texts):
        values = np.array(list(_shingles(text.text)), np.int64)
        if len(values):
            found[index] = ((values[:, None] * factors + offsets) % _PRIME).min(0)
    return found


def _candidates(texts: Sequence[Text]) -> Iterator[tuple[int, int]]:
    """Yield pairs of one voice, with the same numbers and negations, that agree in a band.

    In a bucket of many each is paired with the one before it only: what is the same as its predecessor is in the chain.
    """
    groups = [_group(text) for text in texts]
    signatures = _signatures(texts)
    for band in range(BANDS):
        buckets: dict[bytes, int] = {}
        part = signatures[:, band * ROWS : (band + 1) * ROWS]
        for index, group in enumerate(groups):
            key = group + part[index].tobytes()
            if key in buckets:
                yield buckets[key], index
            buckets[key] = index


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
