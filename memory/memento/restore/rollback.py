"""Going back to a backup without losing what came after it.

The backup is unpacked beside the store and checked there; only then do the files change places (`storage.swap`). What
came after it returns from the damaged file where rows are sound, from the journal, and, since the offsets went back
with the rows, from the sources when they are next read.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import apsw
import msgspec

from memento import journal, killpoints
from memento.backup import Backup, Shelf, unpack
from memento.errors import BackupDamaged, StoreCorrupt, StoreError
from memento.restore import record
from memento.restore.record import Healing
from memento.storage import mending, rows, salvage, snapshot, swap
from memento.storage.database import Database
from memento.times import now_ms


def roll_back(path: Path, why: str, backups: list[Backup], *, take_over: bool = True) -> Healing:
    """Put the first of these backups that is sound in the place of the store; without any, an empty store.

    `take_over` also takes the rows that can still be read from the file that is replaced. The caller holds the lock of
    healing. Raises StoreCorrupt when backups were given and none is sound, StoreError when files cannot be written.
    """
    now = now_ms()
    aside = _free_name(path, now)
    try:
        chosen = _prepare(path, backups)
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
    return _catch_up(path, healing, aside if take_over else None)


def candidates(path: Path) -> list[Backup]:
    """Return the backups to try, the newest first."""
    return Shelf(path).all()


def _prepare(path: Path, backups: list[Backup]) -> Backup | None:
    """Unpack the first sound backup as what is to take the store's place."""
    target = swap.incoming(path)
    for backup in backups:
        with suppress(BackupDamaged):
            unpack(backup, target)
            with snapshot.closing(snapshot.open_copy(target)) as connection:
                mending.rename_store(connection)
            return backup
    if backups:
        raise StoreCorrupt(f"{path} is damaged, and so is every backup of it: `memento restore --salvage` begins anew")
    Database(target).close()
    for lock in target.parent.glob(f"{target.name}.*"):
        lock.unlink()
    return None


def _catch_up(path: Path, healing: Healing, aside: Path | None) -> Healing:
    """Bring in what came after the backup; all of it is harmless to repeat."""
    database = Database(path)
    try:
        replayed = 0
        with suppress(OSError):
            replayed = journal.replay(database)
        taken, unreadable = _salvage(database, aside) if aside and aside.exists() else (0, 0)
        done = msgspec.structs.replace(healing, replayed=replayed, salvaged=taken, unreadable=unreadable)
        with database.write(durable=True) as connection:
            record.write(connection, done)
    finally:
        database.close()
    return done


def _salvage(database: Database, aside: Path) -> tuple[int, int]:
    """Take what the damaged file holds beyond the backup; return how many rows, and how many cannot be read."""
    taken = 0
    try:
        wreck = salvage.Wreck(aside)
    except apsw.Error:
        return 0, 0
    try:
        with database.write() as connection:
            rows.bury(connection, wreck.forgotten())
            for memory in wreck.memories():
                counts = rows.put(connection, [memory])
                taken += len(counts.stored) + len(counts.extended)
    finally:
        wreck.close()
        Path(f"{aside}-shm").unlink(missing_ok=True)
    return taken, wreck.unreadable


def _free_name(path: Path, now: int) -> Path:
    """Return the name under which the damaged file is kept."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now / 1000))
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    return aside
