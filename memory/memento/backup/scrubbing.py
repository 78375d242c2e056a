"""Backups after something was forgotten: written anew without it, or replaced."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from memento.backup.archive import file_hash, pack
from memento.backup.proof import defects, unpack
from memento.backup.shelf import Backup, Shelf
from memento.backup.taking import take
from memento.durable import publish
from memento.errors import BackupDamaged
from memento.link_key import link_key
from memento.storage import erasure, snapshot
from memento.storage.database import Database


def scrub_all(shelf: Shelf, tombstones: Sequence[str], needles: Sequence[str]) -> int:
    """Forget in every backup; return how many held something. One that is damaged is removed: it restores nothing.

    The caller holds the shelf's lock.
    """
    changed = 0
    for backup in shelf.all():
        try:
            changed += _scrub(shelf, backup, tombstones, needles)
        except BackupDamaged:
            backup.path.unlink(missing_ok=True)
            changed += 1
    return changed


def replace_all(database: Database, shelf: Shelf) -> Backup:
    """Take a new backup, then remove all others."""
    fresh = take(database, "forget", shelf, retention_days=0)
    for backup in shelf.all():
        if backup.path != fresh.path:
            backup.path.unlink(missing_ok=True)
    return fresh


def _scrub(shelf: Shelf, backup: Backup, tombstones: Sequence[str], needles: Sequence[str]) -> bool:
    scratch, partial = shelf.partial(backup.path, "copy"), shelf.partial(backup.path, "packed")
    try:
        unpack(backup, scratch)
        with snapshot.closing(snapshot.open_copy(scratch)) as connection:
            if not erasure.erase_from_copy(connection, tombstones, needles):
                return False
            held = snapshot.contents(connection)
        if problems := defects(scratch, held.hash):
            raise BackupDamaged(f"the backup {backup.path} is damaged: {problems[0]}")
        manifest = msgspec.structs.replace(
            backup.manifest,
            content=held.hash,
            counts=held.counts,
            bytes=scratch.stat().st_size,
            hash=file_hash(scratch),
        ).signed(link_key(shelf.database.parent))
        pack(scratch, manifest, partial)
        publish(partial, backup.path)
    finally:
        scratch.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)
    return True
