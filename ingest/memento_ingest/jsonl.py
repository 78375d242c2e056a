"""JSON records out of lines, also out of dirty ones.

Invariant: the records of a line tile its bytes, its newline included, in order; reading them never raises. What cannot
be decoded is a record with a defect, so that no byte goes missing unseen. Agents' own files hold spliced records,
missing newlines and runs of NULs: every complete JSON object in such a line is recovered.
"""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import Any, Final, Literal, NamedTuple

import msgspec

from memento_ingest.span import Line

Defect = Literal["", "broken_json", "nul_bytes", "too_deep"]


class _Blank(Enum):
    BLANK = "blank"


BLANK: Final = _Blank.BLANK
"""The value of a record that is nothing but white space: neither a message nor a defect."""


class Record(NamedTuple):
    """One JSON value, or one stretch that holds none, at its place in the source."""

    offset: int
    length: int
    value: Any
    """The decoded value when `defect` is empty (`BLANK` for an empty line), else None."""
    defect: str
    """Why these bytes hold no value: `broken_json`, `nul_bytes` or `too_deep`."""

    @property
    def blank(self) -> bool:
        """Whether there is nothing but white space."""
        return self.value is BLANK


_decode: Final = msgspec.json.Decoder().decode


def records(line: Line) -> list[Record]:
    """Return the records that tile the line.

    A line with one JSON value of any type is one record. Any other line is searched for complete JSON objects; the
    bytes between them become records with a defect. Invalid UTF-8 and lone surrogates become U+FFFD, NaN and Infinity
    are accepted, very long strings of a long line lose their middle (`shrink`), a UTF-8 byte order mark is passed
    over, and a line of a little-endian UTF-16 file is decoded as such.
    """
    data = line.data
    try:
        return [Record(line.offset, len(data), _decode(shrink(data)), "")]
    except (ValueError, RecursionError):
        pass
    if not data.strip():
        return [Record(line.offset, len(data), BLANK, "")] if data else []
    value, defect = decode(data)
    if defect and (wide := _from_utf16(data)):
        value, defect = decode(wide)
    if not defect:
        return [Record(line.offset, len(data), value, "")]
    pieces = _salvage(data)
    if len(pieces) == 1 and defect == "too_deep":
        return [Record(line.offset, len(data), None, defect)]
    return [Record(line.offset + start, end - start, value, defect) for start, end, value, defect in pieces]


def decode(data: bytes) -> tuple[Any, Defect]:
    """Return the one JSON value in `data` and no defect, or None and the defect. Never raises."""
    data = shrink(data)
    try:
        return _decode(data), ""
    except RecursionError:
        return None, "too_deep"
    except ValueError:
        pass
    try:
        return _LENIENT.decode(mend(data).decode()), ""
    except RecursionError:
        return None, "too_deep"
    except ValueError:
        return None, "nul_bytes" if b"\0" in data else "broken_json"


LONG_LINE: Final = 4 * 1024 * 1024
"""Bytes; in a longer line, strings of more than `LONG_STRING` bytes lose their middle."""
LONG_STRING: Final = 1024 * 1024
_STRING: Final = re.compile(rb'"(?:[^"\\\x00-\x1f]++|\\[^\x00-\x1f])*+"')
_KEPT: Final = 64 * 1024


def shrink(data: bytes) -> bytes:
    """Return the JSON text of a long line with `… [N bytes left out] …` in the middle of its very long strings.

    A decoded string may take four times its bytes, so a line of 64 MB would need 256 MB more. The seams lie at
    spaces, which are part of no escape and of no longer character; a string without any is left out whole.
    """
    if len(data) <= LONG_LINE:
        return data
    parts = []
    done = 0
    for match in _STRING.finditer(data):
        start, end = match.start() + 1, match.end() - 1
        if end - start > LONG_STRING:
            head = data.rfind(b" ", start, start + _KEPT)
            tail = data.find(b" ", end - _KEPT, end)
            head, tail = (start if head < 0 else head), (end if tail < 0 else tail)
            parts += [data[done:head], f" … [{tail - head:,} bytes left out] … ".encode()]
            done = tail
    return b"".join((*parts, data[done:])) if parts else data


_UTF8_BOM: Final = b"\xef\xbb\xbf"
# An escaped pair of surrogates, a lone one (group 1), or any other escape, so that `\\ud800` is not taken for one.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


def mend(data: bytes) -> bytes:
    """Return valid UTF-8 without byte order mark, with U+FFFD for bad bytes and for escapes of lone surrogates."""
    text = data.removeprefix(_UTF8_BOM).decode("utf-8", "replace").encode()
    if b"\\ud" in text or b"\\uD" in text:
        return _ESCAPE.sub(lambda m: rb"\ufffd" if m[1] else m[0], text)
    return text


_MAX_DIGITS: Final = 4000


def _integer(digits: str) -> int | float:
    """Return the integer; beyond Python's limit for conversion only its magnitude, which is infinite as a float."""
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


_LENIENT: Final = json.JSONDecoder(parse_int=_integer)


def _from_utf16(data: bytes) -> bytes:
    """Return the line as UTF-8 if it looks like one of a little-endian UTF-16 file, else b"".

    Such files come from redirections in Windows shells. Splitting at b"\\n" leaves the newline's second byte at the
    next line's head.
    """
    body = data.removeprefix(b"\xff\xfe").removeprefix(b"\0").removesuffix(b"\n")
    if len(body) < 4 or body[0] not in b"{[" or body[1] or body[3]:
        return b""
    return body.decode("utf-16-le", "replace").encode("utf-8", "replace")


# One step over what JSON allows between brackets, then a bracket if one follows. Without one the walk ends there: at a
# bare word, a control character or an open string. Possessive throughout, so its time is linear.
_STEP: Final = re.compile(
    rb'(?:[\s,:]++|"(?:[^"\\\x00-\x1f]++|\\[^\x00-\x1f])*+"|-?\d[\d.eE+\-]*+|true|false|null|NaN|-?Infinity)*+'
    rb"([{}\[\]])?"
)
_OBJECT: Final = re.compile(rb'\{[ \t\r]*["}]')
_MAX_DEPTH: Final = 1_000_000
_MAX_OBJECTS: Final = 100_000
"""Objects taken out of one broken line; it bounds the memory that garbage can claim."""
_EFFORT: Final = 4 * 1024 * 1024
"""Bytes of balanced but invalid objects that are searched again, in one line; it bounds the time."""

_Piece = tuple[int, int, Any, str]


def _salvage(data: bytes) -> list[_Piece]:
    """Tile a broken line: the complete objects, leftmost and outermost first, and the stretches between them."""
    found: list[_Piece] = []
    effort = _EFFORT
    position = 0
    while len(found) < _MAX_OBJECTS and (match := _OBJECT.search(data, position)):
        closed, position = _walk(data, match.start())
        for start, end in closed:
            value, defect = decode(data[start:end])
            if defect in ("", "too_deep"):
                found.append((start, end, value, defect))
            elif effort > 0:
                effort -= end - start
                position = start + 1
                break
    return _fill(data, found)


def _walk(data: bytes, start: int) -> tuple[list[tuple[int, int]], int]:
    """Follow the object at `start`; return the outermost objects that were closed, and where to search on.

    If the object itself is complete, it is the only one. Else the walk ended at a splice or at the line's end, and
    the closed ones lie inside it. A record cut within a string swallows the next record's `{"` into that string, and
    the walk ends at the bare word that follows; so the search goes on at the last `{` before that.
    """
    closed: list[tuple[int, int]] = []
    unclosed: list[int] = []
    position = start
    while (step := _STEP.match(data, position)) and step[1] and len(unclosed) < _MAX_DEPTH:
        position = step.end()
        if step[1] in b"{[":
            unclosed.append(position - 1)
            continue
        begin = unclosed.pop()
        if not unclosed:
            return [(begin, position)], position
        if step[1] == b"}" and len(closed) < _MAX_OBJECTS:
            while closed and closed[-1][0] > begin:
                closed.pop()
            closed.append((begin, position))
    end = step.end() if step else position
    brace = data.rfind(b"{", max(position, start + 1), end)
    return closed, brace if brace > 0 else end


def _fill(data: bytes, found: list[_Piece]) -> list[_Piece]:
    """Return `found` with a defect in every gap; white space goes to the piece before it, else to the one after it."""
    pieces: list[_Piece] = []
    done = 0
    for start, end, value, defect in [*found, (len(data), len(data), None, "end")]:
        gap = data[done:start]
        if gap.strip():
            pieces.append((done, start, None, "broken_json" if gap.strip(b"\0 \t\r\n") else "nul_bytes"))
        elif gap and pieces:
            pieces[-1] = (pieces[-1][0], start, *pieces[-1][2:])
        elif gap:
            start = done
        done = end
        if defect != "end":
            pieces.append((start, end, value, defect))
    return pieces
