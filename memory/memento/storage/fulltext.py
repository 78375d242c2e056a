"""Search by words: FTS5 and its BM25. No SQL of the user's ever reaches the matcher: every term is quoted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import apsw

from memento.storage.filters import Filter, quote, where

TOKENIZER: Final = ("porter", ["unicode61", "remove_diacritics", "2"])
"""As memories_fts was declared; see migrations.py."""

POSTINGS: Final = 10_000
"""Occurrences that one query scores: about 5 ms. Below it, every word counts and BM25 is exact."""


def bm25(connection: apsw.Connection, terms: Sequence[str], filter_: Filter, limit: int) -> dict[int, float]:
    """Return {row number: BM25} of the best `limit` memories that hold any of the terms; higher is better.

    Terms are matched after the tokenizer's own stemming.
    """
    if not terms:
        return {}
    condition, parameters = where(filter_)
    match = " OR ".join(quote(term) for term in terms)
    joined = "" if condition == "TRUE" else f"JOIN memories ON memories.num = memories_fts.rowid AND {condition}"
    sql = (
        f"SELECT memories_fts.rowid, -bm25(memories_fts, 1.0, 0.5, 0.5) AS score FROM memories_fts {joined} "
        "WHERE memories_fts MATCH ? ORDER BY score DESC LIMIT ?"
    )
    bound: list[Any] = [*parameters, match, limit]
    return dict(connection.execute(sql, bound))


Holding = Mapping[str, Mapping[str, int]]
"""Words, in their order: the stems of each, and how many memories hold each stem."""


def holding(connection: apsw.Connection, words: Sequence[str]) -> Holding:
    """Count the memories that hold each word's stems."""
    stemmed = stemmer(connection)
    found: dict[str, int] = {}
    for stem in (stem for word in words for stem in stemmed(word)):
        if stem not in found:
            found[stem] = connection.execute("SELECT doc FROM memories_vocabulary WHERE term = ?", (stem,)).get or 0
    return {word: {stem: found[stem] for stem in stemmed(word)} for word in words}


def selective(holding: Holding, postings: int = POSTINGS) -> list[str]:
    """Return the words to search for, the rarest first, as many as `postings` occurrences allow; at least one.

    What a common word adds to BM25 is little, and what it costs grows with the store. Words that occur nowhere are left
    out.
    """
    at_most = {word: min(stems.values(), default=0) for word, stems in holding.items()}
    chosen: list[str] = []
    total = 0
    for word in sorted(at_most, key=at_most.__getitem__):
        total += at_most[word]
        if chosen and total > postings:
            break
        if at_most[word]:
            chosen.append(word)
    return chosen


def documents(connection: apsw.Connection) -> int:
    """Return how many memories there are, about: the highest row number."""
    return int(connection.execute("SELECT max(num) FROM memories").get or 0)


def stemmer(connection: apsw.Connection) -> Callable[[str], list[str]]:
    """Return the index's own tokenizer: a text to its stems, in order."""
    tokenizer = connection.fts5_tokenizer(*TOKENIZER)

    def stems(text: str) -> list[str]:
        content = text.encode("utf-8", "replace")
        found = tokenizer(content, apsw.FTS5_TOKENIZE_DOCUMENT, None, include_offsets=False)
        return [str(stems[0]) for stems in found]

    return stems


def said_by(connection: apsw.Connection, speaker: str, limit: int) -> list[str]:
    """Return what somebody said, the texts that were written last first."""
    found = connection.execute(
        "SELECT memories.text FROM memories_fts JOIN memories ON memories.num = memories_fts.rowid "
        "WHERE memories_fts MATCH ? AND memories.speaker = ? ORDER BY memories_fts.rowid DESC LIMIT ?",
        (f"speaker : {quote(speaker)}", speaker, limit),
    )
    return [str(text) for (text,) in found]
