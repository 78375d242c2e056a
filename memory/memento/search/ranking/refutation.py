"""Causes that were named and then denied: "the cache" does not answer after "no, not the cache, it was DNS"."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import Final

from memento.base.stop_words import STOP_WORDS
from memento.search.terms import terms
from memento.storage.turns import Turn

_SEARCHED: Final = 400
"""Characters of a message."""
_MOST_WORDS: Final = 5
"""Words of a cause; a longer phrase is a story of its own."""
_SAID: Final = (
    r"(?P<what>(?!(?:\w+ing|\w+ed|been|there|here|enough|clear|possible|yet|so|sure|just|only|about|for|to)\b)"
    r"[^\W_][^,.;:!?\n]{1,60}?)"
    r"(?=\s*(?:[,.;:!?\n]|\s[-–—]|$)|\s(?:but|that|which|after|since|because|sondern|mais)\b)"
)
_SUBJECT: Final = r"(?P<what>[^\W_][\w /-]{1,40}?)"
_CLAUSE: Final = r"(?:^|[,.;:!?(–—\n-]\s*|\b(?:so|but|and|no|that)\s)"
_ARTICLE: Final = r"(?:(?:the|an?|my|our|your|any|in|with|at|on|der|die|das|den|dem|le|la|les|l['’])\s+)?"
_IS_NOT: Final = r"(?:(?:is|was|were|['’]s) not|(?:is|was|were)n['’]t)"
_BY: Final = r"(?:actually |really |even |because of |due to |caused by |related to )*"
_CULPRIT: Final = r"(?:cause|culprit|problem|issue|reason|bug)"
_DENIALS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:it|that|this|{_CULPRIT}) ?{_IS_NOT} {_BY}{_ARTICLE}{_SAID}",
        rf"{_CLAUSE}(?:wasn|isn)['’]t {_BY}{_ARTICLE}{_SAID}",
        rf"\b(?:has|had|have) nothing to do with {_ARTICLE}{_SAID}",
        rf"(?:^|[.!\n]\s*|\bno,?\s+)not {_BY}(?:the|an?|my|our) {_SAID}",
        rf"\b(?:it|that|this|{_CULPRIT})(?:['’]s| is| was) [^,.;:!?\n]{{1,40}}, (?:and )?not {_BY}"
        rf"(?:the|an?|my|our) {_SAID}",
        rf"\b(?:ruled out|was wrong about) {_ARTICLE}{_SAID}",
        rf"{_CLAUSE}(?:the |my |our )?{_SUBJECT} {_IS_NOT} "
        rf"(?:it\b|to blame|at fault|guilty|(?:the|a|our|my) (?:real |actual )?{_CULPRIT}\b)",
        rf"{_CLAUSE}(?:the |my |our )?{_SUBJECT} (?:is|was|were) (?:innocent|an? red herring|a false lead)",
        rf"{_CLAUSE}(?:the |my |our )?{_SUBJECT} (?:has|had|have) nothing to do with (?:it|this|that)\b",
        rf"\bes (?:war|ist|lag|liegt) (?:doch |gar )?nicht (?:an |am )?{_ARTICLE}{_SAID}",
        rf"\bce n['’](?:est|était) pas {_ARTICLE}{_SAID}",
    )
)
_BLAMES: Final = re.compile(
    r"\b(?:it|that|this)(?:['’]s| is| was| must be| has to be| might be| may be| could be)\b"
    r"|\b(?:looks?|seems?|sounds?) like\b|\bcaus(?:e[ds]?|ing)\b|\b(?:problem|issue|bug) (?:is|was|must|lies)\b"
    r"|\b(?:culprit|because|due to|blame|fault|reason|root|suspect\w*|probably|likely)\b"
    r"|\bes (?:ist|war|liegt|lag)\b|\bc['’]est\b",
    re.IGNORECASE,
)
_DENYING: Final = (
    "not",
    "n't",
    "n\u2019",
    "n'e",
    "n'\u00e9",
    "ruled",
    "wrong",
    "innocent",
    "herring",
    "false",
    "nicht",
)
"""One of these is in every denial: most texts need no closer look."""
_QUESTION: Final = re.compile(r"(?:^|(?<=[.!?\n]))[^.!?\n]*\?")
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|\n+|,\s+(?=(?:so|but|and|it|that|this)\b)")


def denied_causes(text: str) -> set[frozenset[str]]:
    """Return the words of each cause that a text says it was not."""
    said = text[:_SEARCHED]
    lower = said.lower()
    if not any(mark in lower for mark in _DENYING):
        return set()
    head = _QUESTION.sub(" ", said)
    found = (terms(match["what"]) for one in _DENIALS for match in one.finditer(head))
    return {frozenset(words) for words in found if len(words) <= _MOST_WORDS and not STOP_WORDS.issuperset(words)}


def refuted(candidates: Iterable[Turn], texts: Mapping[int, str], telling: Container[int]) -> set[int]:
    """Return the row numbers of candidates that name a cause which a later one of their session denies.

    Only those in `telling` are looked at for what they deny.
    """
    turns = [turn for turn in candidates if turn.session and turn.role != "tool" and turn.num in texts]
    denials = [(turn, words) for turn in turns if turn.num in telling for words in denied_causes(texts[turn.num])]
    return {
        turn.num
        for later, words in denials
        for turn in turns
        if turn.session == later.session
        and (turn.timestamp, turn.num) < (later.timestamp, later.num)
        and _blames(texts[turn.num], words)
    }


def _blames(text: str, words: frozenset[str]) -> bool:
    head = text[:_SEARCHED]
    if words in denied_causes(head):
        return False
    return any(words.issubset(terms(said)) and _BLAMES.search(said) for said in _SENTENCE.split(head))
