"""Erasure of forgotten memories from backups: each is rewritten, or all are replaced.

Invariant: no failure removes a backup. A backup is replaced only by a file that was checked and read back; one that
cannot be rewritten stays unchanged and is reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import msgspec

from memento.backup.archive import compress, decompress, hash_file
from memento.backup.creation import create
from memento.backup.directory import Backup, BackupDirectory
from memento.backup.verification import find_problems, unpack
from memento.base import killpoints
from memento.base.durable import publish
from memento.base.link_key import load_key
from memento.errors import BackupDamaged, MementoError
from memento.storage import erasure, snapshot
from memento.storage.database import Database


@dataclass(slots=True)
class BackupErasure:
    """The outcome for each backup."""

    clean: int = 0
    """Backups that held nothing forgotten."""
    rewritten: int = 0
    kept: dict[Path, str] = field(default_factory=dict)
    """Backups that could not be rewritten and may still hold something forgotten, with the reason."""


def erase_from_all(directory: BackupDirectory, keys: Sequence[str], texts: Sequence[str] = ()) -> BackupErasure:
    """Erase from every backup what these tombstones match; `texts` are searched for in quarantined samples.

    The caller holds the directory's lock.
    """
    done = BackupErasure()
    for backup in directory.all():
        try:
            if _erase_from(directory, backup, keys, texts):
                done.rewritten += 1
            else:
                done.clean += 1
        except (MementoError, OSError, apsw.Error, ValueError) as error:
            done.kept[backup.path] = str(getattr(error, "strerror", None) or error)
    for path in directory.unreadable():
        done.kept[path] = "it cannot be read as a backup"
    return done


def replace_all(database: Database, directory: BackupDirectory) -> Backup:
    """Create a new backup, then remove all others."""
    fresh = create(database, "forget", directory, retention_days=0)
    for backup in directory.all():
        if backup.path != fresh.path:
            backup.path.unlink(missing_ok=True)
    return fresh


def _erase_from(directory: BackupDirectory, backup: Backup, keys: Sequence[str], texts: Sequence[str]) -> bool:
    scratch, partial = directory.partial_path(backup.path, "copy"), directory.partial_path(backup.path, "packed")
    try:
        unpack(backup, scratch)
        with snapshot.closing(snapshot.open_copy(scratch)) as connection:
            if not erasure.erase_from_copy(connection, keys, texts):
                return False
            held = snapshot.read_contents(connection)
        if problems := find_problems(scratch, held.hash):
            raise BackupDamaged(f"its copy is not sound without it: {problems[0]}")
        manifest = msgspec.structs.replace(
            backup.manifest,
            content=held.hash,
            counts=held.counts,
            bytes=scratch.stat().st_size,
            hash=hash_file(scratch),
        ).signed(load_key(directory.database.parent))
        killpoints.reach("scrub.checked")
        compress(scratch, manifest, partial)
        decompress(partial, None)  # the file must return the checked copy, bit for bit
        killpoints.reach("scrub.packed")
        publish(partial, backup.path)
    finally:
        for path in (scratch, partial, Path(f"{scratch}-journal")):
            path.unlink(missing_ok=True)
    return True
