"""Searching the raw bytes of files for what was forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from memento.memory import Memory

BYTES: Final = 40
"""Length of a probe: SQLite stores a text in pieces of a page at least, so most of a text lies in one piece."""
MOST: Final = 24
"""Probes searched for: those of the longest texts."""
_BLOCK: Final = 4 * 1024 * 1024


class Probe(NamedTuple):
    """A piece of a forgotten text."""

    text: str

    @property
    def patterns(self) -> tuple[bytes, ...]:
        """The bytes it has in a database, and in a file of JSON where they differ."""
        forms = (self.text, json.dumps(self.text)[1:-1], json.dumps(self.text, ensure_ascii=False)[1:-1])
        return tuple(dict.fromkeys(form.encode() for form in forms))


def probes(memories: Iterable[Memory]) -> list[Probe]:
    """Return a piece of each text, from its middle; a text too short to tell from others gives none."""
    longest = sorted(memories, key=lambda memory: -len(memory.text))[:MOST]
    cut = (_middle(memory.text) for memory in longest if len(memory.text) >= BYTES // 2)
    return [Probe(text) for text in dict.fromkeys(cut)]


def found_in(blocks: Iterable[bytes], wanted: Sequence[Probe]) -> list[Probe]:
    """Return the probes that occur in a stream of bytes."""
    left = {probe: probe.patterns for probe in wanted}
    overlap = max((len(pattern) for patterns in left.values() for pattern in patterns), default=1) - 1
    found, tail = [], b""
    for block in blocks:
        content = tail + block
        for probe, patterns in list(left.items()):
            if any(pattern in content for pattern in patterns):
                found.append(probe)
                del left[probe]
        tail = content[-overlap:] if overlap else b""
    return found


def blocks_of(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes. Raises OSError."""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _middle(text: str) -> str:
    start = max(0, (len(text) - BYTES) // 2)
    return text[start : start + BYTES]
