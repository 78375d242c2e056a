"""Probes: pieces of forgotten texts, searched for in the raw bytes of files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from memento.memory import Memory
from memento.storage import tombstones

PROBE_LENGTH: Final = 40
"""Characters of a probe. SQLite stores a text in pieces of a page or more, so a probe usually lies in one piece."""
MAX_PROBES: Final = 24
"""Maximum number of texts to search for (the longest), and of titles."""
MIN_LENGTH: Final = 8
"""A shorter value could occur by chance."""
_BLOCK: Final = 4 * 1024 * 1024


class Probe(NamedTuple):
    """A piece of a forgotten text or value."""

    text: str
    what: str = "text"
    """`text`, `title`, or the name of the column it was in."""

    @property
    def patterns(self) -> tuple[bytes, ...]:
        """Its bytes in a database, and in a JSON file if those differ."""
        forms = (self.text, json.dumps(self.text)[1:-1], json.dumps(self.text, ensure_ascii=False)[1:-1])
        return tuple(dict.fromkeys(form.encode("utf-8", "surrogatepass") for form in forms))


def text_probes(memories: Iterable[Memory], titles: Iterable[str] = ()) -> list[Probe]:
    """Return the beginning and the middle of each text that is long enough to be unique."""
    longest = sorted(memories, key=lambda memory: -len(memory.text))[:MAX_PROBES]
    found = [
        Probe(piece) for memory in longest if len(memory.text) >= PROBE_LENGTH // 2 for piece in _pieces(memory.text)
    ]
    found += [Probe(title[:PROBE_LENGTH], "title") for title in titles if len(title) >= MIN_LENGTH][:MAX_PROBES]
    return list(dict.fromkeys(found))


def value_probes(memories: Iterable[Memory]) -> list[Probe]:
    """Return probes for projects, speakers, tags, meta values, and texts too short for a piece.

    Other memories may share them; the caller removes such probes.
    """
    found: dict[Probe, None] = {}
    for memory in memories:
        named = [("project", memory.project), ("speaker", memory.speaker)]
        named += [("tags", tag) for tag in memory.tags]
        named += [("meta", one) for one in tombstones.strings(memory.meta)]
        named += [("text", memory.text)] if len(memory.text) < PROBE_LENGTH // 2 else []
        found |= {Probe(text[:PROBE_LENGTH], what): None for what, text in named if len(text) >= MIN_LENGTH}
        if len(found) >= 4 * MAX_PROBES:
            break
    return list(found)


def find_probes(blocks: Iterable[bytes], wanted: Sequence[Probe]) -> list[Probe]:
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


def read_blocks(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes. Raises OSError."""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _pieces(text: str) -> list[str]:
    start = max(0, (len(text) - PROBE_LENGTH) // 2)
    return [text[:PROBE_LENGTH], text[start : start + PROBE_LENGTH]]


_CAT: Final = "import shutil, sys; shutil.copyfileobj(open(sys.argv[1], 'rb'), sys.stdout.buffer, 1 << 20)"


def read_in_subprocess(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, read by a subprocess. Raises OSError if it cannot be read.

    POSIX drops all locks of a process on a file when it closes any descriptor of it, so the process that has a database
    open must not read its bytes past SQLite.
    """
    command = [sys.executable, "-S", "-E", "-c", _CAT, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as reader:
        assert reader.stdout is not None
        while block := reader.stdout.read(_BLOCK):
            yield block
    if reader.returncode:
        raise OSError(f"{path} cannot be read")
