"""Secrets are replaced by `[REDACTED:kind]` before anything is written anywhere.

One scan tells which rules can match at all; only those run. Redacting a redacted text changes nothing.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from re import compile as compile_marker
from typing import TYPE_CHECKING, Any, NamedTuple

import re2

from memento_policies.checks import CHECKS
from memento_policies.patterns import PatternSet, compile_pattern
from memento_policies.sieve import Sieve
from memento_policies.text import encode

if TYPE_CHECKING:  # the schema needs pydantic, which the plain rules do without
    from memento_policies import plain_rules as plain, schema
    from memento_policies.needs import Need

    AnyRules = schema.RedactionFile | plain.Rules
    AnyRule = schema.RedactionRule | plain.Rule
    AnyPlaceholders = schema.Placeholders | plain.Placeholders

# Where a word can start although a letter or digit is right before it: after an escape of JSON, a byte of a URL, a
# terminal's colour.
_START = r"(?:\b|\\[nrt]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2}|\[[0-9;]{1,8}m)"
# What stands between a name and its value: `NAME=v`, `"name": "v"`, `name := v`, `name => v`, `("name", "v")`.
_ASSIGNED = (
    r"(?i:{near})[ \tA-Za-z0-9_.-]{{0,32}}[\"'\x60\s\])\\]{{0,4}}(?:=>|:=|[=:>,])[\"'\x60\s\\]{{0,4}}"
    r"({value})(?:[^A-Za-z0-9_/+-]|\z)"
)
# The same without bounds and without the value: a superset that costs the one scan a quarter of the states.
_ASSIGNED_CANDIDATE = r"(?i:{near})[ \tA-Za-z0-9_.-]*[\"'\x60\s\])\\]*[=:>,]"
_UNSET = (-1, -1)
_MARKER = compile_marker(rb"\[REDACTED:[a-z0-9][a-z0-9_+-]{0,39}\]")
# A replacement can put a word boundary where none was, so the scan is repeated until nothing is found. The cap keeps
# a text that was built to need one pass per secret linear.
_MAX_PASSES = 8


class Redaction(NamedTuple):
    """A text without its secrets, and how many of each kind were replaced."""

    text: str
    counts: Mapping[str, int]
    links: tuple[str, ...] = ()
    """One `kind/hash` per different secret: the same for the same secret, and of no use without the key."""


class RedactedBytes(NamedTuple):
    """The same of a text in UTF-8."""

    data: bytes
    counts: Mapping[str, int]
    links: tuple[str, ...] = ()


class _Span(NamedTuple):
    """A secret at `data[start:end]`; of overlapping secrets the one of the earliest rule gives the kind."""

    start: int
    end: int
    rule: int


class Redactor:
    """The rules of `redaction.yaml`, compiled."""

    def __init__(self, file: AnyRules, needs: Sequence[Need] | None = None, key: bytes = b"") -> None:
        """Compile the rules; given what each enabled one needs, only when a text has it: for a process of one text.

        With a `key` (at most 64 bytes), equal secrets can be linked.
        """
        self._key = key
        rules = [rule for rule in file.rules if rule.enabled]
        self._rules = [_CompiledRule(rule) for rule in rules]
        patterns = [candidate_pattern(rule) for rule in rules]
        self._set = PatternSet(patterns) if needs is None else Sieve(patterns, needs)
        self._placeholders = _PlaceholderTest(file.placeholders)

    def redact(self, text: str) -> Redaction:
        """Replace every secret in `text`. Never raises; lone surrogates and NULs become U+FFFD."""
        text, data = encode(text)
        redacted, counts, links = self.redact_bytes(data)
        return Redaction(redacted.decode(errors="replace") if counts else text, counts, links)

    def redact_bytes(self, data: bytes) -> RedactedBytes:
        """Do the same for a text already in UTF-8 and without NUL."""
        counts: Counter[str] = Counter()
        links: dict[str, None] = {}
        for _ in range(_MAX_PASSES):
            spans = self._secrets(data)
            if not spans:
                break
            counts.update(self._rules[span.rule].kind for span in spans)
            if self._key:
                links.update((self._link(data[span.start : span.end], span.rule), None) for span in spans)
            data = self._replace(data, spans)
        return RedactedBytes(data, dict(counts), tuple(links))

    def _link(self, secret: bytes, rule: int) -> str:
        return f"{self._rules[rule].kind}/{blake2b(secret, key=self._key, digest_size=8).hexdigest()}"

    def _secrets(self, data: bytes) -> list[_Span]:
        """Return the spans to replace, in order, no two overlapping."""
        hits = self._set.matches(data)
        if not hits:
            return []
        found = (
            _Span(start, end, index)
            for index in hits
            for start, end in self._rules[index].find(data)
            if not self._placeholders.covers(data[start:end])
        )
        return _disjoint(_outside_markers(data, found))

    def _replace(self, data: bytes, spans: Sequence[_Span]) -> bytes:
        pieces: list[bytes] = []
        position = 0
        for span in spans:
            pieces += data[position : span.start], b"[REDACTED:%s]" % self._rules[span.rule].kind.encode()
            position = span.end
        return b"".join((*pieces, data[position:]))


class _CompiledRule:
    """One rule; its own pattern is compiled when it first becomes a candidate."""

    def __init__(self, rule: AnyRule) -> None:
        self.kind = rule.kind
        self._pattern = rule_pattern(rule)
        self._entropy = rule.entropy
        self._check = CHECKS[rule.check] if rule.check else None
        self._allow = [compile_pattern(pattern) for pattern in rule.allow]
        self._compiled: tuple[Any, int] | None = None

    def find(self, data: bytes) -> Iterable[tuple[int, int]]:
        """Yield (start, end) of each secret that has enough entropy, passes the check and is not allowed."""
        pattern, group = self._compiled or self._compile()
        for match in pattern.finditer(data):
            start, end = match.span(group) if match.span(group) != _UNSET else match.span()
            if start < end and self._is_secret(data[start:end]):
                yield start, end

    def _compile(self) -> tuple[Any, int]:
        pattern = compile_pattern(self._pattern)
        group = pattern.groupindex.get(b"secret", min(pattern.groups, 1))
        self._compiled = pattern, group
        return self._compiled

    def _is_secret(self, secret: bytes) -> bool:
        return (
            shannon_entropy(secret) >= self._entropy
            and (self._check is None or self._check(secret))
            and not any(allowed.fullmatch(secret) for allowed in self._allow)
        )


class _PlaceholderTest:
    """Tells an obvious placeholder from a secret."""

    def __init__(self, placeholders: AnyPlaceholders) -> None:
        self._exact = frozenset(word.lower().encode() for word in placeholders.exact)
        self._words = [word.lower().encode() for word in placeholders.words]
        self._patterns = [compile_pattern(f"(?i:{pattern})") for pattern in placeholders.patterns]

    def covers(self, secret: bytes) -> bool:
        lowered = secret.lower()
        return (
            len(set(lowered)) <= 2
            or lowered in self._exact
            or any(word in lowered for word in self._words)
            or any(pattern.fullmatch(secret) for pattern in self._patterns)
        )


def rule_pattern(rule: AnyRule) -> str:
    """Return the whole pattern of a rule, whichever of its three forms it is written in."""
    if rule.token is not None:
        pattern = f"{{start}}({rule.token})"
    elif rule.near is not None:
        pattern = _ASSIGNED.format(near=rule.near, value=rule.value)
    else:
        pattern = rule.pattern or ""
    return pattern.replace("{start}", _START)


def shannon_entropy(secret: bytes) -> float:
    """Bits per byte of the secret's own byte distribution (Shannon 1948): 0 for one repeated byte."""
    size = len(secret)
    return math.log2(size) - sum(n * math.log2(n) for n in Counter(secret).values()) / size


def candidate_pattern(rule: AnyRule) -> str:
    """Return what the one scan looks for: something that occurs in every text in which the rule can match."""
    if rule.keywords:
        return "(?i:" + "|".join(map(re2.escape, rule.keywords)) + ")"
    if rule.near is not None:
        return _ASSIGNED_CANDIDATE.format(near=rule.near).replace("{start}", _START)
    return rule_pattern(rule)


def _outside_markers(data: bytes, spans: Iterable[_Span]) -> list[_Span]:
    """Drop spans inside an earlier replacement and widen those that touch one, so that no marker is ever cut."""
    markers = [match.span() for match in _MARKER.finditer(data)] if b"[REDACTED:" in data else []
    if not markers:
        return list(spans)
    starts = [start for start, _ in markers]
    kept: list[_Span] = []
    for span in spans:
        first = markers[max(bisect_right(starts, span.start) - 1, 0)]
        last = markers[max(bisect_right(starts, span.end - 1) - 1, 0)]
        start = first[0] if first[0] <= span.start < first[1] else span.start
        end = last[1] if last[0] < span.end <= last[1] else span.end
        if not (first == last and (start, end) == first):
            kept.append(_Span(start, end, span.rule))
    return kept


def _disjoint(spans: Iterable[_Span]) -> list[_Span]:
    """Unite overlapping spans, so that nothing of either stays."""
    united: list[_Span] = []
    for span in sorted(spans):
        if united and span.start < united[-1].end:
            last = united[-1]
            united[-1] = _Span(last.start, max(last.end, span.end), min(last.rule, span.rule))
        else:
            united.append(span)
    return united
