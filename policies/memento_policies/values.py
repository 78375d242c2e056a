"""Where a value ends that follows a name, a command or a phrase.

A pattern says where a value may begin. How it ends depends on how it is written: at the quote that opened it, with
however many backslashes, at white space, at the next field of a URL or a connection string.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

MAX_VALUE: Final = 4096
_PAIRS: Final = "“”„“‟”«»»«「」『』《》‘’【】"
_CLOSING: Final = {_PAIRS[i].encode(): _PAIRS[i + 1].encode() for i in range(0, len(_PAIRS), 2)}
_FOREIGN: Final = b"|".join(_CLOSING)
_ESCAPED: Final = rb"\\+u00(?:22|27)|&(?:quot|apos|#34|#39|#x22|#x27);|%2[27]"
_QUOTE: Final = re.compile(
    rb"(?:[bruf@$]{1,2}(?=[\"']))?(\\*(?:\"\"\"|\'\'\'|[\"'\x60])|\\+x2[27]|\*\*|" + _ESCAPED + rb"|" + _FOREIGN + rb")"
)
_OPENED: Final = re.compile(rb"(\\*[\"'\x60]|" + _ESCAPED + rb"|" + _FOREIGN + rb")\Z")
_TEXT: Final = re.compile(
    rb"(?:[^\s\"'\x60\\<&,;\x00-\x1f\xe2\xe3\xef]"
    rb"|\xe2(?!\x80[\x98-\x9f\xa8\xa9])|\xe3(?!\x80[\x80-\x82\x8a-\x91])|\xef(?!\xbc[\x81\x88\x89\x8c\x9b\x9a\x9f])"
    rb"|\\(?![nrt\"'\x60\\]|u00[0-9a-fA-F]{2}|x[0-9a-fA-F]{2}|\Z|\s)"
    rb"|<(?![/A-Za-z])|&(?![a-z_]+[=;]|#)|[,;](?![\s\"'}\])]|\Z|[\w.-]{1,40}=))+"
)
_TRAILING: Final = re.compile(rb"(?:[.,;:)\]}>*_]|\xe3\x80\x82|\xef\xbc[\x8c\x89\x9b\x9a])+\Z")
_NAME: Final = rb"[A-Za-z_$][A-Za-z_$]*\d{0,4}[A-Za-z_]*(?:(?:\.|::|->|\?\.)[A-Za-z_$]\w*)*"
_CALL: Final = re.compile(rb"(?:await\b|new\b|async\b)?[!&*]{0,2}" + _NAME + rb"[!?]?(?:<[\w, ]*>)?[(\[{]")
_INDEXED: Final = re.compile(rb"[A-Za-z_$]\w*(?:(?:\.|::|->)[A-Za-z_]\w*)+[;,)]*\Z")
_NARROW: Final = re.compile(rb"[!-~]{6,}(?=[\xe3-\xef][\x80-\xbf]{2})")


class Span(NamedTuple):
    """A part of the text."""

    start: int
    end: int


def value_at(data: bytes, start: int, end: int) -> Span | None:
    """Return the value that begins at or right after `end`; None where there is code or more than one word.

    A pattern may end with the quote that opens the value.
    """
    opened = _OPENED.search(data, max(start, end - 12), end)
    if opened:
        return _quoted(data, end, opened[1])
    quote = _QUOTE.match(data, end)
    if quote:
        return _quoted(data, quote.end(), quote[1])
    return _bare(data, end)


def _quoted(data: bytes, start: int, opening: bytes) -> Span | None:
    closing = _CLOSING.get(opening, opening)
    stop = min(len(data), start + MAX_VALUE)
    end = data.find(closing, start, stop)
    line = data.find(b"\n", start, stop if end < 0 else end)
    if line >= 0:
        end = line
    elif end < 0:
        return _bare(data, start)
    value = data[start:end]
    if not value or value != value.strip() or b" " in value or b"\t" in value:
        return None
    return Span(start, end)


def _bare(data: bytes, start: int) -> Span | None:
    match = _TEXT.match(data, start, start + MAX_VALUE)
    if not match:
        return None
    end = match.end()
    narrow = _NARROW.match(data, start, end)
    if narrow:
        end = narrow.end()
    value = data[start:end]
    if _CALL.match(value) or _INDEXED.match(value):
        return None
    trailing = _TRAILING.search(value)
    if trailing and trailing.start():
        end -= len(trailing[0])
    return Span(start, end) if end > start else None
