"""Filters of a recall as one SQL condition, applied before the best k are chosen, never after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from memento.base.subwords import is_lone, is_unspaced, words

IN_JSON_LIST: Final = "IN (SELECT value FROM json_each(?))"
"""Compares a value with a list of any length, given as JSON, so that one prepared statement serves all lengths."""
REPLACED_BY: Final = "(SELECT newer.id FROM memories AS newer WHERE newer.id = memories.superseded_by)"
"""The id of the memory that supersedes this one; NULL if that was forgotten."""
_MATCHING: Final = "SELECT rowid FROM memories_fts WHERE memories_fts MATCH ?"
_SAID: Final = "instr(lower(memories.text || char(10) || memories.tags || char(10) || memories.speaker), ?)"
_NOT_ASCII: Final = "length(memories.text) <> length(CAST(memories.text AS BLOB))"
"""True if a word may be joined to unspaced text, where the tokenizer does not see it."""


def json_list(nums: Iterable[int]) -> str:
    """Return row numbers as a JSON list."""
    return str(list(nums))


@dataclass(frozen=True, slots=True)
class Filter:
    """Which memories may be found; a field left at its default does not filter."""

    collection: str = ""
    tags: Sequence[str] = ()
    """All of them must be present."""
    source: str = ""
    session: str = ""
    project: str = ""
    """The whole path, or its last part."""
    role: str = ""
    trust: str = ""
    since: int | None = None
    """Unix milliseconds, inclusive."""
    before: int | None = None
    """Unix milliseconds, exclusive."""
    min_importance: float = 0.0
    phrases: Sequence[str] = ()
    """Each must occur in the text, with its words in this order."""
    without: Sequence[str] = ()
    """None may occur in the text, the tags or the speaker's name."""
    but_session: str = ""
    """Excludes this session."""

    @property
    def empty(self) -> bool:
        """Whether every memory passes."""
        return self == Filter()

    def of_context(self) -> Filter:
        """Return what a message must pass that is shown with a result: where, when and by whom it came.

        What the result itself says is not asked of it, but words that may not occur may not occur there either.
        """
        return replace(self, role="", tags=(), phrases=(), min_importance=0.0)


def where(filter_: Filter) -> tuple[str, list[Any]]:
    """Return the SQL condition on `memories` and its parameters."""
    conditions: list[str] = []
    parameters: list[Any] = []

    def add(condition: str, *values: Any) -> None:
        conditions.append(condition)
        parameters.extend(values)

    if filter_.collection:
        add("memories.collection = ?", filter_.collection)
    for tag in filter_.tags:
        add("memories.num IN (SELECT num FROM memory_tags WHERE tag = ?)", tag)
    if filter_.source:
        add("memories.source = ?", filter_.source)
    if filter_.session:
        add("memories.session_id = ?", filter_.session)
    if filter_.but_session:
        add("memories.session_id <> ?", filter_.but_session)
    if filter_.project:
        suffix = "/" + filter_.project
        add("(memories.project = ? OR substr(memories.project, ?) = ?)", filter_.project, -len(suffix), suffix)
    if filter_.role:
        add("memories.role = ?", filter_.role)
    if filter_.trust:
        add("memories.trust = ?", filter_.trust)
    if filter_.since is not None:
        add("memories.timestamp >= ?", filter_.since)
    if filter_.before is not None:
        add("memories.timestamp < ?", filter_.before)
    if filter_.min_importance > 0:
        add("memories.importance >= ?", filter_.min_importance)
    for phrase in filter_.phrases:
        if is_unspaced(phrase):
            add(f"memories.num IN ({_MATCHING})", _every_word(phrase))
            add("instr(lower(memories.text), ?) > 0", phrase.lower())
        else:
            add(f"memories.num IN ({_MATCHING})", f"{{text subwords}} : {_phrase(phrase)}")
    for phrase in filter_.without:
        if is_unspaced(phrase):
            add(f"NOT (memories.num IN ({_MATCHING}) AND {_SAID} > 0)", _every_word(phrase), phrase.lower())
        else:
            add(f"memories.num NOT IN ({_MATCHING})", f"{{text tags speaker}} : {_phrase(phrase)}")
            add(f"NOT (memories.num IN ({_MATCHING}) AND {_NOT_ASCII})", f"subwords : {_phrase(phrase)}")
    return " AND ".join(conditions) or "TRUE", parameters


def matching(word: str) -> str:
    """Return what matches a word of `base.subwords.words`; a single character matches each pair that it begins."""
    return quote_term(word) + ("*" if is_lone(word) else "")


def _every_word(phrase: str) -> str:
    return " AND ".join(map(matching, words(phrase)))


def _phrase(phrase: str) -> str:
    """Return what matches a phrase as it stands, or in the one spelling under which its words are indexed."""
    spelled = " ".join(words(phrase)) if not phrase.isascii() else phrase
    return quote_term(phrase) if spelled == phrase else f"({quote_term(phrase)} OR {quote_term(spelled)})"


def quote_term(term: str) -> str:
    """Return the term as an FTS5 string, so that `C++`, `don't` and `t:secret` are plain text."""
    return '"' + term.replace('"', '""') + '"'
