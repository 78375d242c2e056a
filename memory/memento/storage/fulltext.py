"""Search by words: FTS5 and its BM25. No SQL of the user's ever reaches the matcher: every term is quoted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from memento.storage.filters import Filter, where


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


def quote(term: str) -> str:
    """Return the term as an FTS5 string: `C++`, `don't` and `t:secret` become plain text."""
    return '"' + term.replace('"', '""') + '"'
