"""How formats look at the head of a source: as JSON lines, or as one JSON document that is cut off somewhere."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any, Final

from memento_ingest.formats.shared.generic_messages import is_message
from memento_ingest.jsonl import decode, mend
from memento_ingest.span import SourceInfo

_MAX_LINES: Final = 50
_LINE_SUFFIXES: Final = frozenset({".jsonl", ".ndjson"})
# Files of agents that have formats of their own, whose shapes can pass for generic ones.
_FOREIGN_NAMES: Final = (
    "api_conversation_history.json",
    ".messages.json",
    "ui_messages.json",
    ".aider.chat.history.md",
)
_JSON_SPACE: Final = b" \t\r\n"
_MAX_DEPTH: Final = 100
# A string, with its end (group 1) unless it is cut off, or a structural character.
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+("?)|[{}\[\],]', re.DOTALL)
_CLOSERS: Final = {b"{": b"}", b"[": b"]"}


def is_foreign(info: SourceInfo) -> bool:
    """Tell whether the name is that of an agent's own file, which must not pass for a generic one."""
    return info.name.endswith(_FOREIGN_NAMES)


def names_lines(info: SourceInfo) -> bool:
    """Tell whether the file's name says that it holds JSON lines."""
    return PurePath(info.name).suffix.lower() in _LINE_SUFFIXES


def object_lines(head: bytes) -> list[Any]:
    """Return the values of the head's first lines, None for a broken one; nothing if the first line is no value.

    A last line that the head cuts off is left out, unless it is the only one: then it is what can be read of it.
    """
    lines = [line for line in mend(head).split(b"\n") if line.strip()][: _MAX_LINES + 1]
    if not lines or lines[0].lstrip()[:1] not in (b"{", b"["):
        return []
    values, defects = zip(*(decode(line) for line in lines), strict=True)
    if len(lines) == 1:
        return [first_value(head)] if defects[0] else [values[0]]
    if defects[0]:
        return []
    return list(values[:-1] if defects[-1] else values)


def is_json_document(head: bytes, info: SourceInfo) -> bool:
    """Tell whether the head looks like that of one JSON value rather than of JSON lines.

    A file named as lines is a document where its first line does not end the value that it begins.
    """
    if mend(head[:64]).lstrip(_JSON_SPACE)[:1] not in (b"{", b"[") or is_foreign(info):
        return False
    if names_lines(info):
        return b"\n" in head.strip() and not object_lines(head) and isinstance(first_value(head), dict | list)
    return len(object_lines(head)) < 2


def first_object(head: bytes) -> object:
    """Return the document's first conversation or message as far as the head holds it, or None."""
    value = first_value(head)
    if _holds_conversations(value):
        value = value["conversations"]
    for _ in range(3):
        if isinstance(value, list):
            value = value[0] if value else None
    return value


def is_wrapped(head: bytes) -> bool:
    """Tell whether the document is an object with conversations under `conversations` rather than one of them."""
    return _holds_conversations(first_value(head))


def _holds_conversations(value: object) -> bool:
    listed = value.get("conversations") if isinstance(value, dict) else None
    return isinstance(listed, list) and bool(listed) and isinstance(listed[0], dict) and not is_message(listed[0])


def first_value(head: bytes) -> Any:
    """Return the JSON value that begins the head, as far as it goes; of an array, no more than the first object.

    None where there is none. A member whose value is cut off is left out.
    """
    text = mend(head)
    open_closers: list[bytes] = []
    cut = 0  # up to here the text is valid once `open_closers` are appended
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token[:1] == b'"':
            if not match[1]:
                break
            continue
        if token == b",":
            cut = match.start()
            continue
        if token in _CLOSERS:
            open_closers.append(_CLOSERS[token])
        elif not open_closers or open_closers.pop() != token:
            return None
        cut = match.end()
        finished = token == b"}" and all(closer == b"]" for closer in open_closers)
        if finished or not open_closers or len(open_closers) > _MAX_DEPTH:
            break
    return decode(text[:cut] + b"".join(reversed(open_closers)))[0] if cut else None
