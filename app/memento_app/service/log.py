"""The service's log: appended to by one sidecar, rotated by size, private to its user."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from io import TextIOWrapper
from logging import LogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from memento.base.durable import make_private_folder
from memento.base.escaping import escape_line
from memento_app.service.program import ServiceError

MAX_BYTES: Final = 1024 * 1024
KEPT: Final = 3
"""Older files that are kept: `watch.log.1` is the newest of them."""
_POLL_SECONDS: Final = 0.25


class ServiceLog:
    """Writes lines with their time. A full disk loses lines and stops nothing."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        """Open the log. Raises ServiceError."""
        try:
            make_private_folder(path.parent)
            self._handler = _Handler(path, maxBytes=max_bytes, backupCount=KEPT, encoding="utf-8", errors="replace")
        except OSError as error:
            raise ServiceError(f"{path}: the log cannot be written: {error.strerror}") from None

    def __call__(self, text: str) -> None:
        """Add one line."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._handler.handle(LogRecord("memento", 20, "", 0, f"{stamp} {escape_line(text)}", None, None))

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            self._handler.close()


class _Handler(RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags | os.O_NOFOLLOW, 0o600)

        return open(self.baseFilename, "a", encoding="utf-8", errors="replace", opener=private)

    def handleError(self, record: LogRecord) -> None:
        """Lose the line: a sidecar that cannot log goes on."""


def tail(path: Path, count: int) -> list[str]:
    """Return the last lines of the log, across rotated files."""
    found: deque[str] = deque(maxlen=count)
    for one in _files(path):
        with suppress(FileNotFoundError), one.open(encoding="utf-8", errors="replace") as file:
            found.extend(line.rstrip("\n") for line in file)
    return list(found)


def exists(path: Path) -> bool:
    """Tell whether there is a log."""
    return any(one.exists() for one in _files(path))


def follow(path: Path) -> Iterator[str]:
    """Yield every line that is written from now on, also after a rotation; wait for a log that is not there yet."""
    file, rest = _opened(path, at_end=True), ""
    try:
        while True:
            rotated = file is None or _was_rotated(path, file)
            chunk = file.read() if file else ""  # after that look: what was written before the rotation is in it
            *lines, rest = (rest + chunk).split("\n")
            yield from lines
            if rotated and (after := _opened(path, at_end=False)) is not None:
                if file:
                    file.close()
                file = after
            elif not chunk:
                time.sleep(_POLL_SECONDS)
    finally:
        if file:
            file.close()


def _files(path: Path) -> list[Path]:
    """Return the log's files, oldest first."""
    return [*(path.with_name(f"{path.name}.{number}") for number in range(KEPT, 0, -1)), path]


def _opened(path: Path, *, at_end: bool) -> TextIOWrapper | None:
    try:
        file = path.open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    if at_end:
        file.seek(0, os.SEEK_END)
    return file


def _was_rotated(path: Path, file: TextIOWrapper) -> bool:
    try:
        return not os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
