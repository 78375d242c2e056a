"""Token codes, which late interaction compares (search/ranking/late.py).

The model computes a vector of every token before the text's. The signs of each word's vector are stored beside the
memory's vector, one bit per dimension: 48 bytes for all-MiniLM-L6-v2, without another call of the model.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from memento.base.stop_words import STOP_WORDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from memento.embedding.passages import Chunk

MAX_CODES: Final = 64
"""Maximum codes per text, each word once (about 100 words of English). Twice as many did not improve recall."""
_MARKS: Final = ("##", "▁", "Ġ")
"""Prefixes that tokenizers add to a word or a part of one."""


class WordTokens:
    """Tells which tokens of a vocabulary are words. `token_of` maps an id to its token."""

    def __init__(self, token_of: Callable[[int], str | None]) -> None:
        self._token_of = token_of
        self._known: dict[int, bool] = {}

    def places(self, chunks: Sequence[Chunk]) -> list[list[int]]:
        """Return for each chunk of a text the indexes of its words: the text's first MAX_CODES, each once."""
        known: set[int] = set()
        found: list[list[int]] = []
        for chunk in chunks:
            own: list[int] = []
            for place in range(chunk.first, len(chunk.ids)):
                token = chunk.ids[place]
                if token not in known and len(known) < MAX_CODES and self._is_word(token):
                    known.add(token)
                    own.append(place)
            found.append(own)
        return found

    def _is_word(self, token: int) -> bool:
        if token not in self._known:
            self._known[token] = is_word(self._token_of(token) or "")
        return self._known[token]


def is_word(token: str) -> bool:
    """Tell whether a token of a vocabulary is a word that carries meaning, or a part of one."""
    for mark in _MARKS:
        if token.startswith(mark):
            token = token.removeprefix(mark)
            break
    word = token.lower()
    letter = len(word) == 1 and word.isascii() and not word.isdigit()
    return bool(word) and not letter and word not in STOP_WORDS and all(map(_is_letter, word))


def _is_letter(character: str) -> bool:
    """Tell whether it is a letter, a digit, or a combining mark, as for vowels in Devanagari."""
    return unicodedata.category(character)[0] in "LMN"


def pack_signs(vectors: NDArray[np.float32]) -> bytes:
    """Return the signs of vectors (tokens, dimensions): whole bytes for each row, as numpy.packbits orders the bits."""
    import numpy as np

    return np.packbits(vectors > 0, axis=1).tobytes()
