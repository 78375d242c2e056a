"""Which rules of a stage fire for a message: the patterns of all of them in one scan, the rest by table.

One scan for all stages would do too, but over varied text its automaton outgrows its memory and is far slower. For the
same reason each role and kind has a scan of the rules about it, and rules with `apart` or `part` have their own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple, get_args

from memento_policies.before import UNKNOWN, Before
from memento_policies.message import Kind, Profile, Role
from memento_policies.own_words import own_words
from memento_policies.patterns import PatternSet
from memento_policies.schema import Condition, Derived
from memento_policies.tool_parts import Part, tool_parts

_NO_LIMIT = 1 << 62


class Facts(NamedTuple):
    """What rules may look at: `scanned` is the redacted text in UTF-8, of a huge text its head and tail.

    Of an assistant's turn it is what is left without narration, and `chars` and `text` are that too.
    """

    role: Role
    kind: Kind
    scanned: bytes
    chars: int
    meta: Mapping[str, Any]
    text: str = ""
    """The redacted text."""
    before: Before = UNKNOWN
    profile: Profile = "agent"
    spoken: Facts | None = None
    """The facts of the whole text, where narration was left out."""

    @property
    def whole(self) -> Facts:
        """The facts of the whole text: what a message is about shows in its narration too."""
        return self.spoken or self

    def without_narration(self, told: bytes) -> Facts:
        """Return the facts of what is left of the text."""
        text = told.decode(errors="replace")
        return self._replace(scanned=told, chars=len(text), text=text, spoken=self)


class _Scan:
    """The patterns of some of a stage's rules, looked for in one pass."""

    def __init__(self, rules: Sequence[Condition], indexes: Sequence[int]) -> None:
        self._indexes = indexes
        self._set = PatternSet([_alternatives(rules[index]) for index in indexes])

    def hits(self, scanned: bytes) -> list[int]:
        """Return the indexes of the rules that have a pattern which occurs, in no order."""
        indexes = self._indexes
        return [indexes[hit] for hit in self._set.unordered(scanned)]


class RuleMatcher:
    """The conditions of one stage's rules, compiled. Rules are known by their index."""

    def __init__(self, rules: Sequence[Condition]) -> None:
        together = [i for i, rule in enumerate(rules) if rule.patterns and not rule.apart and not rule.part]
        self._rules = rules
        self._scanned: dict[tuple[Role, Kind], tuple[int, ...]] = {}
        self._scans: dict[tuple[int, ...], _Scan] = {}
        apart = [i for i, rule in enumerate(rules) if rule.patterns and rule.apart]
        self._apart = _Scan(rules, apart) if apart else None
        of_parts = {
            part: [i for i, rule in enumerate(rules) if rule.patterns and rule.part == part] for part in get_args(Part)
        }
        self._parts = {part: _Scan(rules, indexes) for part, indexes in of_parts.items() if indexes}
        self._limits = [(r.min_chars, _NO_LIMIT if r.max_chars is None else r.max_chars, r.meta) for r in rules]
        self._limited = frozenset(i for i, limit in enumerate(self._limits) if limit != (0, _NO_LIMIT, None))
        self._by_signal = _by_signal(rules)
        self._unless = {i: frozenset(r.unless) for i, r in enumerate(rules) if isinstance(r, Derived) and r.unless}
        unconditional = [i for i, r in enumerate(rules) if not r.patterns and not (isinstance(r, Derived) and r.when)]
        self._in_scope: dict[tuple[Role, Kind], frozenset[int]] = {}
        self._always: dict[tuple[Role, Kind], list[int]] = {}
        self._scans_apart: set[tuple[Role, Kind]] = set()
        self._scans_parts: dict[tuple[Role, Kind], list[Part]] = {}
        for role, kind in product(get_args(Role), get_args(Kind)):
            scope = {i for i, r in enumerate(rules) if role in (r.roles or (role,)) and kind in (r.kinds or (kind,))}
            self._in_scope[role, kind] = frozenset(scope)
            self._always[role, kind] = [index for index in unconditional if index in scope]
            self._scanned[role, kind] = tuple(index for index in together if index in scope)
            if not scope.isdisjoint(apart):
                self._scans_apart.add((role, kind))
            self._scans_parts[role, kind] = [part for part in self._parts if not scope.isdisjoint(of_parts[part])]

    def fired(self, facts: Facts, signals: Collection[str] = ()) -> list[int]:
        """Return the indexes of the rules that fire, ascending; `signals` are the significance signals that fired."""
        key = facts.role, facts.kind
        found = set(self._scan(key).hits(facts.scanned))
        if self._apart and key in self._scans_apart:
            found.update(self._apart.hits(own_words(facts.scanned.decode(errors="replace")).encode()))
        if parts := self._scans_parts[key]:
            record = tool_parts(facts.scanned, facts.role, facts.kind)
            for part in parts:
                found.update(self._parts[part].hits(record.call if part == "call" else record.output))
        for signal in signals:
            found.update(self._by_signal.get(signal, ()))
        found &= self._in_scope[key]
        found.update(self._always[key])
        if not found.isdisjoint(self._limited):
            found -= {index for index in found & self._limited if not self._within_limits(index, facts)}
        if not found.isdisjoint(self._unless):
            found -= {index for index in found & self._unless.keys() if not self._unless[index].isdisjoint(signals)}
        return sorted(found)

    def _scan(self, key: tuple[Role, Kind]) -> _Scan:
        """Return the scan of a role and kind, made when it is first needed; some have the same."""
        indexes = self._scanned[key]
        scan = self._scans.get(indexes)
        if scan is None:
            scan = self._scans[indexes] = _Scan(self._rules, indexes)
        return scan

    def _within_limits(self, index: int, facts: Facts) -> bool:
        least, most, meta = self._limits[index]
        return least <= facts.chars <= most and (meta is None or bool(facts.meta.get(meta)))


def _alternatives(rule: Condition) -> str:
    return "(?im)(?:" + "|".join(f"(?:{pattern})" for pattern in rule.patterns) + ")"


def _by_signal(rules: Sequence[Condition]) -> dict[str, list[int]]:
    dependents: dict[str, list[int]] = {}
    for index, rule in enumerate(rules):
        for signal in rule.when if isinstance(rule, Derived) else ():
            dependents.setdefault(signal, []).append(index)
    return dependents
