"""Backups after something was forgotten: rewritten without it, or replaced.

Invariant: no failure removes a backup. One is replaced only by a file that was checked and read back; one that cannot
be rewritten stays as it is, and is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import msgspec

from memento.backup.archive import expand, file_hash, pack
from memento.backup.proof import defects, unpack
from memento.backup.shelf import Backup, Shelf
from memento.backup.taking import take
from memento.base import killpoints
from memento.base.durable import publish
from memento.base.link_key import link_key
from memento.errors import BackupDamaged, MementoError
from memento.storage import erasure, snapshot
from memento.storage.database import Database


@dataclass(slots=True)
class Scrubbed:
    """What became of the backups."""

    clean: int = 0
    """Those that held nothing of it."""
    rewritten: int = 0
    kept: dict[Path, str] = field(default_factory=dict)
    """Those that could not be rewritten, and why: they may hold it still."""


def scrub_all(shelf: Shelf, keys: Sequence[str], texts: Sequence[str] = ()) -> Scrubbed:
    """Forget in every backup what these tombstones stand for; `texts` are looked for in quarantined samples.

    The caller holds the shelf's lock.
    """
    done = Scrubbed()
    for backup in shelf.all():
        try:
            if _scrub(shelf, backup, keys, texts):
                done.rewritten += 1
            else:
                done.clean += 1
        except (MementoError, OSError, apsw.Error, ValueError) as error:
            done.kept[backup.path] = str(getattr(error, "strerror", None) or error)
    for path in shelf.unreadable():
        done.kept[path] = "it cannot be read as a backup"
    return done


def replace_all(database: Database, shelf: Shelf) -> Backup:
    """Take a new backup, then remove all others."""
    fresh = take(database, "forget", shelf, retention_days=0)
    for backup in shelf.all():
        if backup.path != fresh.path:
            backup.path.unlink(missing_ok=True)
    return fresh


def _scrub(shelf: Shelf, backup: Backup, keys: Sequence[str], texts: Sequence[str]) -> bool:
    scratch, partial = shelf.partial(backup.path, "copy"), shelf.partial(backup.path, "packed")
    try:
        unpack(backup, scratch)
        with snapshot.closing(snapshot.open_copy(scratch)) as connection:
            if not erasure.erase_from_copy(connection, keys, texts):
                return False
            held = snapshot.read_contents(connection)
        if problems := defects(scratch, held.hash):
            raise BackupDamaged(f"its copy is not sound without it: {problems[0]}")
        manifest = msgspec.structs.replace(
            backup.manifest,
            content=held.hash,
            counts=held.counts,
            bytes=scratch.stat().st_size,
            hash=file_hash(scratch),
        ).signed(link_key(shelf.database.parent))
        killpoints.reach("scrub.checked")
        pack(scratch, manifest, partial)
        expand(partial, None)  # what is read back is, bit for bit, the copy that was checked
        killpoints.reach("scrub.packed")
        publish(partial, backup.path)
    finally:
        for path in (scratch, partial, Path(f"{scratch}-journal")):
            path.unlink(missing_ok=True)
    return True
