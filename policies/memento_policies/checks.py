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

_BASE58 = {symbol: value for value, symbol in enumerate(b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}
_JOINED = re.compile(rb"[-_./,']+")
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
    "base58check": base58check,
    "base64_digits": base64_digits,
    "base64_key": base64_key,
    "jwt": jwt,
    "mixed": mixed,
}
