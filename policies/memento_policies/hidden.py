"""Characters that split a word without being seen: terminal codes, zero-width characters, soft hyphens.

A token with a colour code or a zero-width space inside is the same token to a reader. It is looked for in the text
without them, and what is found is mapped back.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache
from typing import Any, Final, NamedTuple

from memento_policies.patterns import compile_pattern

_RAW: Final = (
    rb"\x1b(?:\[[0-9;:?]{0,16}[A-Za-z]|\][^\x07\x1b]{0,64}(?:\x07|\x1b\\))"
    rb"|\xe2\x80[\x8b-\x8f\xaa-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf|\xc2\xad|\xe1\xa0\x8e|\xcd\x8f"
)
_WRITTEN: Final = (
    rb"\\+(?:u001[bB]|x1[bB]|033|e)\[[0-9;:?]{0,16}[A-Za-z]"
    rb"|\\+u(?:200[b-fB-F]|202[a-eA-E]|206[0-9a-fA-F]|[fF][eE][fF][fF]|00[aA][dD]|180[eE])"
    rb"|&(?:shy|ZeroWidthSpace|zwnj|zwj|#8203|#x200[bB]);"
)
_SIGNS: Final = (
    r"\x1b|[\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}\x{feff}\x{ad}\x{180e}\x{34f}]"
    r"|\\(?:u001[bB]|x1[bB]|033|e\[|u20[026]|u[fF][eE]|u00[aA]|u180)|&(?:shy|Zero|zw|#8203|#x200)"
)

_ASCII_SIGNS: Final = (b"\x1b", b"\\", b"&")
"""What each of `_SIGNS` begins with, where that is ASCII."""


@cache
def _signs() -> Any:
    return compile_pattern(_SIGNS)


@cache
def _inside() -> re.Pattern[bytes]:
    return re.compile(rb"(?:" + _RAW + rb"|" + _WRITTEN + rb")+")


class Bared(NamedTuple):
    """A text without what is hidden in it, and how its places map to those of the text."""

    data: bytes
    starts: list[int]
    """Where each kept piece begins in `data`."""
    origins: list[int]
    """Where it begins in the text."""

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the text that a span of `data` stands for."""
        return self._place(start), self._place(end - 1) + 1

    def _place(self, position: int) -> int:
        piece = bisect_right(self.starts, position) - 1
        return self.origins[piece] + position - self.starts[piece]


def bare(data: bytes) -> Bared | None:
    """Return the text without what is hidden inside its words; None when nothing is."""
    if data.isascii() and not any(sign in data for sign in _ASCII_SIGNS):  # a hook compiles no pattern for it then
        return None
    if not _signs().search(data):
        return None
    pieces: list[bytes] = []
    starts: list[int] = []
    origins: list[int] = []
    position = length = 0
    for match in _inside().finditer(data):
        if match.start() > position:
            pieces.append(data[position : match.start()])
            starts.append(length)
            origins.append(position)
            length += match.start() - position
        position = match.end()
    if not position:
        return None
    return Bared(b"".join((*pieces, data[position:])), [*starts, length], [*origins, position])
