"""The two encodings of a text under judgement: always valid UTF-8, never a NUL."""

from __future__ import annotations

_REPLACEMENT = "\ufffd"


def encode(text: str) -> tuple[str, bytes]:
    """Return the text and its UTF-8 bytes, both with NULs and lone surrogates replaced by U+FFFD.

    A surrogate pair that a broken JSON escape left as two code units becomes the character it stands for.
    """
    if "\0" in text:
        text = text.replace("\0", _REPLACEMENT)
    try:
        return text, text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text, text.encode()


def head_and_tail(data: bytes, head: int, tail: int) -> bytes:
    """Return what is scanned for features: all of a text up to `head + tail` bytes, else its two ends."""
    if len(data) <= head + tail:
        return data
    return data[:head] + b"\n" + data[-tail:]
