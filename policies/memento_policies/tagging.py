"""Tags: few and precise, from the rules of `tags.yaml`, in the order in which they are written there."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from memento_policies.conditions import Facts, RuleMatcher
from memento_policies.patterns import compile_pattern
from memento_policies.schema import TagRule, TagsFile


class Tagger:
    """The rules of `tags.yaml`, compiled."""

    def __init__(self, file: TagsFile) -> None:
        self._rules = [rule for rule in file.tags if rule.enabled]
        self._matcher = RuleMatcher(self._rules)
        self._extract = {i: _compile(rule.extract) for i, rule in enumerate(self._rules) if rule.extract}
        self._profiles = {i: rule.profiles for i, rule in enumerate(self._rules) if rule.profiles}
        self._max_tags = file.max_tags

    def tags(self, facts: Facts, signals: Collection[str]) -> tuple[str, ...]:
        """Return at most `max_tags` lowercase slugs, none twice."""
        tags: dict[str, None] = {}
        for index in self._matcher.fired(facts, signals):
            rule = self._rules[index]
            if facts.profile not in self._profiles.get(index, (facts.profile,)):
                continue
            if index in self._extract:
                tags.update(dict.fromkeys(_extracted(rule, self._extract[index], facts.scanned)))
            else:
                tags[rule.name] = None
        return tuple(tags)[: self._max_tags]


def _compile(pattern: str) -> Any:
    return compile_pattern(f"(?im){pattern}")


def _extracted(rule: TagRule, pattern: Any, scanned: bytes) -> Iterator[str]:
    """Yield `name:value` for the first `limit` distinct values of the group that matched."""
    seen: set[str] = set()
    for match in pattern.finditer(scanned):
        start, end = match.span(match.lastindex or 0)
        value = scanned[max(start, 0) : end].decode(errors="replace").lower()
        if value and value not in seen and value not in rule.never:
            seen.add(value)
            yield f"{rule.name}:{value}"
        if len(seen) == rule.limit:
            return
