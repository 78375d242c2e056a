"""Reading a source line by line, with flat memory.

Invariant: the lines and long-line markers yielded tile the stream from `offset` to its end. Only b"\\n" ends a line:
U+2028, a bare carriage return and NUL bytes are content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from memento_ingest.span import Line

MAX_LINE: Final = 128 * 1024 * 1024
"""Bytes; a longer line is not held in memory."""

_READ: Final = 1024 * 1024
_BLANK_LINES: Final = re.compile(rb"(?:[ \t\r]{0,16}\n){256,}")
"""A run of blank lines that is given as one line: a span for each of millions would cost hours."""


class LongLine(NamedTuple):
    """A line too long to hold: only where it lies, so that it can be quarantined."""

    offset: int
    length: int
    terminated: bool
    """Whether a newline ended it; the last line of a growing source may still be going on."""

    @property
    def end(self) -> int:
        """Offset of the first byte after the line."""
        return self.offset + self.length


def read_lines(stream: BinaryIO, offset: int = 0, *, max_line: int = MAX_LINE) -> Iterator[Line | LongLine]:
    """Yield the lines of `stream`, which stands at byte `offset` of its source.

    `Line.data` holds the newline that ended the line, and of a long run of blank lines all of them. The last line may
    lack it: it is yielded too, and the caller decides whether to wait for the rest. A line of more than `max_line`
    bytes is yielded as a `LongLine`.
    """
    start = offset
    held: list[bytes] = []
    length = 0
    while chunk := stream.read(_READ):
        begin = 0
        while newline := chunk.find(b"\n", begin) + 1:
            piece = chunk[begin:newline]
            if not held and piece.isspace() and (run := _BLANK_LINES.match(chunk, begin)):
                newline = run.end()
                piece = run[0]
            begin = newline
            length += len(piece)
            if length > max_line:
                yield LongLine(start, length, terminated=True)
            else:
                yield Line(start, b"".join((*held, piece)) if held else piece)
            start += length
            held, length = [], 0
        if begin < len(chunk):
            length += len(chunk) - begin
            if length > max_line:
                held = []
            else:
                held.append(chunk[begin:])
    if length > max_line:
        yield LongLine(start, length, terminated=False)
    elif length:
        yield Line(start, b"".join(held))
