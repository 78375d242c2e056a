"""Record ids: bounded in length, and told apart by whether they can be met twice in the world."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

MAX_ID: Final = 128
"""Characters; of a longer id only the digest is kept."""
_UNIQUE_LENGTH: Final = 20


def short_id(value: str) -> str:
    """Return an id as it is, or the digest of one that is too long to be an id."""
    return value if len(value) <= MAX_ID else digest(value)


def digest(text: str) -> str:
    """Return BLAKE2b-64 of the text, in hex."""
    return blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def is_unique(value: str) -> bool:
    """Tell whether an id is long enough to be random; `call_0` or `entry-3` are unique in their session at best."""
    return len(value) >= _UNIQUE_LENGTH and any(character.isdigit() for character in value)
