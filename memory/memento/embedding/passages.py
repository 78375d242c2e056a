"""Tokenising, and cutting a long text into chunks that fit the model's window.

Invariant: the chunks' spans tile the text, and the chunks' tokens are the text's tokens: nothing is dropped, and each
chunk tokenised alone gives the same ids again, because a cut never falls into a word.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from memento.embedding.model_files import PUBLISHED, Recipe
from memento.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SENTENCE_END = re.compile(r"[.!?…]+[\"'»”’)\]]*\s+|[。！？]+[」』”’）]*\s*|\n\s*\n\s*")
LINE_END = re.compile(r"\n\s*")
SEGMENT_BYTES: Final = 4_000
"""UTF-8 bytes of a segment: about four chunks of English, a quarter of a second on a slow core."""
_BOUNDARIES: Final = (SENTENCE_END, LINE_END, re.compile(r"\s+"))


class Chunk(NamedTuple):
    """A part of a text that fits the model's window."""

    start: int
    end: int
    ids: list[int]
    """Token ids with the prompt and the special tokens (`[CLS]`, `[SEP]`), at most the model's window."""
    first: int
    """Index of the text's first token, after the prompt."""


class Chunker:
    """The model's tokenizer, and the cutting of texts into chunks."""

    def __init__(self, tokenizer_file: Path, recipe: Recipe = PUBLISHED) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer: Tokenizer = Tokenizer.from_file(str(tokenizer_file))
        except Exception as error:  # The library raises bare Exception.
            raise ModelError(f"{tokenizer_file} cannot be read ({error}): run `memento model pull`") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        # "[SEP]" in a text is five characters somebody wrote, not the end of a segment.
        self._tokenizer.encode_special_tokens = True
        self._window = recipe.max_tokens
        self._special = _special_tokens(self._tokenizer)

    def chunks(self, text: str, prompt: str = "") -> list[Chunk]:
        """Return the chunks of `text` in order: one if it fits, else cut after sentences, else lines, else words.

        Every chunk's ids begin with the prompt's.
        """
        text = replace_surrogates(text)
        before, after = self._special
        if prompt:
            before = [*before, *self._tokenizer.encode(prompt, add_special_tokens=False).ids]
        room = max(1, self._window - len(before) - len(after))
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        ids = encoding.ids
        if len(ids) <= room:
            return [Chunk(0, len(text), [*before, *ids, *after], len(before))]
        words = _word_starts(encoding.word_ids)
        starts = [start for start, _ in encoding.offsets]
        cuts = [0, *_cuts(text, starts, words, room), len(ids)]
        spans = [0, *(starts[cut] for cut in cuts[1:-1]), len(text)]
        parts = (ids[begin:end] for begin, end in pairwise(cuts))
        return [
            Chunk(*span, [*before, *part, *after], len(before))
            for span, part in zip(pairwise(spans), parts, strict=True)
        ]

    def token_of(self, number: int) -> str | None:
        """Return the vocabulary's token with this id."""
        return self._tokenizer.id_to_token(number)


def segment_end(text: str, start: int, size: int = SEGMENT_BYTES) -> int:
    """Return where the segment of `text` that begins at `start` ends: at most `size` UTF-8 bytes on.

    A long text is embedded segment by segment, so that no call of the model takes longer than one. A segment ends
    after a sentence where one ends in its second half, else after a line, else after a word. Tokenising the whole text
    first would take seconds for a few megabytes.
    """
    window = text[start : start + size]
    if len(window) * 4 > size:
        window = window.encode(errors="replace")[:size].decode(errors="ignore")
    return start + (_last_boundary(window) if start + len(window) < len(text) else len(window))


def _last_boundary(window: str) -> int:
    """Return where to cut a window: its last boundary of the best kind, or its end."""
    half = len(window) // 2
    for pattern in _BOUNDARIES:
        if ends := [match.end() for match in pattern.finditer(window, half)]:
            return ends[-1]
    return len(window)


def replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which the tokenizer refuses; the length stays, so offsets stay valid."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def _special_tokens(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Return the ids that the tokenizer puts before and after a text."""
    plain, framed = (tokenizer.encode("a", add_special_tokens=special).ids for special in (False, True))
    begin = next(at for at in range(len(framed)) if framed[at : at + len(plain)] == plain)
    return framed[:begin], framed[begin + len(plain) :]


def _word_starts(word_ids: list[int | None]) -> list[int]:
    """Return the indices of the tokens that begin a word (or a punctuation mark, or a CJK character)."""
    return [index for index, word in enumerate(word_ids) if index == 0 or word != word_ids[index - 1]]


def _cuts(text: str, starts: list[int], words: list[int], room: int) -> Iterator[int]:
    """Yield the token indices at which a new chunk begins, each as late as the window and the best boundary allow.

    WordPiece makes one token of a word of more than 100; where a tokenizer does not, a window without a word's
    beginning is cut at its end.
    """
    boundaries = [_token_indices(pattern, text, starts, words) for pattern in (SENTENCE_END, LINE_END)]
    begin = 0
    while len(starts) - begin > room:
        limit = begin + room
        found = (cut for places in (*boundaries, words) if (cut := _last_up_to(places, limit)) > begin)
        begin = next(found, limit)
        yield begin


def _token_indices(pattern: re.Pattern[str], text: str, starts: list[int], words: list[int]) -> list[int]:
    """Return the words that are the first to begin at or after a match's end."""
    word_offsets = [starts[word] for word in words]
    found = (bisect_right(word_offsets, match.end() - 1) for match in pattern.finditer(text))
    return [words[place] for place in found if place < len(words)]


def _last_up_to(places: list[int], limit: int) -> int:
    """Return the last of the sorted `places` that is not above `limit`, or -1."""
    place = bisect_right(places, limit)
    return places[place - 1] if place else -1
