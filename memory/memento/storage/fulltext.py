"""Search by words: FTS5 and its BM25. No SQL of the user's ever reaches the matcher: every term is quoted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import apsw

from memento.storage.filters import Filter, quote_term, where

TOKENIZER: Final = ("porter", ["unicode61", "remove_diacritics", "2"])
"""As memories_fts was declared; see migrations.py."""

EXACT_POSTINGS: Final = 4_000
"""Up to so many occurrences all words are scored wherever they occur: 2 ms."""
MAX_POSTINGS: Final = 10_000
"""Occurrences scored so where too little is promising, a filter says what may be found, or a page is pasted."""
SELECTIVE_POSTINGS: Final = 30_000
SELECTIVE_SHARE: Final = 5
"""Occurrences of the words that count, this many or one for each so many memories, where only what is promising is
scored."""
MANY_TERMS: Final = 10
"""So many words that are scored wherever they occur tell enough: a pasted page."""
RARE_POSTINGS: Final = 1_000
RARE_SHARE: Final = 300
"""Occurrences of the rarest words, this many or one for each so many memories: a memory that holds one is promising."""
PAIRED_TERMS: Final = 2
"""Of so many of the words after those: a memory that holds one of them and a commoner one is promising."""
_SCORE: Final = "-bm25(memories_fts, 1.0, 0.5, 0.5) AS score"
_PRESELECTED: Final = f"""
SELECT rowid, {_SCORE} FROM memories_fts
WHERE memories_fts MATCH ? AND +rowid IN (SELECT rowid FROM memories_fts WHERE memories_fts MATCH ?)
ORDER BY score DESC LIMIT ?
"""
"""The plus sign keeps SQLite from asking the index for each row by itself."""

DocumentFrequencies = Mapping[str, Mapping[str, int]]
"""Words, in their order: the stems of each, and how many memories hold each stem."""


def document_frequencies(connection: apsw.Connection, words: Sequence[str]) -> DocumentFrequencies:
    """Count the memories that hold each word's stems."""
    stemmed = stemmer(connection)
    found: dict[str, int] = {}
    for stem in (stem for word in words for stem in stemmed(word)):
        if stem not in found:
            found[stem] = connection.execute("SELECT doc FROM memories_vocabulary WHERE term = ?", (stem,)).get or 0
    return {word: {stem: found[stem] for stem in stemmed(word)} for word in words}


def search_any(
    connection: apsw.Connection, holding: DocumentFrequencies, filter_: Filter, limit: int
) -> dict[int, float]:
    """Return {row number: BM25} of the best `limit` memories that hold any of the words; higher is better.

    BM25 costs what it scores. Where the words occur often, only memories that hold a rare one or two others are scored:
    nearly all of the best are among them. A filter, many words, or too few such memories take that restriction away,
    and the common words with it.
    """
    few = rarest_terms(holding, MAX_POSTINGS)
    total = estimate_count(connection)
    words = rarest_terms(holding, max(SELECTIVE_POSTINGS, total // SELECTIVE_SHARE))
    rare = rarest_terms({word: holding[word] for word in words}, max(RARE_POSTINGS, total // RARE_SHARE))
    often = sum(_max_matches(holding, word) for word in words) > EXACT_POSTINGS
    if filter_.empty and often and rare != words and len(few) < MANY_TERMS:
        matches = (_any(words), _preselection(rare, words[len(rare) :]))
        found: dict[int, float] = dict(connection.execute(_PRESELECTED, (*matches, limit)))
        if len(found) == limit:
            return found
    return bm25(connection, few, filter_, limit)


def bm25(connection: apsw.Connection, words: Sequence[str], filter_: Filter, limit: int) -> dict[int, float]:
    """Return {row number: BM25} of the best `limit` memories that hold any of these words and pass the filter."""
    if not words:
        return {}
    condition, parameters = where(filter_)
    joined = "" if condition == "TRUE" else f"JOIN memories ON memories.num = memories_fts.rowid AND {condition}"
    sql = (
        f"SELECT memories_fts.rowid, {_SCORE} FROM memories_fts {joined} "
        "WHERE memories_fts MATCH ? ORDER BY score DESC LIMIT ?"
    )
    bound: list[Any] = [*parameters, _any(words), limit]
    return dict(connection.execute(sql, bound))


def search_all(connection: apsw.Connection, words: Sequence[str], filter_: Filter) -> dict[int, float]:
    """Return {row number: BM25} of every memory that holds all of these words, in text, tags or speaker."""
    if not words:
        return {}
    condition, parameters = where(filter_)
    sql = (
        f"SELECT memories_fts.rowid, {_SCORE} FROM memories_fts JOIN memories ON memories.num = memories_fts.rowid "
        f"AND {condition} WHERE memories_fts MATCH ? ORDER BY score DESC"
    )
    return dict(connection.execute(sql, (*parameters, " AND ".join(map(quote_term, words)))))


def rarest_terms(holding: DocumentFrequencies, postings: int) -> list[str]:
    """Return the words to search for, the rarest first, as many as `postings` occurrences allow; at least one.

    What a common word adds to BM25 is little, and what it costs grows with the store. Words that occur nowhere are left
    out.
    """
    chosen: list[str] = []
    total = 0
    for count, word in sorted(((_max_matches(holding, word), word) for word in holding), key=itemgetter(0)):
        total += count
        if chosen and total > postings:
            break
        if count:
            chosen.append(word)
    return chosen


def _max_matches(holding: DocumentFrequencies, word: str) -> int:
    """Return how many memories can hold all of a word's stems."""
    return min(holding[word].values(), default=0)


def _preselection(rare: Sequence[str], others: Sequence[str]) -> str:
    """Return what matches a memory that holds a rare word, or two others; the others are sorted by rarity."""
    heads = range(min(PAIRED_TERMS, len(others) - 1))
    return " OR ".join([_any(rare), *(f"({quote_term(others[n])} AND ({_any(others[n + 1 :])}))" for n in heads)])


def _any(words: Sequence[str]) -> str:
    return " OR ".join(map(quote_term, words))


def estimate_count(connection: apsw.Connection) -> int:
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


def indexable_phrases(connection: apsw.Connection, phrases: Sequence[str]) -> tuple[str, ...]:
    """Return the phrases in which the index sees a word: no memory could hold the others (`"__"`, a script newer than
    the tokenizer), which are text like any other.
    """
    return tuple(filter(stemmer(connection), phrases)) if phrases else ()


def texts_by_speaker(connection: apsw.Connection, speaker: str, limit: int) -> list[str]:
    """Return what somebody said, the texts that were written last first."""
    found = connection.execute(
        "SELECT memories.text FROM memories_fts JOIN memories ON memories.num = memories_fts.rowid "
        "WHERE memories_fts MATCH ? AND memories.speaker = ? ORDER BY memories_fts.rowid DESC LIMIT ?",
        (f"speaker : {quote_term(speaker)}", speaker, limit),
    )
    return [str(text) for (text,) in found]
