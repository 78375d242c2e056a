"""What a file is that no transcript format recognises, in words, with the remedy that helps such a file."""

from __future__ import annotations

import csv
import re
from pathlib import PurePath
from typing import Final

UNKNOWN: Final = "no transcript format recognises it: name one with --format"
_TABLE: Final = (
    "no transcript format reads tables (CSV, TSV, Markdown): write each row as a line of JSON, such as "
    '{"role": "user", "content": "..."}'
)
_COMPRESSED: Final = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}
_TABLE_ENDINGS: Final = (".csv", ".tsv", ".tab", ".psv")
_RULE: Final = re.compile(
    r"\s*(?:\|?\s*:?-{3,}:?\s*(?:\|\s*:?-{3,}:?\s*)+\|?|\|\s*:?-{3,}:?\s*\||\+(?:[-=]{3,}\+)+)\s*"
)
"""The line below the heads of a Markdown table, or a line of a drawn one."""
_LOOKED_AT: Final = 20
"""Lines."""
_LEAST: Final = 3
"""Fields and lines of what counts as a table by its commas alone: sentences hold commas too."""


def reason(head: bytes, name: str) -> str:
    """Return why a source beginning with `head` is not read, and what to do; `name` is its file's name."""
    if not head.strip():
        return "empty"
    for mark, program in _COMPRESSED.items():
        if head.startswith(mark):
            return f"no transcript format reads files compressed with {program}: unpack it first"
    return _TABLE if _is_table(head, name) else UNKNOWN


def _is_table(head: bytes, name: str) -> bool:
    text = _text(head)
    if text is None or text.lstrip()[:1] in ("{", "[", "<"):
        return False
    if PurePath(name).suffix.lower() in _TABLE_ENDINGS:
        return True
    lines = [line for line in text.splitlines() if line.strip()][:_LOOKED_AT]
    if any(_RULE.fullmatch(line) for line in lines):
        return True
    return _is_separated(lines, "\t", 2) or any(_is_separated(lines, mark, _LEAST) for mark in ",;|")


def _is_separated(lines: list[str], delimiter: str, least: int) -> bool:
    """Tell whether every line has the same number of fields, and enough of them; the last line may be cut off."""
    whole = lines[:-1] if len(lines) == _LOOKED_AT else lines
    try:
        fields = {len(row) for row in csv.reader(whole, delimiter=delimiter)}
    except csv.Error:
        return False
    return len(whole) >= least and len(fields) == 1 and fields.pop() >= least


def _text(head: bytes) -> str | None:
    """Return the head as text, None where it is none."""
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    text = head.decode(encoding, "replace")
    return None if "\0" in text else text
