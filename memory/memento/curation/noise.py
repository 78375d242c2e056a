"""Memories that are worth little, found by what they say and beside which others they stand.

The rules that let a memory in cannot tell that they were wrong. These look at something else: whether a text has words
of content, repeats itself, repeats what older memories say, and whether a search for its own words finds it.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from typing import Final

import apsw

from memento.memory import Memory
from memento.storage import fulltext
from memento.storage.filters import Filter
from memento_policies.lasting import content_words
from memento_policies.tool_parts import tool_parts

REPETITIVE_WORDS: Final = 40
"""So many words, and more than four of five said before in the same text, are repetitive."""
_VARIETY: Final = 0.2
_ECHO: Final = 0.8
"""So much of what a memory says stands in older ones."""
LOOKED_FOR: Final = 200
"""Memories that are looked for by their own words, spread over the store."""
FIRST: Final = 10
_RAREST: Final = 5
_SEEN: Final = 1_000
_SCANNED: Final = 8_000
_MOST_SENTENCES: Final = 40
_LEAST_SENTENCE: Final = 5
_SENTENCE: Final = re.compile(r"(?<=[.!?。！？])\s+|\n+")
_WORD: Final = re.compile(r"\w+")


def is_empty(memory: Memory) -> bool:
    """Tell whether a memory has no word of content."""
    return not content_words(memory.text[:_SCANNED])


def is_repetitive(memory: Memory) -> bool:
    """Tell whether a text says the same words over and over: progress, a table of equal lines."""
    text = memory.text[:_SCANNED]
    if memory.role == "tool":
        call, output = tool_parts(text.encode("utf-8", "replace"), "tool", "tool_call")
        text = (output or call).decode()
    words = _WORD.findall(text.lower())
    return len(words) >= REPETITIVE_WORDS and len(set(words)) < _VARIETY * len(words)


class Echoes:
    """The sentences of all memories in the order of their rows: twelve bytes each."""

    def __init__(self) -> None:
        self._hashes, self._rows, self._nums = array("q"), array("i"), array("q")

    def add(self, text: str, num: int) -> None:
        """Take in the text of a row."""
        for sentence in _sentences(text):
            self._hashes.append(hash(sentence))
            self._rows.append(len(self._nums))
        self._nums.append(num)

    def found(self) -> list[int]:
        """Return the numbers of the rows of which nearly all sentences stand in rows before them."""
        import numpy as np

        if not self._hashes:
            return []
        rows, nums = np.frombuffer(self._rows, np.int32), np.frombuffer(self._nums, np.int64)
        _, first, which = np.unique(np.frombuffer(self._hashes, np.int64), return_index=True, return_inverse=True)
        said_before = rows[first][which] < rows
        total, before = (np.bincount(rows, weights, len(nums)) for weights in (None, said_before))
        found: list[int] = nums[(total > 0) & (before >= _ECHO * total)].tolist()
        return found


def _sentences(text: str) -> Iterator[tuple[str, ...]]:
    """Yield the different sentences of a text in plain words, the short ones left out."""
    found = (tuple(_WORD.findall(one.lower())) for one in _SENTENCE.split(text[:_SCANNED])[:_MOST_SENTENCES])
    yield from dict.fromkeys(words for words in found if len(words) >= _LEAST_SENTENCE)


def is_hidden(connection: apsw.Connection, memory: Memory, num: int) -> bool:
    """Tell whether a search for a memory's own rarest words does not find it among the first: it is never recalled."""
    words = list(dict.fromkeys(_WORD.findall(memory.text[:_SEEN].lower())))
    held = fulltext.document_frequencies(connection, words)
    common = {word: min(stems.values(), default=0) for word, stems in held.items()}
    rarest = sorted((word for word in words if common[word]), key=common.__getitem__)[:_RAREST]
    return num not in fulltext.search_any(connection, {word: held[word] for word in rarest}, Filter(), FIRST)
