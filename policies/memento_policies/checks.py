"""Named checks a redaction rule may demand of a match: checksums, and shapes that a pattern cannot express.

Each takes the secret's bytes and tells whether it passes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping

from memento_policies.randomness import bare_token, class_breaks, class_counts, entropy, pair, vendor_token

_BASE58 = {symbol: value for value, symbol in enumerate(b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}
_JOINED = re.compile(rb"[-_./,']+")
# What stands where a password could and is none: paths, URLs, e-mail, times, versions, types, functions, ranges.
_PLAIN = re.compile(
    rb"(?i)[./~][\w./-]*|(?:https?|file|s3|gs|ssh|git)://[^@]*|[\w.+-]+@[\w-]+\.[a-z]{2,}"
    rb"|[a-z]:\\\\?[\w\\ .-]*|v?\d+(?:[.,:/x-]\d+)*[a-z%]{0,3}|\d{4}-\d\d-\d\d(?:t[\d:.]+z?)?"
    rb"|[a-z_][\w-]*(?:\.[a-z_][\w-]*)+|#[0-9a-f]{3,8}|sha-?\d+|sha3-\d+|argon2\w*|bcrypt\w*|scrypt|pbkdf2\w*|md5|base64|utf-?8"
    rb"|[a-z0-9-]+(?:/[\w.-]+)+|\w+\[.*|[a-z]+=\W*|:[a-z_]\w*|&\w+;?|@[\w/-]+|%[\w()#.-]*|\|+|[a-z][a-z0-9]*\|.*"
)
# In the scripts that write no space between a number and what it counts.
_COUNTED = re.compile(
    rb"(?:[\xe3-\xed][\x80-\xbf]{2}){0,4}\d{1,4}(?:[-~]\d{1,4})?(?:[\xe3-\xef][\x80-\xbf]{2})+[^A-Za-z0-9\x80-\xff]*"
)
_INSIDE = re.compile(rb"[A-Za-z][0-9$!^][a-z]{2}|[A-Za-z0-9][$!^][A-Za-z0-9]")
"""A digit or a symbol in the middle of a word, as people write it into passwords."""
_WORD_AND_NUMBER = re.compile(
    rb"(?:[A-Z]?[a-z]+|[A-Z]+|[a-z]+[A-Z][a-z]+)\d{1,4}[a-z]{0,2}"
    rb"|\d{1,4}[A-Za-z]?[a-z]*|\d+[a-z]{1,3}|[A-Z]\d+[a-z]*"
)
_PIECES = re.compile(rb"[^A-Za-z0-9]+")
_CONSONANTS = re.compile(rb"(?i)[bcdfghjklmnpqrstvwxz]{5}")


def jwt(secret: bytes) -> bool:
    """The header, before the first dot, is a JSON object (RFC 7519)."""
    header = _decode(secret.partition(b".")[0])
    try:
        return isinstance(json.loads(header), dict)
    except (ValueError, RecursionError):
        return False


def base58check(secret: bytes) -> bool:
    """The last four bytes are the double SHA-256 of the rest (Bitcoin's Base58Check)."""
    number = 0
    for symbol in secret[:120]:
        if symbol not in _BASE58:
            return False
        number = number * 58 + _BASE58[symbol]
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return len(raw) > 4 and hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]


def base64_digits(secret: bytes) -> bool:
    """The part before the first dot is a number in Base64 (Discord's user id)."""
    return _decode(secret.partition(b".")[0]).isdigit()


def base64_key(secret: bytes) -> bool:
    """Base64 of exactly 32 or 64 bytes (Azure's keys)."""
    return len(_decode(secret)) in {32, 64}


def mixed(secret: bytes) -> bool:
    """Not plain words, however they are joined (`user-name`, `don't`, `isAdmin`), and not a bare number."""
    if secret.upper() == secret.lower():
        return False
    return any(part and not _is_word(part) for part in _JOINED.split(secret.strip(b"!?;:,.*")))


def password(secret: bytes) -> bool:
    """Something a person or a generator chose as a password: no plain words, number, path, date, version or code."""
    if len(secret) < 6 or _PLAIN.fullmatch(secret):
        return False
    if any(byte >= 128 for byte in secret):
        return _is_foreign_password(secret)
    return mixed(secret)


def opaque(secret: bytes) -> bool:
    """A value that says nothing to a reader: one part of it is long and jumbled."""
    if len(secret) < 8 or _PLAIN.fullmatch(secret):
        return False
    if any(byte >= 128 for byte in secret):
        return _is_foreign_password(secret)
    return _is_shuffled(secret) or any(_is_jumbled(part) for part in _PIECES.split(secret))


def phrase(secret: bytes) -> bool:
    """A password in a sentence, where most words are no secret: eight characters, jumbled or with symbols inside."""
    secret = secret.strip(b"!?;:,.*()")
    if len(secret) < 8 or _PLAIN.fullmatch(secret) or entropy(secret) < 2.75:
        return False
    if any(byte >= 128 for byte in secret):
        return _is_foreign_password(secret)
    has_digit = any(48 <= byte <= 57 for byte in secret)
    has_inside = _INSIDE.search(secret) is not None and all(class_counts(secret))
    return has_digit and (
        has_inside or _is_shuffled(secret) or any(_is_jumbled(part) for part in _PIECES.split(secret))
    )


def _is_foreign_password(secret: bytes) -> bool:
    """Tell whether a value beyond ASCII holds a digit that does not count something (`12文字以上`)."""
    return any(48 <= byte <= 57 for byte in secret) and not _COUNTED.fullmatch(secret) and len(secret) >= 8


def _is_shuffled(secret: bytes) -> bool:
    """Tell whether small letters, capitals and digits change places all along a value, whatever joins its parts."""
    return min(class_counts(secret)) >= 1 and class_breaks(secret) >= 4


def _is_jumbled(part: bytes) -> bool:
    """Tell whether a part is neither a word, a number, nor a word with a number before or after it."""
    part = part.strip(b'!?;:,.*@#$%^&+=~()[]{}|<>"\\')
    if len(part) < 6:
        return False
    if _WORD_AND_NUMBER.fullmatch(part):
        return False
    return not _is_word(part)


def _is_word(part: bytes) -> bool:
    # Random letters change case about every second letter, where the humps of camelCase are longer, and they pile up
    # consonants.
    capitals = sum(65 <= symbol <= 90 for symbol in part)
    humps = part.isupper() or 3 * capitals <= len(part) + 2
    return part.isalpha() and humps and not _CONSONANTS.search(part)


def _decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(text.translate(bytes.maketrans(b"-_", b"+/")) + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


CHECKS: Mapping[str, Callable[[bytes], bool]] = {
    "bare_token": bare_token,
    "base58check": base58check,
    "base64_digits": base64_digits,
    "base64_key": base64_key,
    "jwt": jwt,
    "mixed": mixed,
    "opaque": opaque,
    "pair": pair,
    "password": password,
    "phrase": phrase,
    "vendor_token": vendor_token,
}
