"""Searching the raw bytes of files for what was forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from memento.memory import Memory
from memento.storage import tombstones

BYTES: Final = 40
"""Length of a probe: SQLite stores a text in pieces of a page at least, so most of a text lies in one piece."""
MOST: Final = 24
"""Texts searched for, the longest ones, and as many of the other values."""
SHORTEST: Final = 8
"""A shorter value occurs by chance."""
_BLOCK: Final = 4 * 1024 * 1024


class Probe(NamedTuple):
    """A piece of what was forgotten."""

    text: str
    what: str = "text"
    """`text`, `title`, or the name of the column it was in."""

    @property
    def patterns(self) -> tuple[bytes, ...]:
        """The bytes it has in a database, and in a file of JSON where they differ."""
        forms = (self.text, json.dumps(self.text)[1:-1], json.dumps(self.text, ensure_ascii=False)[1:-1])
        return tuple(dict.fromkeys(form.encode("utf-8", "surrogatepass") for form in forms))


def probes(memories: Iterable[Memory], titles: Iterable[str] = ()) -> list[Probe]:
    """Return the beginning and the middle of each text; one too short to tell from others gives none."""
    longest = sorted(memories, key=lambda memory: -len(memory.text))[:MOST]
    found = [Probe(piece) for memory in longest if len(memory.text) >= BYTES // 2 for piece in _pieces(memory.text)]
    found += [Probe(title[:BYTES], "title") for title in titles if len(title) >= SHORTEST][:MOST]
    return list(dict.fromkeys(found))


def values(memories: Iterable[Memory]) -> list[Probe]:
    """Return what stands beside the texts: projects, speakers, tags, what meta says, and texts too short for a piece.

    Other memories may have them too; whoever searches for them leaves those out.
    """
    found: dict[Probe, None] = {}
    for memory in memories:
        named = [("project", memory.project), ("speaker", memory.speaker)]
        named += [("tags", tag) for tag in memory.tags]
        named += [("meta", one) for one in tombstones.strings(memory.meta)]
        named += [("text", memory.text)] if len(memory.text) < BYTES // 2 else []
        found |= {Probe(text[:BYTES], what): None for what, text in named if len(text) >= SHORTEST}
        if len(found) >= 4 * MOST:
            break
    return list(found)


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


def _pieces(text: str) -> list[str]:
    start = max(0, (len(text) - BYTES) // 2)
    return [text[:BYTES], text[start : start + BYTES]]
