"""What a standing instruction asks for, and whether a newer one takes its place.

Two instructions are about the same thing if they differ in one place only, and there by alternatives (`tabs`, `spaces`:
the groups are in retention.yaml), by a number, or by a denial; or if the newer one names what it puts aside
("SQLite over Postgres"). Otherwise both hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from memento_policies.claims import NEGATIONS, words_of
from memento_policies.own_words import own_words
from memento_policies.words import plain

_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|\n+|;\s+")
_CLAUSE: Final = re.compile(
    r",? (?:but|and) (?=(?:always|never|use|don't|do not|prefer|no)\b)"
    r"|, (?=(?:always|never|use|don't|do not|prefer|please|i prefer|we prefer)\b)"
)
_ASIDE: Final = re.compile(
    r",? (?:how|can you|could you|what|which|since|because|so that|considering|given that|as) .*|, (?:so|but|is|and) .*"
)
"""What a sentence goes on with that is not part of the instruction."""
_WISH: Final = re.compile(r".*?\b(?:i|we)(?: (?:\w+ly|always|still|do|would))* (?=prefer\b)")
_CUE: Final = re.compile(
    r"\b(?:from (?:now|here|this point|today) on(?:wards?)?|from here on out|going forward|moving forward|henceforth|"
    r"in (?:the )?future|next time|for all future|as a rule|in general|generally|everywhere|here|at all|ever again|"
    r"any ?more|(?:in|for) (?:this|our|the) (?:repo|repository|project|codebase|code|team)|"
    r"make sure (?:to|you|that you)|"
    r"remember to|be sure to|you (?:must|should)|we (?:must|should)|(?:want|need|like) you to|i'd|i would)\b"
)
_INSTEAD: Final = re.compile(
    r",? (?:over|instead of|rather than) |, (?:and )?(?:not|never|no|don't use|do not use) (?=\S)"
)
_SCOPE: Final = re.compile(r"\b(?:for|in|when|whenever|unless|if|on|at|with|to|everywhere)\b")
_STOP: Final = re.compile(r"\b(?:stop|avoid|without) (?=\w)")
_SAYING: Final = frozenset(
    words_of("use prefer add put include write create want make keep give go stick adopt choose pick like only "
             "strictly exclusively ever never always please rule note omg omfg ffs just rather instead speak anything "
             "else using adding putting including writing creating making i me more any unnecessary")
)  # fmt: skip
"""What says that something is to be so, not what."""
_SAME: Final[Mapping[str, str]] = {
    old: new
    for news, olds in (("answer", "reply respond response talk"), ("comment", "commenting"), ("emoji", "emojis"))
    for new in words_of(news)
    for old in words_of(olds)
}
_MOST_WORDS: Final = 24
_MOST_CHARS: Final = 8_000


class Instruction(NamedTuple):
    """What one clause of an instruction asks for."""

    words: tuple[str, ...]
    """Its content words, where, when and for what included."""
    denied: bool
    """It is not to be so."""
    instead: tuple[str, ...]
    """What it puts aside: `postgres` in "SQLite over Postgres"."""
    said: str


class Alternatives:
    """Groups of words of which one takes the place of another."""

    def __init__(self, groups: Iterable[Iterable[str]]) -> None:
        self._groups_of: dict[tuple[str, ...], set[int]] = {}
        self._words: set[str] = set()
        for number, group in enumerate(groups):
            names = [words for words in map(words_of, group) if words]
            for words in names:
                self._groups_of.setdefault(words, set()).add(number)
                self._words.update(words)

    def frame(self, instruction: Instruction) -> frozenset[str]:
        """Return the words that two instructions about the same thing share: all but alternatives and numbers."""
        return frozenset(word for word in instruction.words if word not in self._words and not word.isdecimal())

    def supersedes(self, new: Instruction, old: Instruction) -> bool:
        """Tell whether a newer instruction takes the place of an older one."""
        if set(new.words) == set(old.words):
            return new.denied != old.denied
        was = tuple(word for word in old.words if word not in new.words)
        now = tuple(word for word in new.words if word not in old.words)
        if new.instead and not new.denied and not old.denied and set(was) == set(new.instead):
            return True
        if new.denied or old.denied or not was or not now:
            return False
        if self._are_alternatives(was, now):
            return True
        return len(was) == len(now) == 1 and was[0].isdecimal() and now[0].isdecimal() and len(new.words) > 1

    def _are_alternatives(self, was: Sequence[str], now: Sequence[str]) -> bool:
        one, other = (self._groups_of.get(tuple(w for w in words if not w.isdecimal())) for words in (was, now))
        return bool(one and other and one & other)


def instructions(text: str) -> Iterator[Instruction]:
    """Yield what the clauses of a text ask for; a question asks for nothing that stays."""
    for sentence in _SENTENCE.split(own_words(text[:_MOST_CHARS])):
        said = plain(sentence).strip().strip("*_`-•> ")
        wish = _WISH.match(said)
        if wish is None and said.endswith("?"):
            continue
        for clause in _CLAUSE.split(said[wish.end() if wish else 0 :]):
            if found := _instruction(_ASIDE.sub("", clause)):
                yield found


def _instruction(said: str) -> Instruction | None:
    body = _CUE.sub(" ", said.rstrip(" .!?")).strip(" ,:")
    instead: tuple[str, ...] = ()
    if match := _INSTEAD.search(body):
        rest = body[match.end() :]
        scope = _SCOPE.search(rest)
        instead = words_of(rest[: scope.start()] if scope else rest)
        body = f"{body[: match.start()]} {rest[scope.start() :] if scope else ''}"
    body, negations = NEGATIONS.subn(" ", body)
    body, stops = _STOP.subn(" ", body)
    words, denials = _content(body), negations + stops
    if denials > 1 or not 1 <= len(words) <= _MOST_WORDS:
        return None
    return Instruction(words, bool(denials), tuple(word for word in instead if word not in _SAYING), said)


def _content(body: str) -> tuple[str, ...]:
    """Return the words of what is asked for, wherever it stands."""
    words = [_SAME.get(word, word) for piece in _SCOPE.split(body) for word in words_of(piece)]
    return tuple(dict.fromkeys(word for word in words if word not in _SAYING))
