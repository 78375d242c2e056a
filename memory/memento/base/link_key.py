"""The link key: secrets are hashed with it, so that mentions of one secret can be linked although it is not stored.

It lies in the store's folder and in no backup: without it, a hash reveals nothing about its secret.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from memento.base.durable import create_private_file, make_private_folder, replace

KEY_FILE: Final = "redaction.key"
KEY_BYTES: Final = 32


def load_key(folder: Path) -> bytes:
    """Return the folder's key, created on first use (0600); empty if it can be neither read nor created."""
    path = folder / KEY_FILE
    with suppress(OSError):
        key = path.read_bytes()
        if len(key) == KEY_BYTES:
            return key
    try:
        make_private_folder(folder)
        return _make_key(path)
    except OSError:
        return b""


def _make_key(path: Path) -> bytes:
    """Create the key; if two processes do so at once, both use the first one's key."""
    key = os.urandom(KEY_BYTES)
    partial = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with os.fdopen(create_private_file(partial), "wb") as file:
            file.write(key)
        with suppress(FileExistsError):
            os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    found = path.read_bytes()
    if len(found) != KEY_BYTES:  # torn by a power cut: hashes made with it are useless anyway
        replace(path, key)
        return key
    return found
