"""Memories that Memento rendered into a prompt must not come back as new memories."""

from __future__ import annotations

_OPEN = "<memento-recall"
_CLOSE = "</memento-recall>"


def strip_recall(text: str) -> str:
    """Return the text without the `<memento-recall ...>...</memento-recall>` blocks in it.

    A block that was cut off before its end runs to the end of the text, but only if it begins a line: a person who
    merely writes about the marker loses nothing.
    """
    if _OPEN not in text:
        return text
    kept: list[str] = []
    position = 0
    while (start := text.find(_OPEN, position)) >= 0:
        end = text.find(_CLOSE, start)
        if end < 0 and text[:start].rpartition("\n")[2].strip():
            break
        kept.append(text[position:start])
        position = len(text) if end < 0 else end + len(_CLOSE)
    kept.append(text[position:])
    return "".join(kept).strip()
