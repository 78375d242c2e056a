"""What a text says about what: `the port is 5433` says `5433` of `port`; and what is no longer so when it is said."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from memento_policies.patterns import PatternSet, compile_pattern
from memento_policies.schema import StatementRule
from memento_policies.words import plain

_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|\n+")
_HEDGED: Final = re.compile(r"\b(?:if|unless|maybe|perhaps|could|might|would|what|whether|not sure|i think)\b")
_STATE: Final = re.compile(r"(?:\w+ly|\w+ing|\w+ed|not|also|very|so|too|only|as|in the|one of)\b")
"""How a value begins that tells in what state something is, not what it is."""
_FILLING: Final = frozenset(
    ("new", "current", "now", "actual", "the", "a", "an", "our", "my", "of", "to", "be", "still")
)
_MOST_CHARS: Final = 2000


class Statement(NamedTuple):
    """A thing and what is said of it, both in plain words."""

    of: str
    """Empty where only is said what it was."""
    value: str
    was: str = ""


class Replaced(NamedTuple):
    """What is no longer so, and who had said it."""

    of: str
    was: str
    source: str


class Known:
    """What one voice has said last of each thing."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[str, str]] = {}
        self._things: defaultdict[str, set[str]] = defaultdict(set)

    def hear(self, statement: Statement, source: str) -> list[Replaced]:
        """Take in a statement; return what it replaces, each thing once."""
        things = [statement.of] if statement.of else sorted(self._things[statement.was])
        replaced = []
        for of in things:
            was, who = self._said.get(of, (statement.value, source))
            if was != statement.value and who != source:
                replaced.append(Replaced(of, was, who))
            self._things[was].discard(of)
            self._things[statement.value].add(of)
            self._said[of] = statement.value, source
        return replaced


class Statements:
    """The statement rules, compiled."""

    def __init__(self, rules: Sequence[StatementRule], passing: Sequence[str]) -> None:
        patterns = [(rule.thing, f"(?im){rule.pattern}") for rule in rules if rule.enabled]
        self._rules = [(thing, compile_pattern(pattern)) for thing, pattern in patterns]
        self._set = PatternSet([pattern for _, pattern in patterns])
        self._passing = frozenset(passing)

    def of(self, text: str) -> list[Statement]:
        """Return what a text states; questions and what is only considered state nothing."""
        return [found for sentence in _SENTENCE.split(text[:_MOST_CHARS]) for found in self._of_sentence(sentence)]

    def _of_sentence(self, sentence: str) -> Iterator[Statement]:
        if sentence.rstrip().endswith("?") or _HEDGED.search(plain(sentence)):
            return
        data = sentence.replace("\u2019", "'").encode("utf-8", "replace")
        for hit in self._set.matches(data):
            thing, pattern = self._rules[hit]
            if match := pattern.search(data):
                of, value, was = (_key(_group(match, name)) for name in ("of", "is", "was"))
                of = thing or of
                if value and (of or was) and not self._passing & set(of.split()) and not _STATE.match(value):
                    yield Statement(of, value, was)
                    return


def _group(match: Any, name: str) -> str:
    """Return what a group matched; nothing where the pattern has no such group."""
    index = match.re.groupindex.get(name.encode())
    return (match.group(index) or b"").decode(errors="replace") if index else ""


def _key(text: str) -> str:
    words = re.findall(r"[\w.+#'-]+", plain(text))
    return " ".join(word.strip(".'-") for word in words if word not in _FILLING).strip()
