"""Healing of a damaged store: rebuild derived data if that is enough, else restore a backup.

One process heals at a time (flock); a process that waited checks again and finds the store sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from memento.base.durable import locked
from memento.base.times import now_ms
from memento.config import Config
from memento.errors import StoreCorrupt, StoreError
from memento.health import INTEGRITY_CHECKS, CheckContext, Finding, Remedy, healings as record, run_checks
from memento.health.checks import broken_finding
from memento.health.healings import Healing
from memento.health.integrity_checks import open_vector_file
from memento.restore.emptied_file import refuse_emptied
from memento.restore.rollback import candidate_backups, free_name, roll_back
from memento.storage import fulltext, repairs, snapshot, swap
from memento.storage.database import Database, translated_errors


def heal(path: Path, config: Config) -> Healing | None:
    """Check the whole store and repair it; return None if it is sound, or cannot be repaired.

    Raises StoreError if the disk prevents it.
    """
    try:
        with locked(path.with_name(path.name + ".heal.lock")):
            repaired = _repair_schema(path)
            damage = [finding for finding in _find_damage(path, config) if finding.remedy is not Remedy.NONE]
            if not damage and not repaired:
                return None
            healing = _rebuild_derived(path, config, damage, repaired)
            if healing is None and (backups := candidate_backups(path)):
                healing = roll_back(path, damage[0].text, backups)
    except OSError as error:
        raise StoreError(f"{path} is damaged and cannot be restored now: {error.strerror}") from None
    if healing:
        record.notify_desktop(healing)
    return healing


def _find_damage(path: Path, config: Config) -> list[Finding]:
    try:
        refuse_emptied(path)
        database = Database(path, _keep_outdated)
    except StoreCorrupt as error:
        return [broken_finding(str(error), "", Remedy.RESTORE)]
    try:
        return run_checks(CheckContext(database, config), INTEGRITY_CHECKS)
    finally:
        database.close()


def _keep_outdated(database: Database) -> None:
    """Copy a store of an older schema beside itself before it is migrated: while it is damaged, no backup is taken."""
    snapshot.copy(database.connection, free_name(swap.real_path(database.path), now_ms(), "outdated"))


def _repair_schema(path: Path) -> str:
    """Repair triggers, views and indexes; return what was wrong, empty if nothing was repaired."""
    try:
        with translated_errors(path), swap.shared_lock(path):
            return repairs.repair_schema(path) if path.exists() and path.stat().st_size else ""
    except StoreError:
        return ""  # the checks report the reason


def _rebuild_derived(path: Path, config: Config, damage: Sequence[Finding], repaired: str) -> Healing | None:
    """Rebuild derived data; return None if that is not enough. `repaired` names a schema repair already done."""
    if any(finding.remedy is Remedy.RESTORE for finding in damage):
        return None
    healing = Healing(at=now_ms(), why=repaired or damage[0].text)
    try:
        database = Database(path)
        try:
            with database.write(durable=True) as connection:
                for finding in damage:
                    if finding.remedy is Remedy.REEMBED:
                        repairs.drop_embeddings(connection, finding.rows)
                for remedy, rebuild in (
                    (Remedy.REINDEX, repairs.rebuild_indexes),
                    (Remedy.TAGS, repairs.rebuild_tags),
                    (Remedy.WORDS, fulltext.rebuild),
                ):
                    if any(finding.remedy is remedy for finding in damage):
                        rebuild(connection)
                record.write_last(connection, healing)
            if any(finding.remedy is Remedy.VECTORS for finding in damage) and (file := open_vector_file(database)):
                file.remove()
            left = run_checks(CheckContext(database, config), INTEGRITY_CHECKS)
        finally:
            database.close()
    except StoreError:
        return None
    return None if any(finding.remedy is not Remedy.NONE for finding in left) else healing
