"""Detection of an emptied store: SQLite treats the empty file as new, but its backups prove otherwise."""

from __future__ import annotations

from pathlib import Path

from memento.errors import StoreCorrupt


def refuse_emptied(path: Path) -> None:
    """Raise StoreCorrupt for an empty file that has backups."""
    if not path.exists() or path.stat().st_size:
        return
    from memento.backup import BackupDirectory

    if BackupDirectory(path).all():
        raise StoreCorrupt(f"{path} is empty, and there are backups of it: `memento restore --latest` restores one")
