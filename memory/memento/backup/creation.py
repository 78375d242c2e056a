"""Creation of a backup: copy, check, compress, read back, rename. A failure leaves no file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import apsw

from memento.backup.archive import Manifest, compress, decompress, hash_file
from memento.backup.directory import Backup, BackupDirectory
from memento.backup.verification import find_problems
from memento.base import killpoints
from memento.base.durable import publish
from memento.base.link_key import load_key
from memento.base.times import now_ms
from memento.errors import StoreCorrupt, StoreError
from memento.storage import snapshot
from memento.storage.database import Database

_SPARE: Final = 64 * 1024 * 1024
"""Bytes that must stay free, so that a backup never fills the disk."""


def create(
    database: Database,
    kind: str,
    directory: BackupDirectory,
    *,
    retention_days: int,
    now: int | None = None,
    to: Path | None = None,
) -> Backup:
    """Back up the store as it is now, verify the backup, and remove expired ones.

    `kind` is `hourly`, `daily`, `manual` or a word of your own, and part of the file's name; daily backups are kept for
    the latest `retention_days` days with a backup. `now` is Unix milliseconds; `to` is the file to write, by default
    one in the directory.

    Raises StoreCorrupt if the store itself is damaged, StoreError if the backup cannot be written.
    """
    try:
        with directory.locked():
            at = now_ms() if now is None else now
            _require_space(database, directory.folder)
            backup = _create(database, kind, directory, at, to or directory.new_path(kind, at))
            if kind in ("hourly", "daily"):
                directory.prune(retention_days)
    except OSError as error:
        raise StoreError(f"cannot write a backup to {directory.folder}: {error.strerror or error}") from None
    return backup


def _create(database: Database, kind: str, directory: BackupDirectory, at: int, target: Path) -> Backup:
    scratch, partial = directory.partial_path(target, "copy"), directory.partial_path(target, "packed")
    try:
        manifest = _checked_copy(database, kind, at, directory.next_sequence(), scratch)
        killpoints.reach("backup.checked")
        compress(scratch, manifest, partial)
        scratch.unlink()
        decompress(partial, None)  # the file must return the checked copy, bit for bit
        publish(partial, target)
    finally:
        for path in (scratch, partial, Path(f"{scratch}-journal")):
            path.unlink(missing_ok=True)
    return Backup(target, manifest)


def _checked_copy(database: Database, kind: str, at: int, sequence: int, scratch: Path) -> Manifest:
    with database.read() as connection:
        held = snapshot.copy(connection, scratch)
    killpoints.reach("backup.copied")
    if problems := find_problems(scratch, held.hash):
        raise StoreCorrupt(f"{database.path} is damaged: {problems[0]}. `memento doctor` says what to do")
    return Manifest(
        database=database.path.name,
        kind=kind,
        at=at,
        schema=held.schema,
        content=held.hash,
        counts=held.counts,
        bytes=scratch.stat().st_size,
        hash=hash_file(scratch),
        spool=held.spool,
        journal=held.journal,
        sqlite=apsw.sqlite_lib_version(),
        sequence=sequence,
    ).signed(load_key(database.path.parent))


def _require_space(database: Database, folder: Path) -> None:
    needed = 2 * database.path.stat().st_size + _SPARE
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StoreError(
            f"a backup in {os.fspath(folder)} needs {needed / 1e6:,.0f} MB while it is made, "
            f"and {free / 1e6:,.0f} MB are free: free {(needed - free) / 1e6:,.0f} MB there and try again"
        )
