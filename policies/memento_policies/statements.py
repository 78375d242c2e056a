"""What a text says about what: `the port is 5433` says `5433` of `port`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from memento_policies.patterns import PatternSet, compile_pattern
from memento_policies.schema import StatementRule
from memento_policies.words import plain

_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|\n+")
_HEDGED: Final = re.compile(r"\b(?:if|unless|maybe|perhaps|could|might|would|what|whether|not sure|i think)\b")
_FILLING: Final = frozenset(
    ("new", "current", "now", "actual", "the", "a", "an", "our", "my", "of", "to", "be", "still")
)
_MOST_CHARS: Final = 2000


class Statement(NamedTuple):
    """A thing and what is said of it, both in plain words."""

    of: str
    value: str


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
                of = thing or _key(match.group(pattern.groupindex[b"of"]).decode(errors="replace"))
                value = _key(match.group(pattern.groupindex[b"is"]).decode(errors="replace"))
                if of and value and not self._passing & set(of.split()):
                    yield Statement(of, value)
                    return


def _key(text: str) -> str:
    words = re.findall(r"[\w.+#'-]+", plain(text))
    return " ".join(word.strip(".'-") for word in words if word not in _FILLING).strip()
