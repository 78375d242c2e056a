"""Search by words: FTS5 and its BM25. No SQL of the user's ever reaches the matcher: every term is quoted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

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


def selective(connection: apsw.Connection, words: Sequence[str], postings: int = POSTINGS) -> list[str]:
    """Return the words to search for, the rarest first, as many as `postings` occurrences allow; at least one.

    What a common word adds to BM25 is little, and what it costs grows with the store. Words that occur nowhere are left
    out.
    """
    stemmed = stemmer(connection)
    by_rarity = sorted((_holding(connection, stemmed(word)), place, word) for place, word in enumerate(words))
    chosen: list[str] = []
    total = 0
    for holding, _, word in by_rarity:
        total += holding
        if chosen and total > postings:
            break
        if holding:
            chosen.append(word)
    return chosen


def _holding(connection: apsw.Connection, stems: Sequence[str]) -> int:
    """Return how many memories can hold all of a word's stems."""
    return min(_holding_each(connection, stems).values(), default=0)


def _holding_each(connection: apsw.Connection, stems: Sequence[str]) -> dict[str, int]:
    sql = "SELECT doc FROM memories_vocabulary WHERE term = ?"
    return {stem: int(connection.execute(sql, (stem,)).get or 0) for stem in stems}


class DocumentCounts(NamedTuple):
    """How many memories there are, and how many hold each stem."""

    documents: int
    holding: dict[str, int]


def document_counts(connection: apsw.Connection, stems: Sequence[str]) -> DocumentCounts:
    """Count the memories that hold each stem; of all memories, the highest row number stands for their number."""
    documents = connection.execute("SELECT max(num) FROM memories").get or 0
    return DocumentCounts(int(documents), _holding_each(connection, stems))


def stemmer(connection: apsw.Connection) -> Callable[[str], list[str]]:
    """Return the index's own tokenizer: a text to its stems, in order."""
    tokenizer = connection.fts5_tokenizer(*TOKENIZER)

    def stems(text: str) -> list[str]:
        content = text.encode("utf-8", "replace")
        found = tokenizer(content, apsw.FTS5_TOKENIZE_DOCUMENT, None, include_offsets=False)
        return [str(stems[0]) for stems in found]

    return stems
