"""The words of a query that carry meaning: what full-text search is asked for."""

from __future__ import annotations

import re
from typing import Final

from memento.base.stop_words import STOP_WORDS

MAX_TERMS: Final = 64
"""A pasted page is searched by its first words; more would only slow BM25 down."""

_WORD: Final = re.compile(r"\w+(?:['’.+#-]\w+)*[+#]*")


def terms(query: str) -> list[str]:
    """Return the query's words in order, once each, without stop words; all of them where nothing else is left."""
    words = list(dict.fromkeys(match[0].lower() for match in _WORD.finditer(query)))
    content = [word for word in words if word not in STOP_WORDS]
    return (content or words)[:MAX_TERMS]
