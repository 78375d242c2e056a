"""Reads a JSON document of conversations or messages, one object at a time, into spans with exact offsets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from memento_ingest.formats.shared.excerpt import Reader
from memento_ingest.formats.shared.json_elements import Element, elements
from memento_ingest.formats.shared.sniffing import is_wrapped
from memento_ingest.formats.shared.thread import Thread
from memento_ingest.jsonl import decode
from memento_ingest.span import SAMPLE_BYTES, SourceInfo, Span

HEAD: Final = 64 * 1024
_READ: Final = 1024 * 1024


def read_document(stream: BinaryIO, info: SourceInfo, source: str, reader: Reader) -> Iterator[Span]:
    """Yield the spans that tile the document.

    An object is decoded by itself, so memory holds one conversation, and a broken one is one defect. A document cut
    short gives its complete objects and a defect for the rest.
    """
    head = _peek(stream)
    wrapped = is_wrapped(head)
    thread = Thread(source, info, reader)
    for element in elements(_chunks(head, stream), wrapped=wrapped):
        if element.opens_array:
            thread.restart()
        yield from _spans(element, thread, wrapped)


def _spans(element: Element, thread: Thread, wrapped: bool) -> Iterator[Span]:
    offset, data, start = element.offset, element.data, element.start
    if element.defect:
        yield Span(offset, element.length, defect=element.defect, sample=data[:SAMPLE_BYTES])
        return
    if not element.separated:
        # Between objects: the wrapper's own fields, or something that is no JSON or no object.
        if wrapped:
            yield Span(offset, start, skipped="metadata")
        else:
            yield Span(offset, start, defect="broken_json", sample=data[: min(start, SAMPLE_BYTES)])
        offset += start
    elif start == len(data):
        yield Span(offset, start, skipped="blank")
        return
    length = element.offset + element.length - offset
    if not length:
        return
    value, defect = decode(data[start : element.end])
    if defect:
        yield Span(offset, length, defect=defect, sample=data[start:][:SAMPLE_BYTES])
    else:
        yield from thread.spans(offset, length, value)


def _peek(stream: BinaryIO) -> bytes:
    """Read the head; a raw stream may give less than asked for."""
    head = b""
    while len(head) < HEAD and (chunk := stream.read(HEAD - len(head))):
        head += chunk
    return head


def _chunks(head: bytes, stream: BinaryIO) -> Iterator[bytes]:
    if head:
        yield head
    while chunk := stream.read(_READ):
        yield chunk
