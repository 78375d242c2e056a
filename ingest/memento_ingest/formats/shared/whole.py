"""Reading a line-based transcript from its beginning to its end, where it lies inside something else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from memento_ingest.formats.base import LineParser
from memento_ingest.lines import LongLine, read_lines
from memento_ingest.span import Span

LINES_FROM: Final = 100_000
"""Lines below which their number does not matter; above, each must take a compressed byte. Real ones take ten."""


class TooManyLines(Exception):
    """A compressed transcript holds more lines than its bytes can: 30 KB of zstd are a thousand million newlines."""


class LineBudget:
    """The lines that one compressed file may hold, whatever it is made of."""

    def __init__(self) -> None:
        self.compressed = 0
        """Bytes of the compressed file that were read so far."""
        self._lines = 0

    def spend(self) -> None:
        """Count a line, or a record of a document. Raises TooManyLines."""
        self._lines += 1
        if self._lines > LINES_FROM and self._lines > self.compressed:
            raise TooManyLines


def read_whole(stream: BinaryIO, parser: LineParser, budget: LineBudget) -> Iterator[Span]:
    """Yield the spans of every line of a stream, by the offsets of the stream itself. Raises TooManyLines."""
    for line in read_lines(stream):
        budget.spend()
        if isinstance(line, LongLine):
            yield Span(line.offset, line.length, defect="line_too_long")
        else:
            yield from parser.feed(line)
    yield from parser.finish()
