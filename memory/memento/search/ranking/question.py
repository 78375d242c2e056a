"""A question as ranking sees it: what it asks about, of whom, when, and the words its answer would hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from memento.base.stop_words import STOP_WORDS
from memento.base.times import day_of, now_ms
from memento.search.ranking import dates
from memento.search.ranking.kinds import members
from memento.search.ranking.statement import first_person, without_names
from memento.search.terms import terms

_NAME: Final = re.compile(r"\b[^\W\d_][\w-]+(?=['’]s\b)|\b[^\W\d_][\w-]+")
_MAX_NAMES: Final = 24
"""Words of a question that are looked up as names."""
_MAX_SPANS: Final = 4
"""Days that a question names; a pasted calendar is no question."""
_OF_ASSISTANT: Final = re.compile(
    r"\b(?:did|have|had|do|were|was)\s+you\b|\byou(?:'ve|'d)?\s+(?:\w+ly\s+)?"
    r"(?:say|said|suggest\w*|recommend\w*|tell|told|propose\w*|explain\w*|mention\w*|give|gave|advise\w*|write|wrote)\b"
    r"|\byour\s+(?:suggestions?|recommendations?|advice|answers?|explanations?|proposals?)\b",
    re.IGNORECASE,
)
_OF_USER: Final = re.compile(r"\b(?:I|my|me|mine)\b", re.IGNORECASE)
_FOR_HELP: Final = re.compile(
    r"\b(?:how|where|what|when|which|can|should|could)\b[^?.]{0,30}\b(?:do|can|should|could|would|may|must) (?:i|we)\b"
    r"|\b(?:can|could|would) you (?:help|show|tell|walk|explain|suggest)\b|\bhelp me\b|\bhow (?:to|should)\b"
    r"|\bi['’]m (?:planning|trying|working|looking)\b|\bi(?:['’]d| would) like\b",
    re.IGNORECASE,
)
"""Asks how something is done; who asks is not what it is about."""
_ASKED: Final = re.compile(
    r"\W*(?:why|how|what|where|when|who|whom|whose|which|is|are|was|were|does|do|did|has|have|had|can|could|would|should)\b",
    re.IGNORECASE,
)
_WHY: Final = re.compile(
    r"\bwhy\b|\bwhat (?:caused|made|broke|was wrong|went wrong)\b|\b(?:cause|reason)s?\b"
    r"|\bwhat(?:['’]s| is| was) (?:wrong|the (?:problem|issue|cause))\b",
    re.IGNORECASE,
)
_HOW: Final = re.compile(r"\bhow (?:do|does|can|should|to|would|could)\b|\bsteps?\b|\bcommand\b", re.IGNORECASE)
_WHERE: Final = re.compile(
    r"\bwhere\b|\b(?:which|what) (?:file|folder|path|module|function|class|directory)\b", re.IGNORECASE
)
_RULE: Final = re.compile(
    r"\bprefer|\bsupposed\b|\bshould\b|\b(?:style|convention)s?\b|\b(?:did|do) we\b|\bdecid|\b(?:which|what)\b.*\bor\b",
    re.IGNORECASE,
)
_UNSPACED: Final = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Letters of the scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""


@dataclass(frozen=True, slots=True)
class Question:
    """What ranking knows of a query."""

    text: str
    topic: str
    """Without the names of those who are asked about."""
    statement: str
    """The answer's beginning, in the first person; see `statement.first_person`."""
    words: tuple[str, ...]
    """The content words, in order, without those names."""
    names: frozenset[str]
    """Lower case: the words of the question that are names of speakers."""
    asks_when: bool
    asks_assistant: bool
    """Whether it asks for what the assistant said."""
    asks_user: bool
    """Whether it asks about the one who asks: "what did I say of my garden?"."""
    spans: tuple[dates.Span, ...]
    is_question: bool = False
    """Whether it is put as a question, and not as words to look for."""
    is_unspaced: bool = False
    """Whether it is in a script without spaces between words: no word of it is found, and its scores are low."""
    asks_why: bool = False
    """Whether it asks for a cause."""
    asks_how: bool = False
    """Whether it asks for a way to do something."""
    asks_where: bool = False
    """Whether it asks for a place, such as a file."""
    asks_rule: bool = False
    """Whether it asks for what was decided, or how something is to be done."""
    asks_for_help: bool = False
    """Whether it asks for something to be done or shown now: what the user said of how to work bears on that."""
    members: frozenset[str] = frozenset()
    """Where it asks which of a kind is used ("which package manager"), the best known of that kind."""
    zone: tzinfo | None = None
    """Where the one who asks is: days begin and end there. None = local time."""


def understand(
    text: str, is_speaker: Callable[[str], bool], now: int | None = None, zone: tzinfo | None = None
) -> Question:
    """Read a question; `is_speaker` tells whether a word is the name of somebody who has spoken.

    `yesterday` and `last week` count from the day on which `now` (Unix milliseconds; the current time unless given)
    falls in `zone`, or local time.
    """
    today = day_of(now_ms() if now is None else now, zone)
    names = frozenset(word for word in _possible_names(text) if is_speaker(word))
    topic = without_names(text, names) if names else text
    for_help = bool(_FOR_HELP.search(text))
    words = tuple(word for word in terms(topic) if word not in names) or tuple(terms(text))
    return Question(
        text=text,
        topic=topic,
        statement=first_person(text, names),
        words=words,
        names=names,
        asks_when=dates.asks_when(text),
        asks_assistant=(of_assistant := bool(_OF_ASSISTANT.search(text))),
        asks_user=not of_assistant and bool(_OF_USER.search(text)) and not for_help,
        is_question=text.rstrip().endswith("?") or bool(_ASKED.match(text)),
        is_unspaced=2 * len(_UNSPACED.findall(text)) >= sum(map(str.isalpha, text)) > 0,
        asks_why=bool(_WHY.search(text)),
        asks_how=bool(_HOW.search(text)),
        asks_where=bool(_WHERE.search(text)),
        asks_rule=bool(_RULE.search(text)),
        asks_for_help=for_help,
        members=members(text),
        spans=tuple(dates.asked_spans(text, today)[:_MAX_SPANS]),
        zone=zone,
    )


def _possible_names(text: str) -> list[str]:
    """Return the words that could be names: capitalised ones, or any where nothing is capitalised."""
    words = [match[0] for match in _NAME.finditer(text)]
    if any(word[0].isupper() for word in words):
        words = [word for word in words if word[0].isupper()]
    return [word for word in dict.fromkeys(word.lower() for word in words) if word not in STOP_WORDS][:_MAX_NAMES]
