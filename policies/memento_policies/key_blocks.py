"""How far a private key goes from where it was recognised: whatever stands between and before its lines.

A key in a transcript is rarely a clean PEM file. Its lines carry the prefixes of logs, `grep -n`, `git blame` and
diffs, they are quoted and concatenated, and a message may hold only the beginning, the middle or the end.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

MAX_BLOCK: Final = 64 * 1024
"""Bytes from BEGIN within which END is looked for."""
_MARKER: Final = re.compile(rb"(?i)-{0,5} ?\b(BEGIN|END) [A-Za-z0-9 ]{2,60}-{0,5}|END OpenVPN")
_LINE_END: Final = re.compile(rb"\r?\n|(?:\\+[rn])+|(?:&#10;|%0[aA])+")
_BODY: Final = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")
_REST: Final = re.compile(rb"=?[A-Za-z0-9+/]{0,62}[A-Za-z0-9/]={0,2}(?=[\s\"'\x60,;+\\]*$)")
_HEADER: Final = re.compile(rb"(?i)(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset|MessageID|X-[\w-]+) ?:")
_LETTERS: Final = re.compile(rb"[A-Za-z]{16,}$")
_DASHES: Final = re.compile(rb"-{1,5} ?\Z")
_END_OF_MARKER: Final = re.compile(rb"(?: BLOCK)? ?-{0,5}")
_GLUE: Final = b" \t\"'`+\\,;.&|-"
"""What joins the parts of a text that is concatenated in a program."""
_MAX_EMPTY: Final = 3


class Span(NamedTuple):
    """A part of the text."""

    start: int
    end: int


def from_begin(data: bytes, start: int, end: int) -> Span | None:
    """Return the key whose BEGIN line is at `data[start:end]`: up to its END, or as far as lines of a key follow."""
    start = _before_dashes(data, start)
    marker = _MARKER.search(data, end, end + MAX_BLOCK)
    if marker and marker[0].lstrip(b"- ")[:3].upper() == b"END":
        inside = data[end : marker.start()]
        return Span(start, marker.end()) if _holds_key(inside) else None
    stop = marker.start() if marker else min(len(data), end + MAX_BLOCK)
    reached = _forward(data, end, stop)
    return Span(start, reached) if reached > end else None


def to_end(data: bytes, start: int, end: int) -> Span | None:
    """Return what is left of a key whose END line is at `data[start:end]` and whose BEGIN is in another message."""
    start = _before_dashes(data, start)
    floor = max(0, start - MAX_BLOCK)
    lines = _lines(data, floor, start)
    first, empty = start, 0
    for line_start, line_end in reversed(lines):
        line = data[line_start:line_end]
        if _MARKER.search(line) or empty > _MAX_EMPTY:
            break
        run = _longest(line)
        if run or (first == start and _REST.search(line)):
            first = line_start + (run.start() if run else 0)
            empty = 0
        elif line.strip(_GLUE):
            break
        else:
            empty += 1
    return Span(first, _after_dashes(data, end)) if first < start else None


def lines_from(data: bytes, start: int, end: int) -> Span | None:
    """Return the lines of a key from a place inside its first line."""
    reached = _forward(data, start, min(len(data), start + MAX_BLOCK))
    return Span(start, max(end, reached))


def bare_lines(data: bytes, start: int, end: int) -> Span | None:
    """Return lines as wide as a key's, unless they are of a block that says it is something else."""
    before = list(_MARKER.finditer(data, max(0, start - MAX_BLOCK), start))
    if before and b"PRIVATE" not in before[-1][0].upper() and before[-1][0].lstrip(b"- ")[:5].upper() == b"BEGIN":
        return None
    after = _MARKER.search(data, end, end + MAX_BLOCK)
    if after and b"PRIVATE" not in after[0].upper() and after[0].lstrip(b"- ")[:3].upper() == b"END":
        return None
    reached = _forward(data, start, min(len(data), start + MAX_BLOCK))
    return Span(start, reached) if reached > start else None


def _forward(data: bytes, start: int, stop: int) -> int:
    """Return where the lines of a key end that begin at `start`."""
    reached, empty, indent = start, 0, -1
    for line_start, line_end in _lines(data, start, stop):
        line = data[line_start:line_end]
        run = _longest(line)
        if run:
            reached, empty = line_start + run.end(), 0
            indent = run.start() if line_start > start else indent
        elif reached > start and (rest := _REST.search(line)) and (indent < 0 or abs(rest.start() - indent) <= 2):
            return line_start + rest.end()
        elif _HEADER.search(line):
            empty = 0
        elif line.strip(_GLUE):
            break
        else:
            empty += 1
            if empty > _MAX_EMPTY:
                break
    return reached


def _longest(line: bytes) -> re.Match[bytes] | None:
    """Return the last run of Base64 in a line that is not a word of letters."""
    runs = [run for run in _BODY.finditer(line) if not _LETTERS.match(run[0])]
    return runs[-1] if runs else None


def _lines(data: bytes, start: int, stop: int) -> list[tuple[int, int]]:
    lines, position = [], start
    for end in _LINE_END.finditer(data, start, stop):
        lines.append((position, end.start()))
        position = end.end()
    return [*lines, (position, stop)]


def _holds_key(inside: bytes) -> bool:
    """Tell whether there is more between BEGIN and END than dots or a placeholder."""
    return sum(len(run[0]) for run in _BODY.finditer(inside)) >= 16 or _split_up(inside)


def _split_up(inside: bytes) -> bool:
    runs = re.findall(rb"[A-Za-z0-9+/]{4,}", inside)
    return sum(map(len, runs)) >= 64 and sum(any(48 <= byte <= 57 for byte in run) for run in runs) * 3 >= len(runs)


def _before_dashes(data: bytes, start: int) -> int:
    match = _DASHES.search(data, max(0, start - 6), start)
    return match.start() if match else start


def _after_dashes(data: bytes, end: int) -> int:
    match = _END_OF_MARKER.match(data, end)
    return match.end() if match else end
