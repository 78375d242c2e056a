"""A database file that only its owner can read, made before SQLite opens it."""

from __future__ import annotations

import errno
import os
import threading
from contextlib import suppress
from pathlib import Path

from memento.errors import StoreError

_creating = threading.Lock()


def create_private(path: Path) -> None:
    """Create the file (0600) before SQLite does: it copies the file's mode to -wal and -shm."""
    try:
        with _creating, suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise not_opened(path, error) from None


def not_opened(path: Path, error: OSError) -> StoreError:
    """Return what to raise; locks and log lie beside the file, so reading it needs a folder that can be written too."""
    is_closed = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    mend = "make it and its folder writable for you, or name" if is_closed else "name"
    return StoreError(f"cannot open the store {path}: {error.strerror}; {mend} another with --db or MEMORY_DB_PATH")


def make_private(path: Path) -> None:
    """Take a file that was there already away from others, where it is ours."""
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(OSError):
            name.chmod(0o600)
