"""Faces: protocols of other kinds that the sidecar's server carries. Whoever composes the sidecar hands them in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from memento.store import MemoryStore


class FaceRequest(NamedTuple):
    """One POST request, after it passed the gate."""

    store: MemoryStore
    written: Callable[[], None]
    """To be called after a memory was written: it is to be embedded."""
    headers: Sequence[tuple[str, str]]
    """Their names in lower case."""
    body: bytes


Face = Callable[[FaceRequest], tuple[int, bytes]]
"""Returns the status and the JSON of the answer, empty for none. Called in a worker's thread; may block."""

Faces = Mapping[str, Face]
"""By path."""
