"""The key under which secrets are hashed, so that two mentions of one can be linked although neither is stored.

It lies in the store's folder and is in no backup: without it a hash says nothing about its secret.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from memento.base.durable import private, private_folder, replace

FILE: Final = "redaction.key"
BYTES: Final = 32


def link_key(folder: Path) -> bytes:
    """Return the folder's key, made on first use (0600); empty where it can be neither read nor made."""
    path = folder / FILE
    with suppress(OSError):
        key = path.read_bytes()
        if len(key) == BYTES:
            return key
    try:
        private_folder(folder)
        return _made(path)
    except OSError:
        return b""


def _made(path: Path) -> bytes:
    """Make the key; of two processes that do so at once, both use the key of the one that was first."""
    key = os.urandom(BYTES)
    partial = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with os.fdopen(private(partial), "wb") as file:
            file.write(key)
        with suppress(FileExistsError):
            os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    found = path.read_bytes()
    if len(found) != BYTES:  # torn by a power cut: nothing was hashed under it that can still be compared
        replace(path, key)
        return key
    return found
