"""What the turns before a message tell about it: an answer is worth more than a remark."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from memento_policies.words import distinct, plain

_MOST_TURNS: Final = 8
REMEMBERED: Final = 12
"""Turns whose words count as said before."""
_SCANNED: Final = 4000
"""Characters of the previous turn that count."""
_QUESTION_FOR: Final = re.compile(r"\b(?:what|which|where|who|when|how (?:long|many|much|old|often))(?:'s)?\b[^.!?]*\?")


@dataclass(frozen=True, slots=True)
class Before:
    """The turns of the same session before a message. The default is the start of a session."""

    turns: int = 0
    """How many there were, at most eight."""
    speaker: str = ""
    """Who said the last one."""
    recent: tuple[frozenset[str], ...] = ()
    """The words of the last dozen, the last one first."""
    asked: bool = False
    """The last one ended with a question."""
    asking: bool = False
    """There was a question somewhere in the last one."""
    asked_for: bool = False
    """It asked what, which, where, who, when, or how many."""


OPENING: Final = Before()


def after(before: Before, text: str, speaker: str = "") -> Before:
    """Return what a turn leaves for the next one of its session. A pure function."""
    said = plain(text[-_SCANNED:])
    return Before(
        turns=min(before.turns + 1, _MOST_TURNS),
        speaker=speaker,
        recent=(frozenset(distinct(said)), *before.recent[: REMEMBERED - 1]),
        asked=said.rstrip().endswith("?"),
        asking="?" in said,
        asked_for=_QUESTION_FOR.search(said) is not None,
    )
