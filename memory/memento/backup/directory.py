"""The backup directory: a store's backups, in `backups` beside its database, and their retention.

Retention keeps manual backups, the latest hourly ones, one for each of the latest `storage.backup_retention_days` days
with a backup, migration backups as long as a daily one of the same age, and always the latest readable one. Backups are
ordered by sequence number, never by the clock, which may have been wrong.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from memento.backup.archive import Manifest, decompress, read_manifest
from memento.base.durable import locked, make_private_folder
from memento.base.home import expand_user
from memento.base.link_key import load_key
from memento.errors import BackupDamaged, UsageError

BACKUP_SUFFIX: Final = ".db.zst"
HOURLY_KEPT: Final = 6
_DAY_MS: Final = 86_400_000
_PARTIAL: Final = ".partial"


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup."""

    path: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        """Its name in the list."""
        return self.path.name.removesuffix(BACKUP_SUFFIX)


class BackupDirectory:
    """The backups of one database file."""

    def __init__(self, database: Path, folder: Path | None = None) -> None:
        self.database = database
        self.folder = database.parent / "backups" if folder is None else folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Create the folder (0700), lock it, and remove partial files of killed processes.

        The folder may be the user's own, so only names from `partial_path` are removed. Raises OSError.
        """
        make_private_folder(self.folder)
        with locked(self.folder / ".lock"):
            for path in self.folder.glob(f".{self.database.stem}-*{BACKUP_SUFFIX}{_PARTIAL}-*"):
                path.unlink(missing_ok=True)
            yield

    def new_path(self, kind: str, at: int) -> Path:
        """Return the path of a new backup, named by its time or the next free millisecond."""
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(at / 1000))
        path = self.folder / f"{self.database.stem}-{stamp}{at % 1000:03}Z-{kind}{BACKUP_SUFFIX}"
        return self.new_path(kind, at + 1) if path.exists() else path

    def partial_path(self, target: Path, what: str) -> Path:
        """Return the path of an unfinished part of a new backup."""
        return self.folder / f".{target.name}{_PARTIAL}-{what}"

    def all(self) -> list[Backup]:
        """Return the backups, newest first, without files whose manifest cannot be read."""
        found = []
        for path in self.folder.glob(f"{self.database.stem}-*{BACKUP_SUFFIX}"):
            with suppress(BackupDamaged):
                manifest = read_manifest(path)
                if manifest.database == self.database.name:
                    found.append(Backup(path, manifest))
        return sorted(found, key=lambda backup: (backup.manifest.sequence, backup.manifest.at), reverse=True)

    def next_sequence(self) -> int:
        """Return the sequence number of the next backup."""
        return 1 + max((backup.manifest.sequence for backup in self.all()), default=0)

    def unreadable(self) -> list[Path]:
        """Return the files named like backups of this database whose manifest cannot be read."""
        found = []
        for path in sorted(self.folder.glob(f"{self.database.stem}-*{BACKUP_SUFFIX}")):
            try:
                read_manifest(path)
            except BackupDamaged:
                found += [path] if path.exists() else []
        return found

    def find(self, name: str) -> Backup:
        """Return the backup of this name, file name or path. Raises UsageError, BackupDamaged."""
        for backup in self.all():
            if name in (backup.name, backup.path.name):
                return backup
        path = expand_user(name)
        if path.is_file():
            return Backup(path, read_manifest(path))
        raise UsageError(f"there is no backup {name}: `memento backup list` names them")

    def is_own(self, backup: Backup) -> bool:
        """Tell whether a backup is this store's own: it lies in this directory, or its signature is valid."""
        inside = backup.path.resolve().parent == self.folder.resolve()
        return inside or backup.manifest.is_signed(load_key(self.database.parent))

    def prune(self, retention_days: int) -> list[Backup]:
        """Remove expired backups and return them. A backup is removed only if a newer one is readable."""
        backups = self.all()
        kept = _paths_to_keep(backups, retention_days)
        for backup in backups:
            kept.add(backup.path)
            if _is_readable(backup):
                break
        gone = [backup for backup in backups if backup.path not in kept]
        for backup in gone:
            backup.path.unlink(missing_ok=True)
        return gone


def _paths_to_keep(backups: Iterable[Backup], retention_days: int) -> set[Path]:
    """Return the paths to keep, given the backups newest first."""
    kept: set[Path] = set()
    hourly = days = 0
    last_day: int | None = None
    for backup in backups:
        kind, day = backup.manifest.kind, backup.manifest.at // _DAY_MS
        if kind == "manual":
            kept.add(backup.path)
        elif kind == "hourly":
            hourly += 1
            if hourly <= HOURLY_KEPT:
                kept.add(backup.path)
        elif kind != "daily":
            if days < retention_days:
                kept.add(backup.path)
        elif day != last_day:
            days, last_day = days + 1, day
            if days <= retention_days:
                kept.add(backup.path)
    return kept


def _is_readable(backup: Backup) -> bool:
    try:
        decompress(backup.path, None)
    except (BackupDamaged, OSError):
        return False
    return True
