"""What is unsafe in a text, and how it leaves: escaped for people, in JSON for programs, taken out for agents."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given, strategies as st

from memento.base.escaping import escape, escape_json, escape_line, strip

SHOWN = {*"\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd\n\t"}
"""Signs of Arabic, Syriac and Kaithi that Unicode counts as format characters, and that are seen; white space."""
HIDDEN = [
    chr(code)
    for code in range(0x110000)
    if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp") and chr(code) not in SHOWN
]
FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u3164\ufe00\ufe0f\uffa0\U000e0100\U000e01ef\u2065\ufff0"
ENGLAND, SCOTLAND = (
    "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in region) + "\U000e007f"
    for region in ("gbeng", "gbsct")
)
LEGITIMATE = (
    "plain, täglich, 日本語, Ελλάδα, עברית, नमस्ते",
    "👨‍👩‍👧‍👦 👩🏽‍💻 🏳️‍🌈 ❤️‍🔥 ❤️ ☎︎ 1️⃣ #️⃣ ℹ️",
    f"{ENGLAND} beats {SCOTLAND}",
    "می‌خواهم",
    "ശ്രീ‍ and क्‍ष",
    "tab\tand\nnewline",
)
MIXED = st.text(st.sampled_from([*HIDDEN[:80], *FILLERS, *'a1# ❤👩م\n\t\\"', "\u200d", "\ufe0f", "\U000e0041"]))


@pytest.mark.parametrize("text", LEGITIMATE)
def test_what_scripts_and_emoji_need_stays(text: str) -> None:
    assert escape(text) == strip(text) == text
    assert escape_json(json.dumps(text, ensure_ascii=False)) == json.dumps(text, ensure_ascii=False)


def test_every_character_that_acts_or_hides_is_unsafe() -> None:
    for one in [*HIDDEN, *FILLERS]:
        assert strip(f"a{one}b") == "ab", hex(ord(one))
        assert escape(f"a{one}b").isprintable(), hex(ord(one))
        encoded = escape_json(json.dumps(f"a{one}b", ensure_ascii=False))
        assert encoded.isascii()
        assert json.loads(encoded) == f"a{one}b"


def test_escapes_are_those_of_python() -> None:
    assert escape("\x1b[2J\x9b\u202e\U000e0041\r\n\t") == "\\x1b[2J\\x9b\\u202e\\U000e0041\\x0d\n\t"
    assert escape_line("a\nmemento: forged\t") == "a\\nmemento: forged\\t"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\U0001f3f4\U000e0072\U000e006d\U000e007f", "\U0001f3f4"),
        ("a\u200db 1\u200d2 x\ufe0f 2\ufe0f", "ab 12 x 2"),
        ("❤\ufe0f\ufe0f\ufe0e", "❤\ufe0f"),
        ("a\u200cb م\u200c\u200c", "ab م\u200c"),
        ("👩\u200d\u200d👩", "👩👩"),
    ],
)
def test_the_same_characters_elsewhere_are_unsafe(text: str, left: str) -> None:
    assert strip(text) == left


@given(MIXED | st.text())
def test_it_is_done_once_and_loses_nothing_in_json(text: str) -> None:
    for change in (escape, escape_line, strip):
        assert change(change(text)) == change(text)
    for ascii_only in (True, False):
        encoded = escape_json(json.dumps(text, ensure_ascii=ascii_only, indent=2))
        assert strip(encoded) == encoded
        assert json.loads(encoded) == json.loads(json.dumps(text))
    assert not set(strip(text)) & {*HIDDEN} - {"\u200c", "\u200d"}
