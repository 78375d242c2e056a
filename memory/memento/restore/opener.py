"""Opens a store and heals it if it is damaged. The code for healing is imported only when needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from memento.config import Config
from memento.errors import StoreCorrupt, StoreError, StoreRestored
from memento.restore.emptied_file import refuse_emptied
from memento.storage import swap
from memento.storage.database import Database
from memento.storage.permissions import restrict_folders


def open_database(path: Path, config: Config) -> Database:
    """Open a store's database, healing it first if it is damaged; damage that SQLite reports later is healed too.

    Raises StoreCorrupt if there is no backup to restore.
    """
    restrict_access(path, config)
    try:
        refuse_emptied(path)
        database = Database(path, _migration_backup(config))
    except StoreCorrupt:
        if not config.settings.storage.auto_restore:
            raise
        _heal(path, config)  # does nothing if another process has just healed it
        refuse_emptied(path)
        database = Database(path, _migration_backup(config))

    def on_damage(error: StoreCorrupt) -> None:
        if not config.settings.storage.auto_restore:
            return
        if what := _heal(path, config):
            raise StoreRestored(f"{what}. Repeat what was interrupted") from None
        if swap.identity(path) not in (None, database.identity):
            raise StoreRestored(f"{path} was restored by another process. Repeat what was interrupted") from None

    database.on_damage = on_damage
    return database


def restrict_access(path: Path, config: Config) -> None:
    """Restrict the store's folders to their owner, and log it. Raises StoreError if that is impossible."""
    if done := restrict_folders(path, config.home):
        import logging

        for text in done:
            logging.getLogger("memento").warning("memento: %s", text)  # on standard error unless a handler is set


def _migration_backup(config: Config) -> Callable[[Database], None]:
    """Return a function that backs a store up before its schema changes."""

    def take_one(database: Database) -> None:
        from memento.backup import BackupDirectory, create

        days = config.settings.storage.backup_retention_days
        try:
            create(database, "migration", BackupDirectory(database.path), retention_days=days)
        except StoreCorrupt:
            raise
        except StoreError as error:
            raise StoreError(
                f"{database.path} was written by an older Memento. A backup is taken before it is upgraded, and that "
                f"failed, so nothing was changed: {error}"
            ) from None

    return take_one


def _heal(path: Path, config: Config) -> str:
    """Heal the store and return a sentence about it; empty if nothing was done."""
    from memento.restore.healing import heal

    healing = heal(path, config)
    return healing.text if healing else ""
