"""Escaping of text that acts on a terminal, hides from a reader, or looks like something else.

All output passes here: printed and logged text is escaped (visible, nothing lost), JSON gets JSON escapes (the same
value when read), and text for an agent is stripped (it must not decode what no person sees). Joiners, variation
selectors and flag tags stay only where a script or an emoji needs them.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Final

_CONTROLS: Final = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
"""C0 except tab and newline, DEL, C1."""
_INVISIBLE: Final = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff"
)
"""What Unicode calls default-ignorable, and line separators: bidi controls, zero widths, fillers, selectors, tags."""
_SURROGATES: Final = r"\ud800-\udfff"

_EMOJI: Final = (
    r"[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u27bf\u2934\u2935\u2b00-\u2bff\u3030\u303d\u3297"
    r"\u3299\U0001f000-\U0001faff]"
)
_JOINING: Final = (
    r"[\u0600-\u0605\u0620-\u07ff\u0840-\u0dff\u0e80-\u10ff\u1780-\u17b3\u17b6-\u180a\u1820-\u1cff\ua840-\uabff]"
)
"""Letters and marks of the scripts in which a joiner changes what is written: Arabic, Indic, Khmer, Mongolian, ..."""
_FLAGS: Final = "|".join(
    "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in region) + "\U000e007f"
    for region in ("gbeng", "gbsct", "gbwls")
)
"""The flags of England, Scotland and Wales: the sequences of tags that Unicode recommends."""
_LEGITIMATE: Final = (
    f"{_FLAGS}"
    rf"|(?<={_EMOJI})[\ufe0e\ufe0f]\u200d(?={_EMOJI})|(?<={_EMOJI})[\ufe0e\ufe0f]|(?<={_EMOJI})\u200d(?={_EMOJI})|(?<=[#*0-9])\ufe0f(?=\u20e3)"
    rf"|(?<={_JOINING})[\u200c\u200d]|(?<=[\u1820-\u18aa])[\u180b-\u180f]"
)

_PRINTABLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0").union(
    map(chr, range(0xFE00, 0xFE10))
)
"""Invisible characters below the tags that Python considers printable."""
_TAGS: Final = "\U000e0000"
_MARKUP: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_BREAKS: Final = str.maketrans({"\n": "\\n", "\t": "\\t"})


def escape(text: str) -> str:
    """Return the text with unsafe characters as visible escapes such as `\\x1b`; newlines and tabs stay."""
    return text if _is_plain(text) else _unsafe().sub(_visible, text)


def escape_line(text: str) -> str:
    """Return the text as `escape` does, on one line, so that a newline in a file's name starts no new line."""
    return escape(text).translate(_BREAKS)


def escape_json(encoded: str) -> str:
    """Return equivalent JSON with unsafe characters as JSON escapes."""
    return encoded if _is_plain(encoded) else _unsafe().sub(_json_escape, encoded)


def strip(text: str) -> str:
    """Return the text without unsafe characters; newlines and tabs stay."""
    return text if _is_plain(text) else _unsafe().sub(_legitimate, text)


def quoted(text: str, most: int, characters: int | None = None) -> str:
    """Return the text as a JSON string on one line, of at most `most` characters, for a block of quoted data.

    It holds as many of the text's first `characters` as fit, without unsafe characters and with `<`, `>` and `&`
    escaped, which could end the block or begin a tag.
    """
    visible = " ".join(strip(text).split())[:characters]
    while True:
        encoded = json.dumps(visible, ensure_ascii=False).translate(_MARKUP)
        if len(encoded) <= most:
            return encoded
        visible = visible[: len(visible) * most // len(encoded)]


@cache
def _unsafe() -> re.Pattern[str]:
    """Return the pattern of unsafe characters; group 1 matches legitimate ones. Compiled on first use (2 ms)."""
    return re.compile(f"({_LEGITIMATE})|[{_CONTROLS}{_INVISIBLE}{_SURROGATES}]")


def _is_plain(text: str) -> bool:
    """Tell whether the text is certainly safe, which holds for most texts and needs no pattern."""
    if not text.replace("\n", "").replace("\t", "").isprintable():
        return False
    return text.isascii() or (_PRINTABLE.isdisjoint(text) and max(text) < _TAGS)


def _visible(match: re.Match[str]) -> str:
    if match[1]:
        return match[1]
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(match: re.Match[str]) -> str:
    if match[1]:
        return match[1]
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _legitimate(match: re.Match[str]) -> str:
    return match[1] or ""
