"""Whether the files of an open database are still there: SQLite goes on in a deleted file without a word."""

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
    """Tell whether no file, or an empty one, stands at a database's path, and none is just being put there."""
    try:
        is_empty = path.stat().st_size == 0
    except OSError:
        is_empty = True
    return is_empty and not swap.is_swapping(path)


class FilePresence:
    """What has become of an open database's files."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: FileIdentity | None = None
        self._logs: tuple[FileIdentity | None, ...] = ()
        """Which files the log and its index of that database are, once both were seen."""

    def missing_file(self, opened: FileIdentity | None) -> MissingFile:
        """Tell which file was deleted of the database that is open as `opened`; its log's index counts as the log."""
        if is_deleted(self._path):
            return DATABASE
        place = swap.real_path(self._path)
        logs = tuple(swap.identity(Path(f"{place}{suffix}")) for suffix in ("-wal", "-shm"))
        if opened != self._opened or swap.identity(self._path) != opened:  # after the logs, which change places later
            self._opened, self._logs = opened, ()
        elif not self._logs and None not in logs:
            self._logs = logs
        return LOG if self._logs and logs != self._logs else ""

    def reset_logs(self) -> None:
        """Take other files for the log from now on."""
        self._logs = ()
