"""How like two texts' words are, by their codes (embedding/token_codes.py): the bits that agree, counted by numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def likeness(words: bytes, documents: Sequence[bytes], dimensions: int) -> list[list[float]]:
    """Return for each document how like each of the words the likest of its own is, as VectorIndex.likeness says."""
    import numpy as np

    size = -(-dimensions // 8)
    counts = np.array([len(codes) // size for codes in documents])
    found: list[list[float]] = [[] for _ in documents]
    if not words or not counts.any():
        return found
    held = np.ascontiguousarray(_codes(b"".join(documents), size).T)  # numpy adds long rows up fast, short ones slowly
    differing = [np.bitwise_count(held ^ word[:, None]).sum(axis=0, dtype=np.int32) for word in _codes(words, size)]
    holders = np.flatnonzero(counts)
    least = np.minimum.reduceat(np.stack(differing), np.cumsum(counts)[holders] - counts[holders], axis=1)
    for place, likest in zip(holders.tolist(), (1 - 2 * least.T / dimensions).tolist(), strict=True):
        found[place] = likest
    return found


def _codes(joined: bytes, size: int) -> NDArray[np.uint64] | NDArray[np.uint8]:
    """Return codes as rows of numbers, eight bytes in each where they come out even."""
    import numpy as np

    rows = np.frombuffer(joined, np.uint8).reshape(-1, size)
    return rows.view(np.uint64) if size % 8 == 0 else rows
