"""Opening a store that heals itself. What healing needs is loaded only when it is needed."""

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
    """Open a store's database, healed first if it is damaged; what SQLite says of it later heals it too.

    Raises StoreCorrupt when there is no backup to restore.
    """
    restrict_access(path, config)
    try:
        refuse_emptied(path)
        database = Database(path, _migration_backup(config))
    except StoreCorrupt:
        if not config.settings.storage.auto_restore:
            raise
        _heal(path, config)  # does nothing where another process has just done it: opening tells whether all is well
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
    """Take the store's folders away from others, and say so. Raises StoreError where that cannot be."""
    if done := restrict_folders(path, config.home):
        import logging

        for text in done:
            logging.getLogger("memento").warning("memento: %s", text)  # without a handler: on standard error


def _migration_backup(config: Config) -> Callable[[Database], None]:
    """Return what backs a store up before its schema changes."""

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
    """Heal the store and return what was done; empty when nothing could be."""
    from memento.restore.healing import heal

    healing = heal(path, config)
    return healing.text if healing else ""
