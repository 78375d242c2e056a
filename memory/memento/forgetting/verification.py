"""Verification: search every byte of every file of the store, and of its decompressed backups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from memento.backup import BackupDirectory
from memento.backup.archive import read_database
from memento.backup.directory import BACKUP_SUFFIX
from memento.errors import BackupDamaged
from memento.forgetting.probes import Probe, find_probes, read_blocks, read_in_subprocess
from memento.forgetting.receipt import FINISH, ForgetReceipt
from memento.forgetting.spool import Spool
from memento.storage import erasure
from memento.store import MemoryStore

_SQLITE_SUFFIXES: Final = ("", "-wal", "-shm", "-journal")
"""Suffixes of SQLite's files, which must never be deleted by hand."""
_HOME_NAMES: Final = ("hook-errors.log", "cache", "run")
"""Files and folders in Memento's home to search too."""


def verify(
    store: MemoryStore, receipt: ForgetReceipt, *, probes: Sequence[Probe], spool: Spool, ids: Sequence[str]
) -> None:
    """Search the files for the probes, and report those that hold one with what to do.

    A replaced database file is searched for `ids` too, since it has no tombstones, which would contain them.
    """
    receipt.probes = len(probes)
    rows = [Probe(one, "row") for one in ids]
    named = {entry.partition(": ")[0] for entry in receipt.left}
    for path, blocks in _contents(store, spool):
        try:
            found = find_probes(blocks, [*probes, *rows] if _is_aside(store, path) else probes)
        except FileNotFoundError:
            continue  # deleted in the meantime
        except (OSError, BackupDamaged) as error:
            if path.exists() and str(path) not in named:
                receipt.left.append(
                    f"{path}: it cannot be read ({error}) and may hold it: remove the cause or the file, {FINISH}"
                )
            continue
        receipt.searched.append(str(path))
        if found and str(path) not in named:
            receipt.left.append(f"{path}: {_advice(store, path, found)}")


def _advice(store: MemoryStore, path: Path, found: Sequence[Probe]) -> str:
    if _is_aside(store, path):
        return "a file that a backup replaced; delete it when nothing in it is missed"
    with store.database.read() as connection:
        others = max(erasure.count_holders(connection, probe.text) for probe in found)
    if others:
        return f"{others} other memories hold that piece: forget them too, or let it be"
    if path.name in {store.path.name + suffix for suffix in _SQLITE_SUFFIXES}:
        return f"the {found[0].what} is still in it: let other processes end that use the store, {FINISH}"
    if path.name.startswith(f"{store.path.name}.journal"):
        return f"the {found[0].what} is still in one of its lines, which goes when two backups hold it"
    if path.parent == BackupDirectory(store.path).folder:
        kept = store.config.settings.storage.forget_backups == "keep"
        setting = "storage.forget_backups is `keep`: set it to `scrub`" if kept else "it was not rewritten"
        return f"{setting}, or delete the file if you can do without it, {FINISH}"
    return f"the {found[0].what} is still in it: delete the file, {FINISH}"


def _is_aside(store: MemoryStore, path: Path) -> bool:
    return path.name.startswith(tuple(f"{store.path.name}.{why}" for why in ("damaged", "replaced", "outdated")))


def _contents(store: MemoryStore, spool: Spool) -> Iterator[tuple[Path, Iterable[bytes]]]:
    """Yield every file of the store with its bytes, a backup's decompressed. SQLite's files are read by a subprocess,
    since closing them here would drop locks.
    """
    places = dict.fromkeys((store.path, store.path.resolve()))  # the log lies beside the link's target
    for database in places:
        for path in _files(sorted(database.parent.glob(f"{database.name}*"))):
            yield path, read_in_subprocess(path)
    for path in _files([store.config.home / name for name in _HOME_NAMES]):
        yield path, read_blocks(path)
    for path in spool.files():
        yield path, read_blocks(path)
    backups = {backup.path for backup in BackupDirectory(store.path).all()}
    for path in _files([BackupDirectory(store.path).folder]):
        if path in backups:
            yield path, read_database(path)
        elif not path.name.endswith(BACKUP_SUFFIX):  # another store's backup is not searched
            yield path, read_blocks(path)


def _files(places: Iterable[Path]) -> Iterator[Path]:
    """Yield regular files, and those in folders."""
    for place in places:
        if place.is_dir() and not place.is_symlink():
            yield from _files(sorted(place.iterdir()))
        elif place.is_file():
            yield place
