"""What the newest backups hold, so that journal lines and spool files may be removed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from memento.backup.directory import BackupDirectory
from memento.config import Config
from memento.storage.meta import parse_journal_position
from memento.storage.snapshot import file_position
from memento.storage.sources import SourceState

COPIES: Final = 2
"""Number of backups that must hold it, since a restore skips a damaged one."""


class BackupCoverage:
    """Tells what the newest backups hold. If backups are disabled, the store alone is enough."""

    def __init__(self, database: Path, config: Config) -> None:
        self._directory, self._enabled = BackupDirectory(database), config.settings.storage.backup_enabled
        self._seen = -1
        self._spools: list[dict[str, str]] = []

    def holds(self, source: SourceState) -> bool:
        """Tell whether what was read of a source is in the newest backups."""
        if not self._enabled:
            return True
        wanted = file_position(source.offset, source.head_hash, source.marker_hash)
        spools = self._newest()
        return len(spools) == COPIES and all(spool.get(source.path) == wanted for spool in spools)

    def _newest(self) -> list[dict[str, str]]:
        """Return the spools of the newest manifests, read again when the folder has changed."""
        try:
            changed = self._directory.folder.stat().st_mtime_ns
        except OSError:
            return []
        if changed != self._seen:
            self._spools = [backup.manifest.spool for backup in self._directory.all()[:COPIES]]
            self._seen = changed
        return self._spools


def trim_journal(database: Path, config: Config) -> None:
    """Remove the journal lines that the newest backups hold. Raises OSError."""
    from memento.writes.journal import journal_path, trim

    newest = BackupDirectory(database).all()[:COPIES]
    if not config.settings.storage.backup_enabled or len(newest) < COPIES:
        return
    trim(journal_path(database), [parse_journal_position(backup.manifest.journal) for backup in newest])
