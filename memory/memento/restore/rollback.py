"""Rollback to a backup without losing what was written later.

The backup is unpacked beside the store and checked there before the files are swapped (`storage.swap`). Later writes
return from intact rows of the damaged file, from the journal, and, since offsets are rolled back with the rows, from
the sources when they are read next.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import apsw
import msgspec

from memento.backup import Backup, BackupDirectory, unpack
from memento.base import killpoints
from memento.base.times import now_ms
from memento.errors import BackupDamaged, StoreCorrupt, StoreError
from memento.health import healings as record
from memento.health.healings import Healing
from memento.restore import foreign_backup
from memento.storage import compaction, ignored, repairs, rows, salvage, snapshot, swap, tombstones
from memento.storage.database import Database
from memento.writes import journal
from memento.writes.admission import Admission


def roll_back(
    path: Path, why: str, backups: list[Backup], *, take_over: bool = True, admission: Admission | None = None
) -> Healing:
    """Replace the store by the first sound backup of these, or by an empty store if there is none.

    `take_over` also salvages rows from the replaced file; its tombstones and ignored names are kept in any case. The
    caller holds the healing lock. With `admission`, the backups are foreign and only admitted rows are restored. `why`
    says what is damaged, and is empty if the store is sound. Raises BackupDamaged if no backup is sound, StoreCorrupt
    if the store is damaged too, StoreError if files cannot be written.
    """
    now = now_ms()
    aside = free_name(swap.real_path(path), now, "damaged" if why else "replaced")
    try:
        chosen = _prepare(path, why, backups, admission)
        killpoints.reach("rollback.prepared")
        swap.put_in_place(path, aside)
    except OSError as error:
        raise StoreError(f"cannot restore {path}: {error.strerror}; it is as it was") from None
    finally:
        swap.incoming(path).unlink(missing_ok=True)
    killpoints.reach("rollback.swapped")
    healing = Healing(
        at=now,
        why=why,
        backup=chosen.name if chosen else "",
        backup_at=chosen.manifest.at if chosen else 0,
        aside=str(aside) if aside.exists() else "",
    )
    return _catch_up(path, healing, aside, take_over=take_over)


def candidate_backups(path: Path) -> list[Backup]:
    """Return the backups to try, the newest first."""
    return BackupDirectory(path).all()


def _prepare(path: Path, why: str, backups: list[Backup], admission: Admission | None) -> Backup | None:
    """Unpack the first sound backup to the store's incoming file."""
    target = swap.incoming(path)
    problems = []
    for backup in backups:
        try:
            _unpack(path, backup, target, admission)
        except (BackupDamaged, apsw.Error) as error:
            problems.append(str(error))
        else:
            return backup
    if problems and why:
        raise StoreCorrupt(
            f"{path} is damaged, and so is every backup of it ({problems[0]}): `memento restore --salvage` begins anew"
        )
    if problems:
        raise BackupDamaged(f"{problems[0]}; {path} stays as it is: `memento backup list` names the store's backups")
    _new_store(target).close()
    _remove_locks(target)
    return None


def _unpack(path: Path, backup: Backup, target: Path, admission: Admission | None) -> None:
    """Unpack a backup to the incoming file `target`. Raises BackupDamaged, apsw.Error."""
    if admission is None:
        unpack(backup, target)
        with snapshot.closing(snapshot.open_copy(target)) as connection:
            repairs.renew_store_id(connection)
        snapshot.upgrade_copy(target)
        return
    scratch = target.with_name(f"{target.name}.copy")
    try:
        unpack(backup, scratch)
        snapshot.upgrade_copy(scratch)
        with snapshot.closing(snapshot.open_copy(scratch)) as copy:
            database = _new_store(target)
            try:
                foreign_backup.admit_rows(copy, database, admission)
            finally:
                database.close()
    finally:
        scratch.unlink(missing_ok=True)
        _remove_locks(target)


def _new_store(target: Path) -> Database:
    """Create an empty store, replacing any file there."""
    for name in (target, *(target.with_name(f"{target.name}{log}") for log in ("-wal", "-shm", "-journal"))):
        name.unlink(missing_ok=True)
    return Database(target)


def _remove_locks(target: Path) -> None:
    for lock in target.parent.glob(f"{target.name}.*"):
        lock.unlink()


def _catch_up(path: Path, healing: Healing, aside: Path, *, take_over: bool) -> Healing:
    """Add what was written after the backup; repeating this is harmless."""
    database = Database(path)
    try:
        with compaction.compact_after_deletions(database):
            replayed = 0
            with suppress(OSError):
                replayed = journal.replay(database)
            taken, unreadable = _salvage(database, aside, take_over=take_over) if aside.exists() else (0, 0)
        done = msgspec.structs.replace(healing, replayed=replayed, salvaged=taken, unreadable=unreadable)
        with database.write(durable=True) as connection:
            record.write_last(connection, done)
    finally:
        database.close()
    return done


def _salvage(database: Database, aside: Path, *, take_over: bool) -> tuple[int, int]:
    """Salvage what the damaged file holds beyond the backup; return the numbers of rows salvaged and unreadable.

    Without `take_over`, only tombstones and ignored names.
    """
    try:
        wreck = salvage.DamagedDatabase(aside)
    except apsw.Error:
        return 0, 0
    try:
        with database.write() as connection:
            forgotten = wreck.forgotten()
            tombstones.add_tombstones(connection, forgotten)
            rows.delete(connection, forgotten)
            for kind, value in wreck.ignored():
                ignored.add(connection, kind, value)
            counts = rows.put(connection, wreck.memories() if take_over else ())
    finally:
        wreck.close()
        Path(f"{aside}-shm").unlink(missing_ok=True)
    return len(counts.stored) + len(counts.extended), wreck.unreadable


def free_name(path: Path, now: int, state: str) -> Path:
    """Return a free path for the replaced file; `state` is `damaged`, `replaced` or `outdated`."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now / 1000))
    aside = path.with_name(f"{path.name}.{state}-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.{state}-{stamp}-{number}")
    return aside
