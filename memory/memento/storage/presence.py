"""Presence of an open database's files: SQLite continues in a deleted file without an error."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from memento.storage import swap
from memento.storage.swap import FileIdentity

DATABASE: Final = "database"
LOG: Final = "log"
WHAT: Final = "was deleted, moved away or emptied while it was in use; it is not damaged"
MissingFile = Literal["", "database", "log"]


def is_deleted(path: Path) -> bool:
    """Tell whether the file at a database's path is missing or empty, and no swap is in progress."""
    try:
        is_empty = path.stat().st_size == 0
    except OSError:
        is_empty = True
    return is_empty and not swap.is_swapping(path)


class FilePresence:
    """Watches whether an open database's files still exist."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: FileIdentity | None = None
        self._logs: tuple[FileIdentity | None, ...] = ()
        """The identities of the log and its index, once both were seen."""

    def missing_file(self, opened: FileIdentity | None) -> MissingFile:
        """Return which file of the open database was deleted, if any; the log's index counts as the log."""
        if is_deleted(self._path):
            return DATABASE
        place = swap.real_path(self._path)
        logs = tuple(swap.identity(Path(f"{place}{suffix}")) for suffix in ("-wal", "-shm"))
        if opened != self._opened or swap.identity(self._path) != opened:  # after the logs, which are swapped later
            self._opened, self._logs = opened, ()
        elif not self._logs and None not in logs:
            self._logs = logs
        return LOG if self._logs and logs != self._logs else ""

    def reset_logs(self) -> None:
        """Accept new log files from now on."""
        self._logs = ()
