"""Secrets are replaced by `[REDACTED:kind]` before anything is written anywhere.

One scan tells which rules can match at all; only those run. Redacting a redacted text changes nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from re import Match, compile as compile_marker
from typing import TYPE_CHECKING, Any, NamedTuple

import re2

from memento_policies import hidden
from memento_policies.patterns import PatternSet, compile_pattern
from memento_policies.randomness import entropy
from memento_policies.sieve import Sieve
from memento_policies.text import encode

if TYPE_CHECKING:  # the schema needs pydantic, which the plain rules do without
    from memento_policies import plain_rules as plain, schema
    from memento_policies.needs import Need
    from memento_policies.reaches import Reach

    AnyRules = schema.RedactionFile | plain.Rules
    AnyRule = schema.RedactionRule | plain.Rule
    AnyPlaceholders = schema.Placeholders | plain.Placeholders

# Fragments that rules name in braces; the guide lists them.
_FRAGMENTS = {
    # Where a word can start although a letter or digit is right before it: after an underscore, an escape of JSON, a
    # byte of a URL, a terminal's colour.
    "start": r"(?:\b|_|\\[nrt]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2}|\[[0-9;]{1,8}m)",
    # A quote as it is written: with any number of backslashes, as an escape of JSON, HTML or a URL.
    "quote": r"(?:\\*[\"'\x60]|\\+u00(?:22|27)|&(?:quot|#34|#39);|%2[27])",
    # What says that a name has a secret for its value.
    "noun": r"[\w. -]{0,20}(?:key|token|secret|pat|auth|pass|pw|pwd|credential)s?",
    # From a name to its value: `NAME=v`, `"name": "v"`, `name := v`, `['name'] => v`, `name -> v`, `| name | v |`,
    # and a name and a value that are fields of one object.
    "to": (
        r"(?:(?:{quote}|\*\*)?[\])>]{0,2}\s{0,8}(?:=>|->|:=|={1,3}|:{1,2}|%3[AaDd]|\||→|⇒|：|＝|{quote}\s*,)\s{0,8}(?:\*\*\s|!!str\s)?"
        r"(?:(?:-\s{0,4})?{quote}?value{quote}?\s{0,4}[:=]\s{0,4})?|\s{1,8}value{quote}?\s{0,4}[:=]\s{0,4})"
    ),
    # What a word that names a secret begins with, for scans.
    "word": (
        r"(?:pass|pwd|p/?w|psk|passwort|kennwort|wachtwoord|senord|adgangskode|salasana|hasło|haslo|heslo|jelsz|"
        r"parol|senha|contrase|clave|mdp|ifre|κωδικός|парол|密码|密碼|口令|パス|暗証番号|비밀번호|비번|패스워드|암호|المرور|السر|סיסמ|"
        r"पासवर्ड|khẩu|sandi|รหัสผ่าน|secret|token|key|cred|salt|pepper|seed|auth|connection|clé|cle|jeton|"
        r"llave|ficha|chave|chiave|schlüssel|schluessel|geheim|login|zugangs|токен|секрет|ключ|令牌|密钥|密鑰|秘钥|金鑰|"
        r"トークン|シークレット|秘密鍵|キー|토큰|시크릿|비밀|키|api)"
    ),
}
# What stands between a name and its value.
_ASSIGNED = (
    r"(?i:{near})[ \tA-Za-z0-9_.-]{{0,32}}[\"'\x60\s\])\\]{{0,8}}(?:=>|:=|[=:>,])[\"'\x60\s\\]{{0,8}}"
    r"({value})(?:[^A-Za-z0-9_/+-]|_|\z)"
)
# What a pattern of a token begins with, up to its first counted part; in it, choices and classes.
_PREFIX = compile_marker(r"(?:\\.|\[[^\]]*\](?![{+*?])|\(\?:[^()]*\)(?![{+*?])|[^\\\[({])*")
_CHOICE = compile_marker(r"\(\?:([^()]*)\)")
_CLASS = compile_marker(r"\[[^\]]*\]|\\(?=\W)")
# What can stand before a token, of the scan: the last symbol of what `start` allows.
_SCANNED_START = r"(?:\b|[_nrtmA-Fa-f0-9])"
_COUNT = compile_marker(r"\{(\d+)(?:,\d*)?\}")
_RUN = compile_marker(r"(?:\[[^\]]*\](?:\{\d+\})?)+")
"""A pattern of classes only: it counts along every word."""
_TELLING = 3
_SCANNED = 8
"""Characters of a token's random part that the scan looks at."""
_REST = compile_marker(rb"[A-Za-z0-9_-]*")
_UNSET = (-1, -1)
_MAX_PLACEHOLDER = 200
_NAME = 40
"""Bytes before a match that `unless` looks at, too: the beginning of the name."""
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
        self._set = _Scan(rules) if needs is None else Sieve(lambda index: candidate_pattern(rules[index]), needs)
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
        found = self._found(data)
        bared = hidden.bare(data)
        if bared:
            found += [_Span(*bared.original(start, end), rule) for start, end, rule in self._found(bared.data)]
        return _disjoint(_outside_markers(data, found)) if found else []

    def _found(self, data: bytes) -> list[_Span]:
        return [
            _Span(start, end, index)
            for index in self._set.matches(data)
            for start, end in self._rules[index].find(data)
            if not self._placeholders.covers(data[start:end])
        ]

    def _replace(self, data: bytes, spans: Sequence[_Span]) -> bytes:
        pieces: list[bytes] = []
        position = 0
        for span in spans:
            pieces += data[position : span.start], b"[REDACTED:%s]" % self._rules[span.rule].kind.encode()
            position = span.end
        return b"".join((*pieces, data[position:]))


class _Scan:
    """Which rules can match, by three automata: words that name a secret, runs of characters, and shapes of secrets.

    In one, their states would multiply, past any memory that is given to it.
    """

    def __init__(self, rules: Sequence[AnyRule]) -> None:
        patterns = [candidate_pattern(rule) for rule in rules]
        families = [_family(rule, pattern) for rule, pattern in zip(rules, patterns, strict=True)]
        self._groups = [[i for i, one in enumerate(families) if one == family] for family in sorted(set(families))]
        self._sets = [PatternSet([patterns[i] for i in group]) for group in self._groups]

    def matches(self, data: bytes) -> list[int]:
        """Return the indexes of the rules that can match in `data` (UTF-8 without NUL), ascending."""
        groups = zip(self._groups, self._sets, strict=True)
        return sorted(group[hit] for group, patterns in groups for hit in patterns.matches(data))


def _family(rule: AnyRule, pattern: str) -> str:
    """Return which automaton scans for a rule: that of names (in any case), of runs, or of shapes."""
    if rule.keywords or rule.near or pattern.startswith("(?i)"):
        return "name"
    return "run" if _RUN.fullmatch(pattern) else "shape"


class _CompiledRule:
    """One rule; its own pattern is compiled when it first becomes a candidate."""

    def __init__(self, rule: AnyRule) -> None:
        self.kind = rule.kind
        self._rule = rule
        self._compiled: _Compiled | None = None

    def find(self, data: bytes) -> Iterable[tuple[int, int]]:
        """Yield (start, end) of each secret that has enough entropy, passes the check and is not allowed."""
        compiled = self._compiled or self._compile()
        last = 0
        for match in compiled.whole.finditer(data):
            found = self._span(match, data, last, compiled.reach)
            if not found:
                continue
            start, end = found
            if self._is_secret(data[start:end], data[max(0, match.start() - _NAME) : start], compiled):
                last = end
                yield start, end

    def _span(self, match: Any, data: bytes, last: int, reach: Reach | None) -> tuple[int, int] | None:
        """Return where the secret of a match is; None when there is none, or it lies in the one before."""
        if reach:
            found = reach(data, match.start(), match.end()) if match.start() >= last else None
            return found if found and found[0] < found[1] and found[1] > last else None
        spans = [match.span(group) for group in range(1, match.re.groups + 1)]
        start, end = next((span for span in spans if span != _UNSET), match.span())
        if start < end and self._rule.token is not None:  # a longer one than was known is still all of it secret
            end = _REST.match(data, end).end()  # type: ignore[union-attr]
        return (start, end) if start < end else None

    def _compile(self) -> _Compiled:
        # Imported here: their patterns take 5 ms to compile, and the text of a hook seldom makes a rule a candidate.
        from memento_policies.checks import CHECKS
        from memento_policies.reaches import REACHES

        rule = self._rule
        self._compiled = _Compiled(
            compile_pattern(rule_pattern(rule)),
            REACHES[rule.reach] if rule.reach else None,
            CHECKS[rule.check] if rule.check else None,
            [compile_pattern(one) for one in rule.allow],
            [compile_pattern(one) for one in rule.unless],
        )
        return self._compiled

    def _is_secret(self, secret: bytes, before: bytes, compiled: _Compiled) -> bool:
        return (
            entropy(secret) >= self._rule.entropy
            and (compiled.check is None or compiled.check(secret))
            and not any(allowed.fullmatch(secret) for allowed in compiled.allow)
            and not any(excluded.search(before) for excluded in compiled.unless)
        )


class _Compiled(NamedTuple):
    whole: Any
    reach: Reach | None
    check: Callable[[bytes], bool] | None
    allow: list[Any]
    unless: list[Any]


_TO_BE_FILLED = compile_marker(
    rb"your|my|example|sample|placeholder|dummy|change|replace|insert|enter|here|xxx|redacted|removed|fake|mock|test|demo"
    rb"|todo|tbd|foo|bar|notareal|generated|1234|0000"
)
"""What a placeholder with a prefix says: `sk-proj-your-key-here`. A password may end in `-and-3` or `-prod`."""


class _PlaceholderTest:
    """Tells an obvious placeholder from a secret: nothing but its words, whatever prefix they have."""

    def __init__(self, placeholders: AnyPlaceholders) -> None:
        self._exact = frozenset(word.lower().encode() for word in placeholders.exact)
        self._placeholders = placeholders
        self._compiled: list[Any] = []
        self._prefixed: Any = None

    def _patterns(self) -> list[Any]:
        """Return the patterns, compiled when the first candidate is met: a hook seldom meets one."""
        if self._compiled:
            return self._compiled
        placeholders = self._placeholders
        words = "|".join(map(re2.escape, sorted(placeholders.words, key=len, reverse=True)))
        between, number = r"[-_. <>{}*\[\]]", r"(?:\d{1,2})?"  # a longer number is what a secret may consist of
        body = rf"{number}(?:{between}{number})*(?:{words}|xx+){number}(?:(?:{words}|xx+|{between}){number})*"
        prefixed = rf"(?:[a-z]{{1,8}}\d{{0,2}}[-_.:/]){{1,3}}(?:{body})"
        self._prefixed = compile_pattern(f"(?i:{prefixed})")
        self._compiled = [compile_pattern(f"(?i:{pattern})") for pattern in (body, *placeholders.patterns)]
        return self._compiled

    def covers(self, secret: bytes) -> bool:
        if len(secret) > _MAX_PLACEHOLDER:
            return False
        lowered = secret.lower()
        return (
            len(set(lowered)) <= 2
            or lowered in self._exact
            or any(pattern.fullmatch(secret) for pattern in self._patterns())
            or bool(_TO_BE_FILLED.search(lowered) and self._prefixed.fullmatch(secret))
        )


def rule_pattern(rule: AnyRule) -> str:
    """Return the whole pattern of a rule, whichever of its three forms it is written in."""
    if rule.token is not None:
        start = "" if _is_distinct(rule.token) else "{start}"
        whole = rule.token.endswith(r"\b")
        pattern = f"{start}({rule.token[:-2]})(?:[^A-Za-z0-9]|\\z)" if whole else f"{start}({rule.token})"
    elif rule.near is not None:
        pattern = _ASSIGNED.format(near=rule.near, value=rule.value)
    else:
        pattern = rule.pattern or ""
    return _with_fragments(pattern)


def _with_fragments(pattern: str) -> str:
    for name in ("to", *_FRAGMENTS):  # the first is made of others
        pattern = pattern.replace(f"{{{name}}}", _FRAGMENTS[name])
    return pattern


def _is_distinct(token: str) -> bool:
    """Tell whether a token's prefix is a word by itself, so that it is one when it is glued to another, too."""
    plain = _plain_prefix(token)
    return len(plain) >= 4 and any(symbol in plain for symbol in "_-~")


def _plain_prefix(token: str) -> str:
    """Return what a token begins with, a letter for each class and the shortest of each choice."""
    prefix = _PREFIX.match(token)
    return _CLASS.sub("x", _CHOICE.sub(_shortest, prefix[0])) if prefix else ""


def _shortest(choice: Match[str]) -> str:
    return min((one.split("[")[0] for one in choice[1].split("|")), key=len)


def rule_need(rule: AnyRule) -> Need:
    """Return what a text must hold for a rule to match: what its pattern asks for, or else one of its keywords."""
    from memento_policies.needs import Need, folded, need

    asked = need(rule_pattern(rule))
    if asked.words or not rule.keywords:
        return asked
    cases = (case for word in rule.keywords for case in (word.lower(), word.upper(), word.capitalize()))
    return Need(asked.run, tuple(dict.fromkeys(folded(case.encode()).decode() for case in cases)))


def candidate_pattern(rule: AnyRule) -> str:
    """Return what the one scan looks for: something that occurs in every text in which the rule can match."""
    if rule.scan is not None:
        return _with_fragments(rule.scan)
    if rule.keywords:
        return "(?i:" + "|".join(map(re2.escape, rule.keywords)) + ")"
    if rule.near is not None:
        return _with_fragments(f"(?i:{rule.near})".replace("{noun}", ""))  # as few states as can be
    if rule.token is None:
        return rule_pattern(rule)
    start = "" if _is_distinct(rule.token) else _SCANNED_START
    pattern = f"{start}({rule.token})"
    return _beginning(pattern) if len(_plain_prefix(rule.token)) >= _TELLING else pattern


def _beginning(pattern: str) -> str:
    """Return a token's pattern up to its first long repetition, and that shortened: a tenth of the states."""
    for count in _COUNT.finditer(pattern):
        head = pattern[: count.start()]
        if int(count[1]) > _SCANNED and head.replace(r"\(", "").count("(") - head.replace(r"\)", "").count(")") == 1:
            return f"{head}{{{_SCANNED}}})"
    return pattern


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
