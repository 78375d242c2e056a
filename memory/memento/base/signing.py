"""Signatures that prove that a file was written by this store's owner: a keyed hash.

The key is `redaction.key`, which is in no backup and no export (link_key.py). A file without a valid signature is
untrusted: its claims are ignored unless the user vouches for it.
"""

from __future__ import annotations

import hmac
from hashlib import blake2b
from typing import Final, Literal

_BYTES: Final = 32

Purpose = Literal["backup", "export"]
"""What is signed: a signature made for one purpose proves nothing for another."""


class Seal:
    """A keyed hash of the data given so far."""

    def __init__(self, purpose: Purpose, key: bytes) -> None:
        self._has_key = bool(key)
        self._hash = blake2b(key=key, digest_size=_BYTES, person=f"memento {purpose}".encode())

    def update(self, data: bytes) -> None:
        """Add data."""
        self._hash.update(data)

    def hexdigest(self) -> str:
        """Return the signature; empty without a key."""
        return self._hash.hexdigest() if self._has_key else ""

    def proves(self, claimed: object) -> bool:
        """Tell whether a claimed signature is valid for the data."""
        own = self.hexdigest()
        return bool(own) and isinstance(claimed, str) and claimed.isascii() and hmac.compare_digest(own, claimed)
