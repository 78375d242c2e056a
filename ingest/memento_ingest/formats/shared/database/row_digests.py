"""Digests of a table's rows: what a later comparison needs to tell which rows have changed, whatever their numbers.

Rows are counted into a fixed number of groups, by the hash of their id or session. A group's digest is the sum of the
digests of its rows: their order and their rowids make no difference, and a new row is added without reading the others.
So the state of a source stays small whatever the size of its database, holds nothing of the content, and one changed
row means that the rows of its group are read again, one in `GROUPS`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final
from zlib import crc32

import msgspec

from memento.base.times import now_ms

GROUPS: Final = 1024
_DIGEST_MASK: Final = 2**32 - 1

COMPARE_EVERY_MS: Final = 5_000
"""How often at most a database that is being followed is compared."""
COMPARE_SHARE: Final = 0.01
"""A comparison that takes long comes less often, so that it stays under this share of the time."""
COMPARE_AT_LATEST_MS: Final = 3_600_000


_encode: Final = msgspec.msgpack.Encoder().encode


class RowDigests:
    """The digests of the groups of one table."""

    def __init__(self, sums: Iterable[int] = ()) -> None:
        self._sums = list(sums) or [0] * GROUPS

    @classmethod
    def of_mark(cls, mark: Mapping[str, Any]) -> RowDigests | None:
        """Return the digests that a mark holds; None for one without, or with those of another version."""
        sums = mark.get("digests")
        if not isinstance(sums, list) or len(sums) != GROUPS or not all(isinstance(one, int) for one in sums):
            return None
        return cls(sums)

    def add(self, key: str, digest: int) -> None:
        """Count a row into the group of its key."""
        group = group_of(key)
        self._sums[group] = (self._sums[group] + digest) & _DIGEST_MASK

    def add_all(self, other: RowDigests) -> None:
        """Count the rows of another instance, which has none of these."""
        self._sums = [(one + more) & _DIGEST_MASK for one, more in zip(self._sums, other._sums, strict=True)]

    def differing(self, other: RowDigests) -> frozenset[int]:
        """Return the groups whose rows are not the same."""
        return frozenset(group for group in range(GROUPS) if self._sums[group] != other._sums[group])

    def to_json(self) -> list[int]:
        """Return the JSON-serialisable form."""
        return list(self._sums)


def group_of(key: str) -> int:
    """Return the group of the rows with this id or session."""
    return crc32(key.encode("utf-8", "surrogatepass")) % GROUPS


def row_digest(values: Iterable[bytes | int | None]) -> int:
    """Return the digest of a row's values, each told from its neighbours."""
    return int.from_bytes(blake2b(_encode(tuple(values)), digest_size=4).digest())


class ComparisonTimer:
    """Measures one comparison; `stamp` is what the table's mark keeps of it, so that `next_comparison` can tell."""

    def __init__(self) -> None:
        self._at, self._started = now_ms(), time.monotonic()

    def stamp(self) -> dict[str, int]:
        """Return when it began and how long it took until now, in milliseconds."""
        return {"compared": self._at, "took": round((time.monotonic() - self._started) * 1000)}


def next_comparison(mark: Mapping[str, Any]) -> int:
    """Return when a followed table is to be compared again, Unix milliseconds; 0 for at once.

    A last comparison in the future means that the clock was set back: nothing is known of the time since.
    """
    at, took = mark.get("compared"), mark.get("took")
    if not isinstance(at, int) or not isinstance(took, int) or at > now_ms():
        return 0
    return at + min(COMPARE_AT_LATEST_MS, max(COMPARE_EVERY_MS, round(took / COMPARE_SHARE)))
