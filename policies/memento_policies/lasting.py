"""What somebody says that holds beyond the task at hand: a choice, a rule, a wish; not what to do next.

A message is tagged for what it holds somewhere: "ok, let's keep going" sounds like a decision, and "remember the file I
showed you" like a request to remember. What becomes knowledge needs a sentence of content that says something lasting.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from memento_policies.own_words import own_words
from memento_policies.patterns import PatternSet
from memento_policies.words import plain

LEAST_WORDS: Final = 1
"""Words that say something by themselves that a sentence must have."""
_SCANNED: Final = 4_000
_SENTENCE: Final = re.compile(r"(?<=[.!?。！？;])\s+|(?<=[。！？])|\n+|\s+-\s+")
_WORD: Final = re.compile(r"[^\W\d_][\w.+#'/-]*|[^\x00-\x7f]")
_EMPTY: Final = frozenset(
    "a about actually again ahead all alright also am an and any anything are as at be been but by can continue could "
    "do does doing done else everything feel fine first for from get go going good got great had has have he her here "
    "him his how i if in into is it it's its just keep last later let let's lets like look make maybe me more move "
    "much my next no not now of off ok okay on one only or our out over please pls proceed really right same see she "
    "should so some something start still stuff sure than thanks that that's the their them then there these they "
    "thing things think this those to too try up us very want was way we well were what when where which who why will "
    "with would yeah yep yes you your".split()
)


class Lasting:
    """The patterns of `retention.yaml` that tell what lasts, and what is for the moment."""

    def __init__(self, lasting: Sequence[str], momentary: Sequence[str]) -> None:
        self._lasting, self._momentary = (
            PatternSet([f"(?im){pattern}" for pattern in patterns]) for patterns in (lasting, momentary)
        )

    def holds(self, text: str) -> bool:
        """Tell whether a sentence of a text, outside of what it quotes, says something that lasts."""
        return any(self._says(sentence.strip()) for sentence in _SENTENCE.split(own_words(text[:_SCANNED])))

    def _says(self, sentence: str) -> bool:
        if not sentence or sentence.endswith(("?", "？")) or content_words(sentence) < LEAST_WORDS:
            return False
        data = plain(sentence).encode("utf-8", "replace")
        return bool(self._lasting.matches(data)) and not self._momentary.matches(data)


def content_words(text: str) -> int:
    """Return how many different words of a text say something by themselves."""
    return len({word for word in _WORD.findall(plain(text)) if word not in _EMPTY})
