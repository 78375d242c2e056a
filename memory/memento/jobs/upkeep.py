"""What the jobs do that keep the file sound and small."""

from __future__ import annotations

from collections.abc import Sequence

from memento.base.counted import counted
from memento.errors import StoreCorrupt, StoreError
from memento.health import INTEGRITY, STATE, Check, Finding, Patient, Remedy, examine, examine_slice
from memento.restore.opening import close_to_others
from memento.storage import upkeep, vectors
from memento.store import MemoryStore


def hourly_backup(store: MemoryStore) -> str:
    """Back up, and let go of what two backups hold."""
    return _backup(store, "hourly")


def daily_backup(store: MemoryStore) -> str:
    """Take the day's snapshot."""
    return _backup(store, "daily")


def _backup(store: MemoryStore, kind: str) -> str:
    from memento.backup import Shelf, take
    from memento.backup.secured import trim_journal

    settings = store.config.settings.storage
    if not settings.backup_enabled:
        return "backups are switched off"
    try:
        backup = take(store.database, kind, Shelf(store.path), retention_days=settings.backup_retention_days)
    except StoreCorrupt as error:
        return _heal(store, str(error))
    trim_journal(store.path, store.config)
    return f"{backup.name}, {counted(backup.manifest.counts['memories'], 'memory')}"


def health(store: MemoryStore) -> str:
    """Examine the next part of the rows, and all that takes little time; heal what is damaged, close what is open."""
    close_to_others(store.path, store.config)
    return _treated(store, examine_slice(Patient(store.database, store.config), INTEGRITY))


def full_health(store: MemoryStore, beyond: Sequence[Check] = ()) -> str:
    """Examine all that `memento doctor` does, with these checks `beyond` the store's own; heal what is damaged.

    Raises StoreError for what is broken and nothing here can heal.
    """
    close_to_others(store.path, store.config)
    found = examine(Patient(store.database, store.config), [*INTEGRITY, *STATE, *beyond])
    done = _treated(store, found)
    if wrong := [one for one in found if one.level == "broken" and one.remedy is Remedy.NONE]:
        raise StoreError("; ".join(f"{one.text}: {one.advice}" if one.advice else one.text for one in wrong))
    return done


def _treated(store: MemoryStore, found: list[Finding]) -> str:
    damage = _damage(found)
    return _heal(store, damage[0].text) if damage else "sound"


def _damage(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.remedy is not Remedy.NONE]


def _heal(store: MemoryStore, damage: str) -> str:
    """Heal the store; raises StoreCorrupt when that cannot be."""
    from memento.restore.healing import heal

    healing = heal(store.path, store.config) if store.config.settings.storage.auto_restore else None
    if healing is None:
        if not _damage(examine(Patient(store.database, store.config), INTEGRITY)):
            return "sound; another process has just healed it"
        raise StoreCorrupt(f"{store.path} is damaged ({damage}): `memento doctor` says what to do")
    return healing.text


def consolidation(store: MemoryStore) -> str:
    """Mark what is said twice or outdated, promote what matters for long."""
    from memento.curation.consolidation import consolidate

    counts = consolidate(store).counts
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "nothing to do"


def trim_cache(store: MemoryStore) -> str:
    """Let the query embeddings go that were not used for longest."""
    with store.database.write() as connection:
        gone = vectors.trim_cache(connection, store.config.settings.cache.table_size)
    return f"{counted(gone, 'query embedding')} removed"


def checkpoint(store: MemoryStore) -> str:
    """Move the write-ahead log into the database, as far as readers let it."""
    with store.database.read() as connection:
        left = upkeep.checkpoint(connection)
    return f"{counted(left, 'page')} left in the log" if left else "the log is empty"
