"""A tool call and its result as one text: `Bash: git status`, then an arrow and the output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from memento_ingest.jsonl import decode

MAX_INPUT: Final = 2_000
"""Characters of a call's input that are kept."""
MAX_OUTPUT: Final = 16_000
"""Characters of a result that are kept, from its head and its tail."""

# The arguments that say what a call is about; the rest (a file's new content, flags) is left out.
_TELLING: Final = (
    "command cmd file_path filePath absolute_path path target_file pattern glob_pattern query url prompt description"
).split()
_SEAM: Final = 512
_SEAMS: Final = "\n \"',;"


def pair_text(name: str, given: str, output: str) -> str:
    """Return call and result as one text; what is not known is left out."""
    call = f"{name}: {given}" if name and given else name or given
    return f"{call}\n→ {output}".lstrip() if output else call


def given_text(arguments: object) -> str:
    """Return the telling part of a call's arguments, at most about `MAX_INPUT` characters.

    `arguments` is a decoded JSON value or the text of one, as the model wrote it; other text is kept as it is.
    """
    if isinstance(arguments, str):
        if arguments.lstrip()[:1] != "{":
            return cut(arguments.strip(), MAX_INPUT)
        value, defect = decode(arguments.encode("utf-8", "replace"))
        return cut(arguments.strip(), MAX_INPUT) if defect else given_text(value)
    if isinstance(arguments, Mapping):
        if text := " ".join(part for name in _TELLING if (part := _argument(arguments.get(name)))):
            return cut(text, MAX_INPUT)
        if not arguments:
            return ""
    if arguments is None:
        return ""
    try:
        return cut(json.dumps(arguments, ensure_ascii=False), MAX_INPUT)
    except (ValueError, RecursionError):
        return ""


def _argument(value: object) -> str:
    """Return an argument's text; a command as a list of words loses the shell it is handed to."""
    if isinstance(value, list):
        words = [word for word in value if isinstance(word, str)]
        if len(words) == 3 and words[1] in ("-c", "-lc"):
            words = words[2:]
        return " ".join(words)
    return value.strip() if isinstance(value, str) else ""


def cut(text: str, limit: int) -> str:
    """Return the text, or three quarters of `limit` from its head and the rest from its tail, saying what is missing.

    Neither seam lies inside a word: a secret cut in two would be past recognition.
    """
    if len(text) <= limit:
        return text
    head = limit * 3 // 4
    tail = seam_after(text, len(text) - (limit - head))
    head = seam_before(text, head)
    more = "more than " if "bytes left out]" in text[head:tail] else ""  # the line itself was cut before
    return f"{text[:head]}\n… [{more}{tail - head:,} characters left out] …\n{text[tail:].lstrip()}"


def seam_before(text: str, place: int) -> int:
    """Return the last place up to `place` where a text can be cut: line end, space, mark; else far enough back."""
    for mark in _SEAMS:
        found = text.rfind(mark, max(0, place - _SEAM), place)
        if found >= 0:
            return found
    return max(0, place - _SEAM)


def seam_after(text: str, place: int) -> int:
    """Return the first place from `place` on where a text can be cut; else far enough on."""
    for mark in _SEAMS:
        found = text.find(mark, place, place + _SEAM)
        if found >= 0:
            return found
    return min(len(text), place + _SEAM)
