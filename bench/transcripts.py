"""Read a transcript as the ingest does: every message with the line that it begins on."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from pathlib import Path

from memento_ingest.formats.base import LineFormat
from memento_ingest.formats.recognition import HEAD_BYTES
from memento_ingest.formats.registry import detect
from memento_ingest.lines import LongLine, read_lines
from memento_ingest.span import SourceInfo, Span
from memento_policies import Message


def read_transcript(path: Path) -> Iterator[tuple[int, Message]]:
    """Yield line and message, the last version of a message that grows in the place of the first."""
    found: dict[str, tuple[int, Message]] = {}
    starts: list[int] = []
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
        stream.seek(0)
        info = SourceInfo(path.name, str(path), int(path.stat().st_mtime * 1000))
        format = detect(head, info)
        if not isinstance(format, LineFormat):
            raise TypeError(f"{path}: not a transcript of lines")
        parser, spans = format.parser(info), list[Span]()
        for line in read_lines(stream):
            starts.append(line.offset)
            if not isinstance(line, LongLine):
                spans += list(parser.feed(line))
        for span in [*spans, *parser.finish()]:
            for message in span.messages:
                found[message.key] = (bisect.bisect_right(starts, span.offset), message)
    yield from found.values()
