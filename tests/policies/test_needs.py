"""A rule is left out for a text only where it cannot match: what a hook redacts is what everything else redacts."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import re2
from hypothesis import assume, given, settings, strategies as st

from memento_policies.cached_redaction import load_redactor
from memento_policies.loading import load_document
from memento_policies.needs import Need, folded, need
from memento_policies.patterns import compile_pattern
from memento_policies.redaction import Redactor, rule_need
from memento_policies.schema import RedactionFile
from memento_policies.sieve import MAX_SIFTED, Sieve

FILE = load_document(RedactionFile, None).model
RULES = [rule for rule in FILE.rules if rule.enabled]
NEEDS = [rule_need(rule) for rule in RULES]
FULL = Redactor(FILE)
BENIGN = (Path(__file__).parent / "messages.txt").read_text()
GLUE = ["", " ", "\n", "=", '": "', "x", "ſ", "\u212a", "\x0b", "\\n", "%20", "é", " is ", "-----"]
TRICKY = "aAbkKsS\u017f\u212a1 -_:=\n\x0b\r\x0c.é"


def sifted() -> Redactor:
    """Return what a hook has: nothing is compiled yet."""
    return Redactor(FILE, NEEDS)


def allows(asked: Need, text: str) -> bool:
    """Tell whether a text has what is needed."""
    sieve = Sieve(lambda _: ".", [asked])
    return sieve._possible(text.encode()) == [0]


def test_every_example_is_redacted_alike(fake: Callable[[str, int], str]) -> None:
    for rule in RULES:
        secret = fake(rule.name, 1)
        for text in (secret, f"we use {secret[:-1]}\x0b{secret.upper()}\n"):
            assert sifted().redact(text) == FULL.redact(text), text


@given(st.randoms(use_true_random=False), st.data())
@settings(max_examples=150, deadline=None)
def test_mixtures_are_redacted_alike(fake: Callable[[str, int], str], rng: random.Random, data: st.DataObject) -> None:
    lines = BENIGN.splitlines()
    parts: list[str] = []
    for _ in range(rng.randint(1, 6)):
        secret = fake(rng.choice(RULES).name, rng.randrange(10**6))
        cut = rng.randint(0, len(secret))
        parts += [rng.choice([secret, secret[cut:], secret[:cut], rng.choice(lines)]), rng.choice(GLUE)]
    text = "".join(parts) + data.draw(st.text(max_size=40))
    assert sifted().redact(text) == FULL.redact(text)


def test_what_is_said_every_day_is_redacted_alike() -> None:
    one = sifted()
    for line in (*BENIGN.splitlines(), BENIGN[: MAX_SIFTED - 100], BENIGN * 3, ""):
        assert one.redact(line) == FULL.redact(line), line


def test_little_is_compiled_for_what_is_said_every_day() -> None:
    sieve = Sieve(lambda _: "x", NEEDS)
    possible = [len(sieve._possible(line.encode())) for line in BENIGN.splitlines()]
    assert sorted(possible)[len(possible) // 2] <= 4
    assert sum(bool(asked.words) for asked in NEEDS) > 0.9 * len(NEEDS)


def test_the_cache_holds_the_needs(tmp_path: Path) -> None:
    made = load_redactor(tmp_path / "none", tmp_path / "c" / "redaction.json", "1").redactor
    read = load_redactor(tmp_path / "none", tmp_path / "c" / "redaction.json", "1").redactor
    assert not isinstance(made._set, Sieve)
    assert isinstance(read._set, Sieve)
    assert read._set._needs == [(run, [word.encode() for word in words]) for run, words in NEEDS]


def patterns() -> st.SearchStrategy[str]:
    """Return patterns of all that RE2 has and rules are made of, over few characters, so that texts match often."""
    classes = [
        "[ab]", "[a-c]", "[^a]", r"[^\s\"]", r"[^\S]", r"[^\D]", r"\s", r"\S", r"\d", r"\w", r"\W", r"[\s1]", r"[\Sx]",
        r"\b", "^", "$", ".", "[^ \n]", "[^ \t\n\f\r]", "[[:alpha:]]", "[^[:space:]]", "[k]", "(?i:k)", "[a-z]",
    ]  # fmt: skip
    leaf = st.one_of(st.sampled_from(classes), st.sampled_from([re2.escape(one) for one in TRICKY]))

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        repeat = st.sampled_from(["?", "*", "+", "{2}", "{0,2}", "{1,3}", "{3,}", "+?"])
        return st.one_of(
            st.lists(inner, min_size=1, max_size=5).map("".join),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
            st.tuples(inner, repeat).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
            inner.map(lambda one: f"(?i:{one})"),
            inner.map(lambda one: f"({one})"),
        )

    return st.recursive(leaf, grow, max_leaves=12)


@given(patterns(), st.text(alphabet=TRICKY, max_size=30))
@settings(max_examples=1_500, deadline=None)
def test_no_need_is_asked_of_a_text_that_matches(pattern: str, text: str) -> None:
    try:
        compiled = compile_pattern(pattern)
    except ValueError:
        assume(False)
    for match in compiled.finditer(text.encode()):
        assert allows(need(pattern), match[0].decode(errors="replace")), (pattern, match[0])


@pytest.mark.parametrize(
    ("pattern", "asked"),
    [
        ("(?:AKIA|ASIA)[A-Z2-7]{16}", Need(20, ("akia", "asia"))),
        ("a(?:bc|[^x]+)d", Need(1, ("a",))),
        ("gh[ps]_[a-z]{3}", Need(7, ("ghp_", "ghs_"))),
        (r"key\s*=\s*(\S{8,})", Need(8, ("key",))),
        ("x(?:abc)?y", Need(2, ("xabcy", "xy"))),
        ("(?i)Secret word", Need(6, ("secret word",))),
        ("[[:alpha:]]{3}", Need()),
        ("(", Need()),
        ("a++b", Need()),
        ("a{20,}", Need(20, ("a" * 20,))),
        ("ñandu", Need(5, ("andu",))),
    ],
)
def test_needs(pattern: str, asked: Need) -> None:
    assert need(pattern) == asked


def test_folding_is_that_of_re2() -> None:
    every = "".join(chr(one) for one in range(1, 0x11000) if not 0xD800 <= one < 0xE000).encode()
    for letter in "abcdefghijklmnopqrstuvwxyz":
        for match in compile_pattern(f"(?i){letter}").finditer(every):
            assert folded(match[0]) == letter.encode()
