"""Full-text search with FTS5 and BM25. Every term is quoted, so no query syntax of the user reaches the matcher."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import apsw

from memento.base.subwords import is_lone, subwords
from memento.storage.filters import Filter, matching, quote_term, where

TOKENIZER: Final = ("porter", ["unicode61", "remove_diacritics", "2"])
"""The tokenizer of memories_fts (migrations.py)."""

EXACT_POSTINGS: Final = 4_000
"""Up to this many postings, every match is scored (2 ms)."""
MAX_POSTINGS: Final = 10_000
"""Postings scored at most when preselection does not apply: a filter, a pasted page, or too few preselected matches."""
SELECTIVE_POSTINGS: Final = 30_000
SELECTIVE_SHARE: Final = 5
"""Postings of scored terms with preselection: the larger of SELECTIVE_POSTINGS and memories / SELECTIVE_SHARE."""
MANY_TERMS: Final = 10
"""From this many selective terms on, as in a pasted page, no preselection is needed."""
RARE_POSTINGS: Final = 1_000
RARE_SHARE: Final = 300
"""Postings of the rarest terms, whose matches are preselected: RARE_POSTINGS or memories / RARE_SHARE, if larger."""
PAIRED_TERMS: Final = 2
"""Number of next-rarest terms that must co-occur with a commoner one for a memory to be preselected."""
_SCORE: Final = "-bm25(memories_fts, 1.0, 0.5, 0.5, 0.5) AS score"
_PRESELECTED: Final = f"""
SELECT rowid, {_SCORE} FROM memories_fts
WHERE memories_fts MATCH ? AND +rowid IN (SELECT rowid FROM memories_fts WHERE memories_fts MATCH ?)
ORDER BY score DESC LIMIT ?
"""
"""The plus sign keeps SQLite from probing the index row by row."""

DocumentFrequencies = Mapping[str, Mapping[str, int]]
"""For each word, in order: {stem: number of memories that contain it}."""


def rebuild(connection: apsw.Connection) -> None:
    """Rebuild the index and its subwords from the rows, and reset its options, inside the caller's transaction."""
    rows = connection.execute("SELECT num, text, subwords FROM memories")
    changed = [(new, num) for num, text, old in rows if (new := subwords(str(text))) != old]
    connection.executemany("UPDATE memories SET subwords = ? WHERE num = ?", changed)
    connection.execute("DELETE FROM memories_fts_config WHERE k NOT IN ('version', 'secure-delete')")
    connection.execute("INSERT INTO memories_fts (memories_fts) VALUES ('rebuild')")


def document_frequencies(connection: apsw.Connection, words: Sequence[str]) -> DocumentFrequencies:
    """Count, for each word, the memories that contain each of its stems."""
    stemmed = stemmer(connection)
    found: dict[str, int] = {}
    for stem in (stem for word in words for stem in stemmed(word)):
        if stem not in found:
            found[stem] = _document_frequency(connection, stem)
    return {word: {stem: found[stem] for stem in stemmed(word)} for word in words}


def known_stems(frequencies: DocumentFrequencies) -> set[str]:
    """Return the stems that at least one memory contains."""
    return {stem for stems in frequencies.values() for stem, count in stems.items() if count}


def _document_frequency(connection: apsw.Connection, stem: str) -> int:
    if is_lone(stem):  # an upper bound: each pair of characters that begins with it is counted
        sql = "SELECT coalesce(sum(doc), 0) FROM memories_vocabulary WHERE term >= ? AND term < ?"
        return int(connection.execute(sql, (stem, stem + "\U0010ffff")).get or 0)
    return int(connection.execute("SELECT doc FROM memories_vocabulary WHERE term = ?", (stem,)).get or 0)


def search_any(
    connection: apsw.Connection, holding: DocumentFrequencies, filter_: Filter, limit: int
) -> dict[int, float]:
    """Return {row number: BM25} of the best `limit` memories that contain any of the words; higher is better.

    The cost of BM25 grows with the postings it scores. If the words are frequent, only memories that contain a rare
    word or two others are scored, which nearly all of the best do. With a filter, with many words, or if too few
    memories are preselected, all matches of the rarest words are scored instead.
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
    """Return {row number: BM25} of the best `limit` memories that contain any of these words and pass the filter."""
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
    """Return {row number: BM25} of every memory that contains all of these words in text, tags or speaker."""
    if not words:
        return {}
    condition, parameters = where(filter_)
    sql = (
        f"SELECT memories_fts.rowid, {_SCORE} FROM memories_fts JOIN memories ON memories.num = memories_fts.rowid "
        f"AND {condition} WHERE memories_fts MATCH ? ORDER BY score DESC"
    )
    return dict(connection.execute(sql, (*parameters, " AND ".join(map(matching, words)))))


def rarest_terms(holding: DocumentFrequencies, postings: int) -> list[str]:
    """Return the rarest words first, as many as have `postings` postings together, but at least one.

    A common word adds little to BM25, and its cost grows with the store. Words without a match are left out.
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
    """Return an upper bound of the memories that contain all of a word's stems."""
    return min(holding[word].values(), default=0)


def _preselection(rare: Sequence[str], others: Sequence[str]) -> str:
    """Return the FTS5 query for memories that contain a rare word, or two of the others (sorted by rarity)."""
    heads = range(min(PAIRED_TERMS, len(others) - 1))
    return " OR ".join([_any(rare), *(f"({matching(others[n])} AND ({_any(others[n + 1 :])}))" for n in heads)])


def _any(words: Sequence[str]) -> str:
    return " OR ".join(map(matching, words))


def estimate_count(connection: apsw.Connection) -> int:
    """Return the approximate number of memories: the highest row number."""
    return int(connection.execute("SELECT max(num) FROM memories").get or 0)


def stemmer(connection: apsw.Connection) -> Callable[[str], list[str]]:
    """Return a function that maps a text to its stems in order, by the index's own tokenizer."""
    tokenizer = connection.fts5_tokenizer(*TOKENIZER)

    def stems(text: str) -> list[str]:
        content = text.encode("utf-8", "replace")
        found = tokenizer(content, apsw.FTS5_TOKENIZE_DOCUMENT, None, include_offsets=False)
        return [str(stems[0]) for stems in found]

    return stems


def indexable_phrases(connection: apsw.Connection, phrases: Sequence[str]) -> tuple[str, ...]:
    """Return the phrases in which the tokenizer finds a word; no memory could match the others (`"__"`)."""
    return tuple(filter(stemmer(connection), phrases)) if phrases else ()


def texts_by_speaker(connection: apsw.Connection, speaker: str, limit: int) -> list[str]:
    """Return a speaker's texts, the last written first."""
    found = connection.execute(
        "SELECT memories.text FROM memories_fts JOIN memories ON memories.num = memories_fts.rowid "
        "WHERE memories_fts MATCH ? AND memories.speaker = ? ORDER BY memories_fts.rowid DESC LIMIT ?",
        (f"speaker : {quote_term(speaker)}", speaker, limit),
    )
    return [str(text) for (text,) in found]
