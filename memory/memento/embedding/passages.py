"""Tokenising, and cutting a long text into chunks that fit the model's window.

Invariant: the chunks' spans tile the text, and the chunks' tokens are the text's tokens: nothing is dropped, and each
chunk tokenised alone gives the same ids again, because a cut never falls into a word.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from memento.embedding.model_files import MAX_TOKENS
from memento.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CLS, SEP = 101, 102
CONTENT_TOKENS = MAX_TOKENS - 2

SENTENCE_END = re.compile(r"[.!?…]+[\"'»”’)\]]*\s+|[。！？]+[」』”’）]*\s*|\n\s*\n\s*")
LINE_END = re.compile(r"\n\s*")


class Chunk(NamedTuple):
    """A part of a text that fits the model's window."""

    start: int
    end: int
    ids: list[int]
    """Token ids with `[CLS]` and `[SEP]`, at most MAX_TOKENS."""


class Chunker:
    """The model's tokenizer, and where it cuts."""

    def __init__(self, tokenizer_file: Path) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer: Tokenizer = Tokenizer.from_file(str(tokenizer_file))
        except Exception as error:  # The library raises bare Exception.
            raise ModelError(f"{tokenizer_file} cannot be read ({error}): run `memento model pull`") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        # "[SEP]" in a text is five characters somebody wrote, not the end of a segment.
        self._tokenizer.encode_special_tokens = True

    def chunks(self, text: str) -> list[Chunk]:
        """Return the chunks of `text` in order: one if it fits, else cut after sentences, else lines, else words."""
        text = encodable(text)
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        ids = encoding.ids
        if len(ids) <= CONTENT_TOKENS:
            return [Chunk(0, len(text), [CLS, *ids, SEP])]
        words = _word_starts(encoding.word_ids)
        starts = [start for start, _ in encoding.offsets]
        cuts = [0, *_cuts(text, starts, words), len(ids)]
        spans = [0, *(starts[cut] for cut in cuts[1:-1]), len(text)]
        return [Chunk(spans[n], spans[n + 1], [CLS, *ids[cuts[n] : cuts[n + 1]], SEP]) for n in range(len(cuts) - 1)]


def encodable(text: str) -> str:
    """Replace lone surrogates, which the tokenizer refuses; the length stays, so offsets stay valid."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def _word_starts(word_ids: list[int | None]) -> list[int]:
    """Return the indices of the tokens that begin a word (or a punctuation mark, or a CJK character)."""
    return [index for index, word in enumerate(word_ids) if index == 0 or word != word_ids[index - 1]]


def _cuts(text: str, starts: list[int], words: list[int]) -> Iterator[int]:
    """Yield the token indices at which a new chunk begins, each as late as the window and the best boundary allow.

    A word has at most 100 tokens (longer ones are `[UNK]`, one token), so every window holds a word's beginning.
    """
    boundaries = [_token_indices(pattern, text, starts, words) for pattern in (SENTENCE_END, LINE_END)]
    begin = 0
    while len(starts) - begin > CONTENT_TOKENS:
        limit = begin + CONTENT_TOKENS
        begin = next(cut for places in (*boundaries, words) if (cut := _last_up_to(places, limit)) > begin)
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
