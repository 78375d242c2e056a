"""The write of ingestion: rows, ledger, quarantine, titles and their offset commit together or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import apsw

from memento.errors import StoreRestored
from memento.memory import Counts, NewMemory
from memento.storage import ignored, rows, sources
from memento.storage.database import Database
from memento.storage.ignored import Ignored
from memento.storage.sources import Defect, LedgerKey, SessionTitle, SourceState, Tally

IGNORED: Final = LedgerKey("skipped", "ignored")


@dataclass(frozen=True, slots=True)
class Batch:
    """What was read of one source between two offsets."""

    source: SourceState | None
    """Its state after the batch; None writes only the rows and no offset."""
    memories: Sequence[NewMemory] = ()
    ledger: Mapping[LedgerKey, Tally] = field(default_factory=dict)
    defects: Sequence[Defect] = ()
    titles: Sequence[SessionTitle] = ()
    inactive: Sequence[str] = ()
    """Ids of memories on an abandoned branch."""
    renamed_from: str = ""
    """The source's previous path."""
    restart: bool = False
    """Whether the source is read from its beginning again, which resets its ledger."""
    after: int | None = None
    """The offset its row must still have, since reading continued there; None accepts any."""
    follows: Sequence[str] = ()
    """Paths of other sources that hold what these bytes only refer to."""
    remembered: bool = True
    """False stores only the defects of the source and leaves its offset unchanged."""
    repeats: Mapping[str, int] = field(default_factory=dict)
    """{memory id: how often its content was said again}; those records are not stored."""


def commit(database: Database, *batches: Batch, generation: int = 0) -> Counts:
    """Write batches in order, in one transaction; return how many memories were stored, extended or known.

    Raises SourceMoved if a source's row is no longer at the offset a batch continues from, and StoreRestored if the
    database file was replaced since `generation`: then the batches' offsets belong to the old file.
    """
    with database.write() as connection:
        if database.generation != generation and any(batch.source for batch in batches):
            raise StoreRestored(f"{database.path} was restored from a backup: sources are read again from there")
        return write_batches(connection, batches)


def write_batches(connection: apsw.Connection, batches: Sequence[Batch]) -> Counts:
    """Write batches inside the caller's transaction.

    Ignored memories are left out here too, since they may have been ignored after the batch was read.
    """
    read = sum(len(batch.memories) for batch in batches)
    if out := ignored.load(connection):
        batches = [_without_ignored(batch, out) for batch in batches]
    memories = [memory for batch in batches for memory in batch.memories]
    counts = rows.put(connection, memories)._replace(ignored=read - len(memories))
    sources.set_titles(connection, [title for batch in batches for title in batch.titles])
    for batch in batches:
        rows.deactivate(connection, batch.inactive)
        rows.count_repeats(connection, batch.repeats)
        sources.follow(connection, batch.follows)
        if batch.source is not None:
            _write_source(connection, batch, batch.source)
    return counts


def _without_ignored(batch: Batch, out: Ignored) -> Batch:
    """Return a batch without ignored memories, with a ledger that counts them as ignored."""
    kept = [memory for memory in batch.memories if not out.covers(memory.session_id, memory.project)]
    left_out = Counter(_stored_as(one) for one in batch.memories)
    left_out.subtract(Counter(_stored_as(one) for one in kept))
    if not kept and (IGNORED in batch.ledger or batch.memories):  # its defects are of the same session
        batch = replace(batch, defects=[defect._replace(sample="") for defect in batch.defects])
    if len(kept) == len(batch.memories):
        return batch
    ledger = dict(batch.ledger)
    moved = ledger.get(IGNORED, Tally(0, 0))
    for key, count in left_out.items():
        stored = ledger.get(key, Tally(0, 0))
        messages = min(count, stored.messages)
        size = stored.bytes if messages == stored.messages else 0  # each message's share of the bytes is unknown
        ledger[key] = Tally(stored.messages - messages, stored.bytes - size)
        moved = Tally(moved.messages + messages, moved.bytes + size)
    used = {key: tally for key, tally in ledger.items() if tally != (0, 0)}
    return replace(batch, memories=kept, ledger={**used, IGNORED: moved})


def _stored_as(memory: NewMemory) -> LedgerKey:
    return LedgerKey("stored", str(memory.why.get("reason", "")))


def _write_source(connection: apsw.Connection, batch: Batch, source: SourceState) -> None:
    if not batch.remembered:
        if batch.defects:
            sources.quarantine(connection, sources.find_or_add(connection, source), batch.defects)
        return
    number, is_new = sources.save(connection, source, batch.renamed_from, batch.after)
    sources.attribute_memories(
        connection, number, [memory.id for memory in batch.memories], from_start=is_new or batch.restart
    )
    if not is_new:
        if batch.restart:
            sources.reset_ledger(connection, number)
        sources.drop_incomplete_line(connection, number)
    sources.add_to_ledger(connection, number, batch.ledger)
    sources.quarantine(connection, number, batch.defects)
