"""Generic transcripts line by line: each line a message or a whole conversation, of any shape, export shapes included.

A line says all there is to say about itself; only its place in its conversation is carried from line to line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from memento_ingest.formats.base import LineParser
from memento_ingest.formats.generic.document import read_any
from memento_ingest.formats.shared.sniffing import is_foreign, names_lines, object_lines
from memento_ingest.formats.shared.thread import Thread
from memento_ingest.jsonl import records
from memento_ingest.span import SAMPLE_BYTES, Checkpoint, Line, SourceInfo, Span


class GenericJsonl:
    """Role/content, `messages`, ShareGPT, LangChain, ChatGPT or Claude.ai records, one a line."""

    name = "generic-jsonl"

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether the first record and nearly all others of the head are of a known shape."""
        if is_foreign(info):
            return False
        values = object_lines(head)
        if not values or (len(values) == 1 and not names_lines(info)):
            return False
        whole = [value for value in values if value is not None]
        known = sum(read_any(value) is not None for value in whole)
        # Broken lines speak neither for the format nor against it, as long as they are not the most.
        return read_any(values[0]) is not None and known >= 0.8 * len(whole) and len(whole) >= 0.5 * len(values)

    def parser(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> LineParser:
        """Return a parser that begins at the checkpoint, or at offset 0."""
        return _Parser(self.name, info, checkpoint or Checkpoint(0, {}))


class _Parser:
    def __init__(self, source: str, info: SourceInfo, checkpoint: Checkpoint) -> None:
        self._offset = checkpoint.offset
        self._thread = Thread(source, info, read_any, checkpoint.state)

    def feed(self, line: Line) -> Iterator[Span]:
        self._offset = line.end
        yield from _spans(line, self._thread)

    def finish(self) -> Iterable[Span]:
        return ()

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self._offset, self._thread.state())


def _spans(line: Line, thread: Thread) -> Iterator[Span]:
    found = records(line)
    if len(found) > 1 and not line.data.endswith(b"\n"):
        # Nothing is salvaged from half a line: the messages of half a conversation would pass for messages by
        # themselves, with other keys than they have when the line is complete.
        yield Span(line.offset, len(line.data), defect="broken_json", sample=line.data[:SAMPLE_BYTES])
        return
    for record in found:
        # In a broken line an object of no known shape is a part of one that was cut.
        is_part = len(found) > 1 and not record.defect and read_any(record.value) is None
        if record.defect or is_part:
            start = record.offset - line.offset
            sample = line.data[start : start + min(record.length, SAMPLE_BYTES)]
            yield Span(record.offset, record.length, defect=record.defect or "broken_json", sample=sample)
        elif record.blank:
            yield Span(record.offset, record.length, skipped="blank")
        else:
            yield from thread.spans(record.offset, record.length, record.value)
