"""The words of a query that carry meaning: what full-text search is asked for."""

from __future__ import annotations

from typing import Final

from memento.base.stop_words import STOP_WORDS
from memento.base.subwords import words

MAX_TERMS: Final = 64
"""A pasted page is searched by its first words; more would only slow BM25 down."""


def terms(query: str) -> list[str]:
    """Return the query's words in order, once each, without stop words; all of them where nothing else is left."""
    found = words(query)
    content = [word for word in found if word not in STOP_WORDS]
    return (content or found)[:MAX_TERMS]
