"""Cuts a JSON document into its outermost objects, with flat memory and exact offsets.

Invariant: the elements tile the stream, separators included. Only brackets and strings are looked at: what lies between
them is for the decoder to judge, one object at a time, so that one broken object costs no other. (An event parser such
as ijson cannot say where an object lies and ends at the first error; its C backend crashes on a 5,000-digit integer.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from memento_ingest.span import SAMPLE_BYTES

MAX_ELEMENT: Final = 128 * 1024 * 1024
"""Bytes; a larger object is not held in memory."""

_MAX_GAP: Final = 1024 * 1024
# Both always match and are possessive, so scanning is linear. First: on to the next bracket outside a string, or to
# the quote of a string that does not end in this chunk, or to the end. Second: the rest of such a string.
_NEXT: Final = re.compile(rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+([{}\[\]"]|\Z)', re.DOTALL)
_REST: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+("|\\?\Z)', re.DOTALL)
_SEPARATORS: Final = re.compile(rb"(?:\xef\xbb\xbf)?[\s,\[\]]*+")
_WRAPPER_END: Final = re.compile(rb"[\s,\[\]}]*+")


class Element(NamedTuple):
    """An object with the separators before it; the document's last one has those after it as well."""

    offset: int
    length: int
    data: bytes
    """The bytes; only the first of them if the defect is `too_long`."""
    start: int
    end: int
    """Where the object lies within `data`; both at its end where there is none."""
    defect: str = ""
    """`truncated` or `too_long`."""

    @property
    def separated(self) -> bool:
        """Whether nothing but separators precedes the object."""
        return _SEPARATORS.fullmatch(self.data, 0, self.start) is not None

    @property
    def opens_array(self) -> bool:
        """Whether an array begins before the object."""
        return b"[" in self.data[: self.start]


def elements(chunks: Iterable[bytes], *, wrapped: bool = False, max_element: int = MAX_ELEMENT) -> Iterator[Element]:
    """Yield the outermost objects of a document given in chunks: its array's items, or concatenated objects.

    Arrays are passed through at any depth. With `wrapped`, the document's outermost object is passed through too.
    """
    brackets = _Brackets(wrapped)
    cutter = _Cutter(max_element)
    offset = 0
    for chunk in chunks:
        cutter.hold(chunk)
        for begins, position in brackets.scan(chunk):
            if begins:
                yield from cutter.begin(offset + position)
            else:
                cutter.end = offset + position
        offset += len(chunk)
        yield from cutter.shrink()
    yield from cutter.close(_WRAPPER_END if wrapped else _SEPARATORS)


class _Brackets:
    """Follows nesting and strings from chunk to chunk."""

    def __init__(self, wrapped: bool) -> None:
        self._depth = 0
        self._pass_outer = wrapped
        self._in_string = False
        self._escaped = False

    def scan(self, chunk: bytes) -> Iterator[tuple[bool, int]]:
        """Yield, for each outermost object, True and where it begins, and False and the position after its end."""
        for match in _NEXT.finditer(chunk, self._finish_string(chunk)):
            token, at = match[1], match.start(1)
            if token in (b"{", b"["):
                if self._depth:
                    self._depth += 1
                elif token == b"{" and self._pass_outer:
                    self._pass_outer = False
                elif token == b"{":
                    self._depth = 1
                    yield True, at
            elif token in (b"}", b"]"):
                if self._depth:
                    self._depth -= 1
                    if not self._depth:
                        yield False, at + 1
            elif token:
                self._in_string = True
                self._finish_string(chunk, at + 1)
                return

    def _finish_string(self, chunk: bytes, position: int = 0) -> int:
        """Return the position from which `chunk` is outside a string; its end, if the open string has none."""
        if not self._in_string:
            return position
        match = _REST.match(chunk, position + self._escaped)
        if match is None:
            raise AssertionError("the pattern matches anywhere")
        self._in_string = match[1] != b'"'
        self._escaped = match[1] == b"\\"
        return match.end()


class _Cutter:
    """Holds the bytes of the current element, from its first separator on. Offsets are the document's."""

    def __init__(self, max_element: int) -> None:
        self.end: int | None = None
        """After the current object, once it is complete."""
        self._max_element = max_element
        self._first = 0
        self._start: int | None = None
        self._held = bytearray()
        self._held_from = 0
        self._kept = b""
        """The first bytes of an element too long to hold; then `_held` begins after `_first`."""

    def hold(self, chunk: bytes) -> None:
        self._held += chunk

    def begin(self, offset: int) -> Iterator[Element]:
        """Note that an object begins, which completes the one before."""
        if self.end is not None:
            yield self._cut(self.end)
        self._start = offset

    def shrink(self) -> Iterator[Element]:
        """Yield or drop what would grow too large to hold."""
        if self.end is not None:
            if len(self._held) > self._max_element:
                yield self._cut(self.end)
        elif self._start is None:
            if len(self._held) > _MAX_GAP:
                yield self._cut(self._held_end)
        elif self._kept or len(self._held) > self._max_element:
            self._kept = self._kept or bytes(self._held[:SAMPLE_BYTES])
            self._held_from = self._held_end
            self._held.clear()

    def close(self, tail: re.Pattern[bytes]) -> Iterator[Element]:
        """Yield what is left at the end of the document; what `tail` matches belongs to the last object."""
        end = self._held_end
        if self.end is not None:
            rest = bytes(self._held[self.end - self._held_from :])
            yield self._cut(end if tail.fullmatch(rest) else self.end)
        if end > self._first:
            yield self._cut(end, "truncated" if self._start is not None else "")

    @property
    def _held_end(self) -> int:
        return self._held_from + len(self._held)

    def _cut(self, until: int, defect: str = "") -> Element:
        size = until - self._held_from
        data = self._kept or bytes(self._held[:size])
        start = len(data) if self._start is None else min(self._start - self._first, len(data))
        end = len(data) if self.end is None else min(self.end - self._first, len(data))
        element = Element(self._first, until - self._first, data, start, end, "too_long" if self._kept else defect)
        del self._held[:size]
        self._first = self._held_from = until
        self._start = self.end = None
        self._kept = b""
        return element
