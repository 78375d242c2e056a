"""Whether a word was made by a generator: the marks of tokens whose vendor no rule knows yet.

A vendor's token is a short prefix, a separator and a long tail that no one wrote: letters change case and turn into
digits at nearly every second place, where identifiers keep to their humps. Hashes and public ids have the same tails,
so that the prefix decides for them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Final

_PARTS: Final = re.compile(rb"[_.~:+/=-]+")
_HEX: Final = re.compile(rb"[0-9a-f]+\Z|[0-9A-F]+\Z")
_BREAKS: Final = re.compile(rb"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[a-z0-9])|(?<=[0-9])(?=[A-Za-z])")
_UUID: Final = re.compile(rb"(?i)[0-9a-f]{8}[_-]?[0-9a-f]{4}[_-]?[0-9a-f]{4}[_-]?[0-9a-f]{4}[_-]?[0-9a-f]{12}\Z")
_PREFIX: Final = re.compile(rb"[A-Za-z][A-Za-z0-9]{0,15}\Z|v?\d{1,2}\Z")
_SORTABLE: Final = re.compile(rb"(?i)0[0-7][0-9a-hjkmnp-tv-z]{24}\Z")
"""ULID and TypeID: ids that begin with a time."""
SECRET_WORDS: Final = frozenset(
    (
        b"ak sk rk pk key keys skey apikey api apk tok token tokens tkn pat oat uat sat cat rat mat aat sec "
        b"secret secrets auth access refresh bearer cred creds credential pass pw password pwd signing signkey "
        b"webhook whsec live prod test sandbox sbox sdbx dev admin pub private priv license lic deploy oauth jwt "
        b"ott psk"
    ).split()
)
_PUBLIC_WORDS: Final = frozenset(
    (
        b"user users sess session toolu srvtoolu mcptoolu call msg req run thread asst chatcmpl cmpl resp rs item "
        b"file batch ft ftjob step cus pi ch price prod_ sub evt in acct seti pm src txn po dp ii il si cs bps "
        b"plink promo card ba org team proj project conv event trace span job task node pod img image sha sha1 "
        b"sha256 sha384 sha512 md5 blake3 blake2b hash hashes cache chunk bundle main index vendor app build "
        b"commit rev ref tree blob layer digest etag id uid guid row doc page block box pr tx txid addr address "
        b"track tracking version release checksum integrity container docker snapshot nonce state code challenge "
        b"fingerprint cid ipfs fn func function method class css module style styles test_case linux darwin "
        b"windows macos node_modules pnpm npm cargo pip gradle maven go yarn setup sum crc signature sig uuid "
        b"ulid cuid resource request response message session_id user_id device tenant workspace account customer "
        b"order invoice payment product plan feature flag experiment variant segment campaign email list member "
        b"contact lead deal ticket issue comment post article video audio photo media asset upload download "
        b"attachment object bucket key_id kid arn vpc subnet i ami vol eni rtb igw sg acl nat eipalloc lb tg "
        b"cluster ng ocid1 dpl prj deployment did"
    ).split()
)
_NOT_LOWER: Final = bytes(byte for byte in range(256) if not 97 <= byte <= 122)
_NOT_UPPER: Final = bytes(byte for byte in range(256) if not 65 <= byte <= 90)
_NOT_DIGIT: Final = bytes(byte for byte in range(256) if not 48 <= byte <= 57)
_BASE58_SIZES: Final = frozenset({43, 44, 45, 46, 87, 88})
"""Of public keys, content ids and signatures of chains, whose alphabet lacks four symbols."""
_LINE_SIZES: Final = frozenset({64, 70, 76})
"""Of a line of Base64 in a certificate, a key or a mail."""
MIN_TAIL: Final = 20
MAX_TOKEN: Final = 4096


def vendor_token(secret: bytes) -> bool:
    """A prefix and a random tail, as vendors make their tokens; no hash and no public id."""
    if not secret.translate(None, _NOT_DIGIT) or not _PARTS.search(secret) or len(secret) > MAX_TOKEN:
        return False
    parts = [part for part in _PARTS.split(secret) if part]
    first = next((i for i, part in enumerate(parts) if len(part) >= 12 and _looks_random(part, 12)), 0)
    if first == 0 or first > 6 or not all(_PREFIX.match(part) for part in parts[:first]):
        return False
    prefix = [part.lower() for part in parts[:first]]
    named = any(word in SECRET_WORDS or _ends_secret(word) for word in prefix)
    if not named and any(word in _PUBLIC_WORDS for word in prefix):
        return False
    tail = b"".join(parts[first:])
    longest = max(parts[first:], key=len)
    if _HEX.match(tail):
        return len(tail) >= 32 if named else len(tail) >= 60 and first <= 2 and len(prefix[0]) <= 8
    if not named and _SORTABLE.match(tail):
        return False
    return len(tail) >= (MIN_TAIL if named else 28) and len(longest) >= 12 and _looks_random(tail, MIN_TAIL)


def bare_token(secret: bytes) -> bool:
    """A long word of letters in both cases and digits, by itself; no hash, no address, no name."""
    return (
        40 <= len(secret) <= 128
        and len(secret) not in _LINE_SIZES
        and not secret.startswith((b"Qm", b"0x", b"sha"))
        and min(class_counts(secret)) >= 3
        and (len(secret) not in _BASE58_SIZES or any(symbol in secret for symbol in b"0OIl"))
        and class_breaks(secret) >= 0.45 * (len(secret) - 1)
        and entropy(secret) >= 4.2
    )


def entropy(secret: bytes) -> float:
    """Bits per byte of the secret's own byte distribution (Shannon 1948): 0 for one repeated byte."""
    size = len(secret)
    return math.log2(size) - sum(n * math.log2(n) for n in Counter(secret).values()) / size


def _ends_secret(word: bytes) -> bool:
    return len(word) > 4 and word.endswith((b"key", b"token", b"secret", b"sec", b"pat", b"tok", b"api"))


def _looks_random(part: bytes, least: int) -> bool:
    size = len(part)
    if size < least:
        return False
    lower, upper, digits = class_counts(part)
    breaks = class_breaks(part)
    if _HEX.match(part):
        return size >= 20 and digits >= 3 and lower + upper >= 2
    if lower and upper:
        needed = 0.34 if digits else 0.42
        return breaks >= needed * (size - 1) and entropy(part) >= min(3.2, math.log2(size) - 0.9)
    mixed = digits >= 2 and lower + upper >= 4 and breaks >= 0.2 * (size - 1)
    return mixed and entropy(part) >= min(3.0, math.log2(size) - 0.9)


def class_breaks(part: bytes) -> int:
    """Return how often small letters, capitals and digits change places."""
    return len(_BREAKS.findall(part))


def class_counts(part: bytes) -> tuple[int, int, int]:
    """Return how many small letters, capitals and digits there are."""
    lower = len(part.translate(None, _NOT_LOWER))
    upper = len(part.translate(None, _NOT_UPPER))
    return lower, upper, len(part.translate(None, _NOT_DIGIT))


def pair(secret: bytes) -> bool:
    """Two parts around a dot that mix letters and digits, the second random and no hash."""
    first, _, second = secret.partition(b".")
    is_random = _looks_random(second, 16) or (min(class_counts(second)[:2]) >= 4 and class_breaks(second) >= 6)
    return sum(map(bool, class_counts(first))) >= 2 and not _HEX.match(second) and is_random
