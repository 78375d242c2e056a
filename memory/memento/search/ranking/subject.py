"""What a question for an order is about, without the words that say how it is to be answered.

"Can you list, in order, the steps of my move throughout our conversations?" is about my move. The rest is in every such
question and in no answer: embedded with it, the subject hardly counts. Questions for a summary gain nothing by it.
"""

from __future__ import annotations

import re
from typing import Final

_ORDER: Final = re.compile(
    r"\b(?:order|sequence)\s+in\s+which\b|\bin\s+(?:what|which)\s+order\b"
    r"|\bin\s+(?:chronological\s+|the\s+)?order\b(?!\s+to\b)|\bchronologically\b",
    re.IGNORECASE,
)
_HOW_TO_ANSWER: Final = re.compile(
    r"\(?\s*\bmention\b[^.?)]*\bitems?\b\s*\)?"
    r"|\b(?:(?:can|could|would|will)\s+you\s+)?(?:please\s+)?"
    r"(?:list|walk\s+me\s+through|give\s+me|tell\s+me|show\s+me|describe|outline|recall)\s+"
    r"(?:the\s+|what\s+)?(?:order|sequence)\s+in\s+which\s+(?:I|we|you)\s+(?:\w+\s+up\b|\w+)"
    r"|\bin\s+(?:what|which)\s+order\s+(?:did|have|had)\s+(?:I|we|you)\s+(?:\w+\s+up\b|\w+)"
    r"|\b(?:(?:different|various|several|main|all\s+the)\s+)?"
    r"(?:aspects|topics|concepts|steps|points|parts|stages)\s+(?:of|related\s+to|about|for|in)\b"
    r"|\b(?:throughout|across|in|during|over|through)\s+(?:all\s+)?(?:of\s+)?(?:our|my)\s+(?:\w+\s+)?"
    r"(?:conversations?|chats?|discussions?|sessions?|messages)\b"
    r"|,?\s*\b(?:in\s+(?:chronological\s+|the\s+)?order|chronologically)\b(?!\s+to\b)",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"\w+")


def asks_for_order(text: str) -> bool:
    """Tell whether a question asks in which order things happened."""
    return bool(_ORDER.search(text))


def about(text: str) -> str:
    """Return what a question for an order is about.

    Any other text is returned as it is, and so is one that would be left with fewer than two words.
    """
    if not asks_for_order(text):
        return text
    flat = " ".join(text.split())  # a run of white space costs the pattern its square
    left = " ".join(_HOW_TO_ANSWER.sub(" ", flat).split()).strip(" ,.;:?!")
    return left if len(_WORD.findall(left)) > 1 else text
