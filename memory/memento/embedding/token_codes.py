"""The codes of a text's words in their context: what late interaction compares (search/ranking/late.py).

The model makes a vector of every token before it makes one of the text. Of each word's vector the signs are kept, a bit
per dimension: 48 bytes for all-MiniLM-L6-v2. The memory keeps them beside its vector, at no further call of the model.
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
"""Of one text, each word once: of about 100 words of English. With twice as many, long texts were found no better."""
_MARKS: Final = ("##", "▁", "Ġ")
"""What tokenizers put before a word, or before a part of one."""


class WordTokens:
    """Which tokens of a vocabulary are words. `token_of` is the tokenizer's: an id to its token."""

    def __init__(self, token_of: Callable[[int], str | None]) -> None:
        self._token_of = token_of
        self._known: dict[int, bool] = {}

    def places(self, chunks: Sequence[Chunk]) -> list[list[int]]:
        """Return for each chunk of a text the places of its words; of the text, the first MAX_CODES, each once."""
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
    """Tell whether it is a letter, a digit, or a letter's mark: Devanagari writes vowels so."""
    return unicodedata.category(character)[0] in "LMN"


def pack_signs(vectors: NDArray[np.float32]) -> bytes:
    """Return the signs of vectors (tokens, dimensions): whole bytes for each row, as numpy.packbits orders the bits."""
    import numpy as np

    return np.packbits(vectors > 0, axis=1).tobytes()
