"""What was said before a message tells about it: an answer is worth more than a remark, news more than the known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from memento_policies.words import read

EARLIER: Final = 96
"""So many turns at least, and at most twice as many, have words that count as said before."""
_BUNDLE: Final = 16
_SCANNED: Final = 4000
"""Characters of the previous turn that count."""
_QUESTION_FOR: Final = re.compile(r"\b(?:what|which|where|who|when|how (?:long|many|much|old|often))(?:'s)?\b[^.!?]*\?")

_NONE: Final[frozenset[str]] = frozenset()
Said = tuple[frozenset[str], frozenset[str], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Before:
    """What was said before a message, in its session and earlier by those who talk. The default is nothing."""

    known: bool = True
    turns: int = 0
    """How many there were in the session."""
    speaker: str = ""
    """Who said the last one."""
    words: int = 0
    """How many different words the last one had."""
    said: Said = (_NONE, _NONE, _NONE)
    """The words of the last turns: of at most 16, of at most 96 before them, and of 96 before those."""
    asked: bool = False
    """The last one ended with a question."""
    asking: bool = False
    """There was a question somewhere in the last one."""
    asked_for: bool = False
    """It asked what, which, where, who, when, or how many."""


OPENING: Final = Before()
"""The start of a session of people who have not met."""
UNKNOWN: Final = Before(known=False, turns=8, words=20)
"""A turn somewhere in a conversation."""


def after(before: Before, text: str, speaker: str = "") -> Before:
    """Return what a turn leaves for the next one of its session. A pure function."""
    said, _, words = read(text[-_SCANNED:])
    last, earlier, earliest = before.said
    if before.turns % _BUNDLE == 0:
        earlier, last = earlier | last, _NONE
    if before.turns and before.turns % EARLIER == 0:
        earlier, earliest = _NONE, earlier
    return Before(
        turns=before.turns + 1,
        speaker=speaker,
        words=len(words),
        said=(last | words, earlier, earliest),
        asked=said.rstrip().endswith("?"),
        asking="?" in said,
        asked_for="?" in said and _QUESTION_FOR.search(said) is not None,
    )


def joined(before: Before, texts: Sequence[str]) -> Before:
    """Return the same with one more who talks, and who said these texts earlier: EARLIER of them, at most."""
    last, earlier, earliest = before.said
    return replace(before, said=(last, earlier, earliest | read("\n".join([text[-_SCANNED:] for text in texts])).words))
