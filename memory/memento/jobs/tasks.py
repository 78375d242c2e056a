"""The functions of the jobs that keep the store sound and small."""

from __future__ import annotations

from collections.abc import Sequence

from memento.base.counted import counted
from memento.errors import StoreCorrupt, StoreError
from memento.health import (
    ENVIRONMENT_CHECKS,
    INTEGRITY_CHECKS,
    Check,
    CheckContext,
    Finding,
    Remedy,
    run_checks,
    run_checks_on_slice,
)
from memento.restore.opener import restrict_access
from memento.storage import compaction, vectors
from memento.store import MemoryStore


def back_up_hourly(store: MemoryStore) -> str:
    """Create an hourly backup, and trim the journal lines that two backups hold."""
    return _back_up(store, "hourly")


def back_up_daily(store: MemoryStore) -> str:
    """Create the daily backup."""
    return _back_up(store, "daily")


def _back_up(store: MemoryStore, kind: str) -> str:
    from memento.backup import BackupDirectory, create
    from memento.backup.coverage import trim_journal

    settings = store.config.settings.storage
    if not settings.backup_enabled:
        return "backups are switched off"
    try:
        backup = create(
            store.database, kind, BackupDirectory(store.path), retention_days=settings.backup_retention_days
        )
    except StoreCorrupt as error:
        return _heal(store, str(error))
    trim_journal(store.path, store.config)
    return f"{backup.name}, {counted(backup.manifest.counts['memories'], 'memory')}"


def check_slice(store: MemoryStore) -> str:
    """Check the next slice of the rows and everything cheap; heal damage, and restrict open permissions."""
    restrict_access(store.path, store.config)
    return _heal_damage(store, run_checks_on_slice(CheckContext(store.database, store.config), INTEGRITY_CHECKS))


def check_all(store: MemoryStore, beyond: Sequence[Check] = ()) -> str:
    """Run all checks of `memento doctor`, and those of `beyond`; heal damage.

    Raises StoreError for broken things that cannot be healed here.
    """
    restrict_access(store.path, store.config)
    found = run_checks(CheckContext(store.database, store.config), [*INTEGRITY_CHECKS, *ENVIRONMENT_CHECKS, *beyond])
    done = _heal_damage(store, found)
    if wrong := [one for one in found if one.level == "broken" and one.remedy is Remedy.NONE]:
        raise StoreError("; ".join(f"{one.text}: {one.advice}" if one.advice else one.text for one in wrong))
    return done


def _heal_damage(store: MemoryStore, found: list[Finding]) -> str:
    damage = _damage(found)
    return _heal(store, damage[0].text) if damage else "sound"


def _damage(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.remedy is not Remedy.NONE]


def _heal(store: MemoryStore, damage: str) -> str:
    """Heal the store. Raises StoreCorrupt if that is impossible."""
    from memento.restore.healing import heal

    healing = heal(store.path, store.config) if store.config.settings.storage.auto_restore else None
    if healing is None:
        if not _damage(run_checks(CheckContext(store.database, store.config), INTEGRITY_CHECKS)):
            return "sound; another process has just healed it"
        raise StoreCorrupt(f"{store.path} is damaged ({damage}): `memento doctor` says what to do")
    return healing.text


def consolidate_store(store: MemoryStore) -> str:
    """Mark repeated and outdated memories, and promote lasting ones."""
    from memento.curation.consolidation import consolidate

    counts = consolidate(store).counts
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "nothing to do"


def trim_cache(store: MemoryStore) -> str:
    """Evict the least recently used query embeddings."""
    with store.database.write() as connection:
        gone = vectors.trim_cache(connection, store.config.settings.cache.table_size)
    return f"{counted(gone, 'query embedding')} removed"


def checkpoint(store: MemoryStore) -> str:
    """Checkpoint the write-ahead log, as far as readers allow."""
    with store.database.read() as connection:
        left = compaction.checkpoint(connection)
    return f"{counted(left, 'page')} left in the log" if left else "the log is empty"
