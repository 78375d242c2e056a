"""Reading a line-based transcript from its beginning to its end, where it lies inside something else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from memento_ingest.formats.base import LineParser
from memento_ingest.lines import LongLine, read_lines
from memento_ingest.span import Span


def read_whole(stream: BinaryIO, parser: LineParser) -> Iterator[Span]:
    """Yield the spans of every line of a stream, by the offsets of the stream itself."""
    for line in read_lines(stream):
        if isinstance(line, LongLine):
            yield Span(line.offset, line.length, defect="line_too_long")
        else:
            yield from parser.feed(line)
    yield from parser.finish()
