"""Recovery of a store whose files are deleted while a long-running process has them open.

A deleted file exists as long as it is open, so the whole database is copied back from it. If that fails, the newest
backup is restored, or an empty store is created if there is none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import apsw

from memento.backup.verification import find_problems
from memento.base.durable import locked, make_private_folder
from memento.base.times import now_ms
from memento.config import Config
from memento.errors import StoreCorrupt, StoreDeleted, StoreError
from memento.health import healings as record
from memento.health.healings import Healing
from memento.restore.rollback import candidate_backups, roll_back
from memento.storage import snapshot, swap
from memento.storage.database import Database, translated_errors
from memento.storage.presence import DATABASE, LOG, WHAT, FilePresence, is_deleted

GRACE_SECONDS: Final = 2.0
"""How long a database may be missing before it is restored, in case it is moved and moved back."""


class DeletedFiles:
    """Checks whether files of the open store were deleted, and restores them."""

    def __init__(self, database: Database, config: Config, say: Callable[[str], None]) -> None:
        self._database, self._config, self._say = database, config, say
        self._presence = FilePresence(database.path)
        self._since: float | None = None

    def check(self) -> bool:
        """Restore deleted files; return whether the database was deleted.

        Raises StoreDeleted while it is missing: during the grace period, or for good if storage.auto_restore is off.
        """
        path = self._database.path
        with suppress(StoreDeleted):
            _ = self._database.connection  # keep it open: otherwise another process may rightly remove the log
        gone = self._presence.missing_file(self._database.identity)
        if gone == LOG:
            self._database.renew_log()
            self._presence.reset_logs()
            self._say(
                f"the write-ahead log of {path} was deleted while it was in use: a new one is there, nothing was lost"
            )
        if gone != DATABASE:
            if self._since is not None:
                self._since = None
                self._say(f"{path} is back")
            return False
        self._since = time.monotonic() if self._since is None else self._since
        if not self._config.settings.storage.auto_restore:
            raise StoreDeleted(
                f"{path} {WHAT}. storage.auto_restore is off: stop this process, then `memento restore --latest`, or "
                "start it again for an empty store"
            )
        if time.monotonic() - self._since < GRACE_SECONDS:
            raise StoreDeleted(f"{path} {WHAT}")
        healing = restore_deleted(self._database)
        self._since = None
        self._presence.reset_logs()
        self._say(f"{healing.text}. {healing.advice}")
        return True


def restore_deleted(database: Database) -> Healing:
    """Restore a deleted database from the open file, else from a backup. Raises StoreError, OSError."""
    path = database.path
    make_private_folder(path.parent)
    with locked(path.with_name(path.name + ".heal.lock")):
        try:
            with translated_errors(path):  # not database.read: its reaction to damage would wait for this lock
                held = snapshot.copy(database.connection, swap.incoming(path))
            if problems := find_problems(swap.incoming(path), held.hash):  # an emptied file lacks pages
                raise StoreCorrupt(problems[0])
        except (StoreError, apsw.Error):
            swap.incoming(path).unlink(missing_ok=True)
            return roll_back(path, record.DELETED, candidate_backups(path), take_over=False)
        if not is_deleted(path):  # another process was faster
            swap.incoming(path).unlink(missing_ok=True)
        else:
            _swap_in(path)
        healing = Healing(at=now_ms(), why="", deleted=True)
        with database.write(durable=True) as connection:
            record.write_last(connection, healing)
    return healing


def _swap_in(path: Path) -> None:
    aside = path.with_name(f"{path.name}.deleted")
    swap.put_in_place(path, aside)
    for left in (aside, Path(f"{aside}-wal")):  # an empty file, and a log whose contents are in the copy
        left.unlink(missing_ok=True)
