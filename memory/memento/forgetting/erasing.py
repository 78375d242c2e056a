"""Forgetting memories everywhere at once, and the receipt that says where they were and that they are gone.

Order: first the rows, their tombstones and the journal's line, in one transaction, so that a kill afterwards leaves
something that is forgotten already and only not yet overwritten; running it again finishes it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from memento import journal
from memento.backup import Shelf
from memento.backup.archive import unpacked
from memento.backup.scrubbing import replace_all, scrub_all
from memento.counted import counted
from memento.errors import BackupDamaged
from memento.forgetting.probes import Probe, blocks_of, found_in, probes
from memento.memory import Memory
from memento.search.store_index import folder_of
from memento.storage import erasure, mending, rows, upkeep
from memento.store import MemoryStore

CHECKPOINT_SECONDS: Final = 5.0
"""How long readers of the log are waited for."""

Scrub = Callable[[Sequence[Probe]], int]
"""Takes what holds one of the probes out of a place the store does not know (the hooks' spool); returns how much."""


@dataclass(slots=True)
class Receipt:
    """What was forgotten, and where."""

    ids: list[str]
    journal: int = 0
    """Lines taken out of the journal."""
    quarantine: int = 0
    spool: int = 0
    """Records taken out of the hooks' spool."""
    backups: str = ""
    """What was done about the backups."""
    searched: list[str] = field(default_factory=list)
    """Files whose every byte was searched for pieces of the forgotten texts."""
    probes: int = 0
    """How many pieces."""
    left: list[str] = field(default_factory=list)
    """Files that still hold one, and why."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON-serialisable form."""
        return asdict(self)


def forget(store: MemoryStore, memories: Sequence[Memory], scrub_spool: Scrub = lambda _: 0) -> Receipt:
    """Forget memories; raises StoreError when the store cannot be written: then nothing was."""
    receipt = Receipt([memory.id for memory in memories])
    wanted = probes(memories)
    receipt.probes = len(wanted)
    tombstones = [key for memory in memories for key in rows.tombstones(memory.id, memory.text)]
    connection = store.database.connection
    with erasure.overwriting(connection):
        journal.write(store.database, lambda _: [journal.Forget(tombstones)])
        with store.database.write() as connection:
            receipt.quarantine = erasure.empty_quarantine(connection, [probe.text for probe in wanted])
            mending.empty_cache(connection)
    receipt.journal = journal.scrub(journal.journal_path(store.path), frozenset(receipt.ids))
    receipt.spool = scrub_spool(wanted)
    shutil.rmtree(folder_of(store.path), ignore_errors=True)  # the next recall makes it from the rows that are left
    _empty_log(store)
    receipt.backups = _forget_in_backups(store, tombstones, wanted)
    _verify(store, receipt, wanted)
    return receipt


def _empty_log(store: MemoryStore) -> None:
    """Write the log back and truncate it, as soon as no reader needs it."""
    give_up = time.monotonic() + CHECKPOINT_SECONDS
    while True:
        with store.database.read() as connection:
            if not upkeep.checkpoint(connection) or time.monotonic() > give_up:
                return
        time.sleep(0.05)


def _forget_in_backups(store: MemoryStore, tombstones: Sequence[str], wanted: Sequence[Probe]) -> str:
    shelf, policy = Shelf(store.path), store.config.settings.storage.forget_backups
    backups = shelf.all()
    if not backups:
        return "there are none"
    if policy == "scrub":
        with shelf.held():
            changed = scrub_all(shelf, tombstones, [probe.text for probe in wanted])
            return f"{changed} of {len(backups)} held something, and written anew without it"
    if policy == "expire":
        replace_all(store.database, shelf)
        return f"{counted(len(backups), 'was', 'were')} removed and a new one taken"
    days = store.config.settings.storage.backup_retention_days
    return f"{counted(len(backups), 'is', 'are')} kept, for {counted(days, 'day')} at most (storage.forget_backups)"


def _verify(store: MemoryStore, receipt: Receipt, wanted: Sequence[Probe]) -> None:
    """Search every byte of every file of the store."""
    hits = _hits(store, receipt, wanted)
    if any(path == store.path for path, _ in hits):
        with store.database.read() as connection:
            erasure.compact(connection)  # free pages may hold earlier versions of a text
        _empty_log(store)
        receipt.searched = []
        hits = _hits(store, receipt, wanted)
    for path, probe in hits:
        with store.database.read() as connection:
            others = erasure.holders(connection, probe.text)
        reason = f"{others} other memories hold that piece" if others else "delete the file, or it goes with time"
        receipt.left.append(f"{path}: {reason}")


def _hits(store: MemoryStore, receipt: Receipt, wanted: Sequence[Probe]) -> list[tuple[Path, Probe]]:
    hits: list[tuple[Path, Probe]] = []
    for path, blocks in _contents(store):
        try:
            hits += [(path, probe) for probe in found_in(blocks, wanted)]
        except (OSError, BackupDamaged):
            continue  # gone meanwhile
        receipt.searched.append(str(path))
    return hits


def _contents(store: MemoryStore) -> Iterable[tuple[Path, Iterable[bytes]]]:
    """Yield every file that belongs to the store, a backup as what it holds. SQLite's own files are read by it too:
    opening them here would drop its locks when they are closed, so they are read by another process.
    """
    from memento.forgetting.elsewhere import read_elsewhere

    own = [path for path in sorted(store.path.parent.glob(f"{store.path.name}*")) if path.is_file()]
    for path in own:
        yield path, read_elsewhere(path)
    spool = store.config.home / "spool"
    for path in sorted(spool.glob("*")) if spool.is_dir() else ():
        yield path, blocks_of(path)
    for backup in Shelf(store.path).all():
        yield backup.path, unpacked(backup.path)
