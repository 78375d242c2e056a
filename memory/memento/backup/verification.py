"""Verification of a backup: it is restored into a scratch file, checked, and compared with its source."""

from __future__ import annotations

from pathlib import Path

import apsw

from memento.backup.archive import Manifest, decompress
from memento.backup.directory import Backup
from memento.errors import BackupDamaged, StoreError
from memento.storage import integrity, snapshot


def prove(backup: Backup, scratch: Path) -> None:
    """Restore a backup into the file `scratch`, compare it with its manifest, and remove it again.

    Raises BackupDamaged.
    """
    try:
        unpack(backup, scratch)
    finally:
        scratch.unlink(missing_ok=True)


def unpack(backup: Backup, target: Path) -> Manifest:
    """Restore a backup into the new file `target` and compare it with its manifest. Raises BackupDamaged."""
    manifest = decompress(backup.path, target)
    problems = find_problems(target, manifest.content)
    if problems:
        raise BackupDamaged(f"the backup {backup.path} is damaged: {problems[0]}")
    return manifest


def find_problems(copy: Path, content: str) -> list[str]:
    """Return the problems of a copy whose contents should have the hash `content`."""
    try:
        with snapshot.closing(snapshot.open_copy(copy)) as connection:
            found = integrity.check_structure(connection)
            scan = integrity.check_rows(connection)
            found += [f"row {num} is not what was written" for num in scan.damaged]
            found += [f"the embedding of row {num} is not what was written" for num in scan.unsound]
            found += integrity.check_fulltext(connection) + integrity.check_tags(connection)
            if not found and snapshot.read_contents(connection).hash != content:
                found.append("it does not hold what its source held")
    except (apsw.Error, StoreError, UnicodeDecodeError) as error:
        return [str(error)]
    return found
