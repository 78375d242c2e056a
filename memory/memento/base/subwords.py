"""Words that the full-text index cannot see by itself, and how the same words are looked for.

FTS5's unicode61 tokenizer ends a word where letters and digits end (https://sqlite.org/fts5.html#unicode61_tokenizer).
That leaves three kinds of words unfound, and each memory's row holds these beside its text:

- Scripts that put no spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese), and Korean, whose particles
  are joined to the noun: each pair of neighbouring characters, as Lucene's CJKBigramFilter makes them.
- What stands beside such text, or is joined of humps (`parseInvoiceHeader`), digits (`TS2345`) or a long hash: the
  word by itself, its parts, the hash's first seven digits.
- Letters with marks that unicode61 takes for the end of a word (Devanagari's vowels), and letters that are written with
  or without their marks (Arabic, Hebrew, the Russian ё): the word in one spelling.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

MAX_IDENTIFIER: Final = 64
"""Characters; what is longer is encoded data."""
HASH_DIGITS: Final = 7
"""Of a commit's hash: as many as git shows."""
_MAX_SIGNS: Final = 8
"""Characters of one character with its marks."""
_MAX_PARTS: Final = 8
_MIN_PART: Final = 2.5
"""Mean length of an identifier's parts; those of encoded data are shorter."""

_POINTS: Final = "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc"
"""Points of Hebrew and Arabic, and what only stretches a word."""
_INDIC: Final = "\u0900-\u0963\u0966-\u0df3"
_UNSPACED: Final = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u1780-\u17d3\u1100-\u11ff"
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3131-\u318e\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97c\uac00-\ud7fb\uf900-\ufaff\U00020000-\U0003ffff"
)
_OTHER: Final = rf"(?:(?![{_INDIC}{_UNSPACED}])[\w{_POINTS}\u0300-\u036f])+"
_WORD: Final = re.compile(rf"[{_UNSPACED}]+|[{_INDIC}]+|{_OTHER}(?:['’.+#-]{_OTHER})*[+#]*")
_RUN: Final = re.compile(f"[{_UNSPACED}]+")
_SPELLINGS: Final = str.maketrans({"ё": "е", "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ة": "ه"})
_POINT: Final = re.compile(f"[{_POINTS}]+")
_CLUSTER: Final = re.compile(r"[^\ue900-\uf8ff][\ue900-\uf8ff]*|[\ue900-\uf8ff]+")
"""A character with the signs that belong to it, once these are encoded."""
_SEAM: Final = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]|[A-Za-z][0-9]{3}|[0-9][A-Za-z]{3}")
"""Where an identifier is joined: a hump, capitals before one, three digits after a letter, letters after a digit."""
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9]+")
_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_HASH: Final = re.compile(r"(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{8,64}")


def subwords(text: str) -> str:
    """Return the words of a text that the index's tokenizer does not see, separated by spaces; mostly none.

    They stand in the order of the text, once for each word that they come from.
    """
    found: dict[str, None] = {}
    if not text.isascii():
        found = dict.fromkeys(_of_scripts(unicodedata.normalize("NFKC", text)))
    for word in _joined(text):
        if parts := identifier_parts(word):
            found[" ".join(parts)] = None
    return " ".join(found)


def words(query: str) -> list[str]:
    """Return the words of a query as the index holds them, in lower case and in order, each once.

    A text without spaces becomes its pairs of characters; a joined identifier is followed by its parts.
    """
    found: dict[str, None] = {}
    for match in _WORD.finditer(query if query.isascii() else unicodedata.normalize("NFKC", query)):
        word = match[0]
        if _RUN.match(word):
            found |= dict.fromkeys(_pairs(word))
        else:
            found[_spelling(word)] = None
            found |= dict.fromkeys(
                part for piece in re.split("[^A-Za-z0-9]+", word) for part in identifier_parts(piece)
            )
    return list(found)


def is_unspaced(text: str) -> bool:
    """Tell whether a text holds characters of a script whose words are found by pairs of characters."""
    return not text.isascii() and _RUN.search(text) is not None


def is_lone(word: str) -> bool:
    """Tell whether a word is a single character, with its marks, of a script that is indexed by pairs."""
    return len(word) <= _MAX_SIGNS and is_unspaced(word) and len(_CLUSTER.findall(word)) == 1


def identifier_parts(word: str) -> list[str]:
    """Return the parts of an identifier that is joined of humps or digits, or of a long hash; else nothing."""
    if len(word) > MAX_IDENTIFIER:
        return []
    if _HASH.fullmatch(word):
        return [word[:HASH_DIGITS]]
    parts = [part.lower() for part in _PART.findall(word)]
    if not 1 < len(parts) <= _MAX_PARTS or len(word) < _MIN_PART * len(parts):
        return []
    return [part for part in parts if len(part) > 1]


def _joined(text: str) -> Iterator[str]:
    """Yield the identifiers of a text that are joined of parts."""
    end = 0
    for seam in _SEAM.finditer(text):
        if seam.start() < end:
            continue
        start = seam.start()
        while start > end and (before := text[start - 1]).isascii() and before.isalnum():
            start -= 1
        if word := _IDENTIFIER.match(text, start):
            end = word.end()
            yield word[0]


def _of_scripts(text: str) -> Iterator[str]:
    """Yield what the index is to hold of each word that it would not see in a text that is not all ASCII."""
    after_run = -1
    for match in _WORD.finditer(text):
        word = match[0]
        if _RUN.match(word):
            yield " ".join(dict.fromkeys((*_pairs(word), _clusters(word)[-1])))
            after_run = match.end()
        elif (
            (spelled := _spelling(word)) != word.lower() or after_run == match.start() or _starts_run(text, match.end())
        ):
            yield spelled


def _starts_run(text: str, place: int) -> bool:
    return _RUN.match(text, place) is not None


def _pairs(word: str) -> list[str]:
    """Return the pairs of neighbouring characters of a run, each with its marks; a single one by itself."""
    clusters = _clusters(word)
    return [first + second for first, second in pairwise(clusters)] or clusters


def _clusters(word: str) -> list[str]:
    return _CLUSTER.findall(_encoded(word))


def _spelling(word: str) -> str:
    """Return a word in the one spelling under which it is found, in lower case."""
    if word.isascii():
        return word.lower()
    return _encoded(_POINT.sub("", word.lower()).translate(_SPELLINGS))


def _encoded(word: str) -> str:
    """Return a word whose vowel signs are letters to the tokenizer: private characters, U+E000 above their own."""
    return "".join(chr(0xE000 + ord(one)) if _is_sign(one) else one for one in word)


def _is_sign(character: str) -> bool:
    return "\u0900" <= character < "\u1900" and unicodedata.category(character) in ("Mn", "Mc")
