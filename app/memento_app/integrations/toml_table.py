"""Put a table into the text of a TOML file, or take it out; everything else keeps its bytes.

Python reads TOML and does not write it (tomllib, PEP 680), so the text is edited and then read again: an edit whose
result does not say exactly what was meant raises ValueError.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final

_HEADER: Final = re.compile(r"^[ \t]*\[")


def put(text: str, path: tuple[str, str], values: Mapping[str, str | list[str]]) -> str:
    """Return the text with these keys in the table `[path]`, which is added at the end if there is none.

    Raises ValueError, also for text that is not TOML.
    """
    parent, name = path
    old = tomllib.loads(text)
    tables = old.get(parent, {})
    is_table = isinstance(tables, dict) and isinstance(tables.get(name, {}), dict)
    if not is_table:
        raise ValueError(f"`{parent}.{name}` is not a table")
    lines = {key: f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()}
    newline = "\r\n" if "\r\n" in text else "\n"
    if name in tables:
        new = _replaced(text, path, lines)
    else:
        before = text + newline * (bool(text) and not text.endswith("\n")) + newline * bool(text.strip())
        new = before + newline.join([f"[{parent}.{name}]", *lines.values()]) + newline
    return _checked(new, {**old, parent: {**tables, name: {**tables.get(name, {}), **values}}})


def drop(text: str, path: tuple[str, str]) -> str:
    """Return the text without the table `[path]` and those below it, and without the blank line before it.

    Raises ValueError.
    """
    parent, name = path
    old = tomllib.loads(text)
    tables = old.get(parent)
    if not isinstance(tables, dict) or name not in tables:
        return text
    kept: list[str] = []
    lines = text.splitlines(keepends=True)
    at = 0
    while at < len(lines):
        if not _is_header(lines[at], path, and_below=True):
            kept.append(lines[at])
            at += 1
            continue
        end = _end(lines, at)
        if kept and not kept[-1].strip():
            kept.pop()
        at = end
    rest = {key: value for key, value in tables.items() if key != name}
    return _checked("".join(kept), {**old, parent: rest})


def _replaced(text: str, path: tuple[str, str], values: Mapping[str, str]) -> str:
    """Return the text with the lines of these keys changed where they stand in the table, or added after its header."""
    lines = text.splitlines(keepends=True)
    start = next((at for at, line in enumerate(lines) if _is_header(line, path)), None)
    if start is None:
        raise ValueError(f"`{'.'.join(path)}` is not written as a table `[{'.'.join(path)}]`")
    newline = "\r\n" if lines[start].endswith("\r\n") else "\n"
    left = dict(values)
    for at in range(start + 1, _end(lines, start)):
        found = re.match(r"[ \t]*([A-Za-z0-9_-]+)[ \t]*=", lines[at])
        if found and found[1] in left:
            lines[at] = left.pop(found[1]) + newline
    lines[start] = lines[start].rstrip("\r\n") + newline + "".join(one + newline for one in left.values())
    return "".join(lines)


def _is_header(line: str, path: tuple[str, str], *, and_below: bool = False) -> bool:
    """Tell whether a line is the header of a table, or of one below it."""
    keys = r"[ \t]*\.[ \t]*".join(f"[\"']?{re.escape(key)}[\"']?" for key in path)
    below = r"(?:\..*)?" if and_below else ""
    return bool(re.match(rf"[ \t]*\[[ \t]*{keys}[ \t]*{below}\][ \t]*(?:#.*)?$", line.rstrip("\r\n")))


def _end(lines: list[str], header: int) -> int:
    """Return where a table ends: at the next header and the comments and blank lines that lead up to it."""
    end = next((at for at in range(header + 1, len(lines)) if _HEADER.match(lines[at])), len(lines))
    while end > header + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return end


def _checked(text: str, meant: Mapping[str, Any]) -> str:
    """Return the text if it says what is meant; a parent table that is empty counts as none."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"its layout cannot be edited safely: {error}") from None
    if _comparable(said) != _comparable(meant):
        raise ValueError("its layout cannot be edited safely")
    return text


def _comparable(value: Mapping[str, Any]) -> str:
    return json.dumps({key: one for key, one in value.items() if one != {}}, sort_keys=True, default=repr)
