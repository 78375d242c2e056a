"""What a text says about what: `the port is 5433` says `5433` of `port`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from memento_policies.claims import Claim, claims
from memento_policies.patterns import PatternSet, compile_pattern
from memento_policies.schema import StatementRule
from memento_policies.undone import Undone, undone
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
    change: bool = False
    """It tells of a change, and not only of how things are."""


Said = Statement | Claim | Undone
"""What a sentence can say."""


class Statements:
    """The statement rules, compiled."""

    def __init__(self, rules: Sequence[StatementRule], passing: Sequence[str]) -> None:
        patterns = [(rule, f"(?im){rule.pattern}") for rule in rules if rule.enabled]
        self._rules = [(rule, compile_pattern(pattern)) for rule, pattern in patterns]
        self._set = PatternSet([pattern for _, pattern in patterns])
        self._passing = frozenset(passing)

    def of(self, text: str) -> list[Said]:
        """Return what a text states; questions and what is only considered state nothing."""
        found: list[Said] = []
        for sentence in _SENTENCE.split(text[:_MOST_CHARS]):
            change = undone(sentence)
            found += [
                *([change] if change else []),
                *self._of_sentence(sentence),
                *([] if change else claims(sentence)),
            ]
        return found

    def _of_sentence(self, sentence: str) -> Iterator[Statement]:
        if sentence.rstrip().endswith("?") or _HEDGED.search(plain(sentence)):
            return
        data = sentence.replace("\u2019", "'").encode("utf-8", "replace")
        for hit in self._set.matches(data):
            rule, pattern = self._rules[hit]
            if match := pattern.search(data):
                of, value, was = (_key(_group(match, name)) for name in ("of", "is", "was"))
                of = rule.thing or of
                if value and (of or was) and not self._passing & set(of.split()) and not _STATE.match(value):
                    yield Statement(of, value, was, rule.change)
                    return


def _group(match: Any, name: str) -> str:
    """Return what a group matched; nothing where the pattern has no such group."""
    index = match.re.groupindex.get(name.encode())
    return (match.group(index) or b"").decode(errors="replace") if index else ""


def _key(text: str) -> str:
    words = re.findall(r"[\w.+#'-]+", plain(text))
    return " ".join(word.strip(".'-") for word in words if word not in _FILLING).strip()
