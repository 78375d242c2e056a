"""Tells the format of a source by its beginning, which is read as far as that takes.

A first line longer than the usual head is read whole, up to `LONGEST_HEAD`: half a record may look like that of
another agent, or like nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, Final, NamedTuple

from memento_ingest.formats import registry
from memento_ingest.formats.base import Format
from memento_ingest.span import SourceInfo

HEAD_BYTES: Final = 64 * 1024
LONGEST_HEAD: Final = 16 * 1024 * 1024

ReadHead = Callable[[int], bytes]
"""Returns the source's first bytes, as many as asked for or all there are."""


class Recognised(NamedTuple):
    """The head that was looked at, and the format it is of, if it is of any."""

    head: bytes
    format: Format | None


class Peek:
    """Reads the head of a stream that cannot go back, and keeps it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.head = b""

    def __call__(self, size: int) -> bytes:
        """Return the first `size` bytes, or all there are."""
        while len(self.head) < size and (chunk := self._stream.read(size - len(self.head))):
            self.head += chunk
        return self.head[:size]


def recognise(read: ReadHead, info: SourceInfo) -> Recognised:
    """Return the head of a source and its format."""
    head = read(HEAD_BYTES)
    line = _whole_line(head, read)
    if line is None:
        return Recognised(head, registry.detect(head, info))
    found = registry.detect(line, info, of_lines=True)
    return Recognised(head, found or registry.detect(head, info, of_lines=False))


def _whole_line(head: bytes, read: ReadHead) -> bytes | None:
    """Return the source up to the end of a first line of JSON that the head cuts off, None where it does not."""
    if len(head) < HEAD_BYTES or b"\n" in head or head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] != b"{":
        return None
    size = HEAD_BYTES
    while size < LONGEST_HEAD:
        size = min(size * 4, LONGEST_HEAD)
        grown = read(size)
        if b"\n" in grown[len(head) :] or len(grown) < size:
            return grown
    return None
