"""The words of a query that carry meaning: what full-text search is asked for."""

from __future__ import annotations

import re
from typing import Final

MAX_TERMS: Final = 64
"""A pasted page is searched by its first words; more would only slow BM25 down."""

STOP_WORDS: Final = frozenset(
    (
        "a about an and any are as at be been but by can could did do does for from had has have how i if in "
        "into is it its just me my no not of on or our ours she he so some than that the their them then "
        "there these they this those to us was we were what when where which who whom whose why will with "
        "would you your "
    ).split()
)
"""Dropping them raised recall@5 of BM25 from 50.5 to 55.8 on a public benchmark (docs/recall.md)."""

_WORD: Final = re.compile(r"\w+(?:['’.+#-]\w+)*[+#]*")


def terms(query: str) -> list[str]:
    """Return the query's words in order, once each, without stop words; all of them where nothing else is left."""
    words = list(dict.fromkeys(match[0].lower() for match in _WORD.finditer(query)))
    content = [word for word in words if word not in STOP_WORDS]
    return (content or words)[:MAX_TERMS]
