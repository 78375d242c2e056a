"""The one write of ingestion: rows, ledger, quarantine, titles and the offset they stand for, or none of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import apsw

from memento.errors import StoreRestored
from memento.memory import Counts, NewMemory
from memento.storage import rows, sources
from memento.storage.database import Database
from memento.storage.sources import Defect, LedgerKey, SessionTitle, SourceState, Tally


@dataclass(frozen=True, slots=True)
class Batch:
    """What was read of one source between two offsets."""

    source: SourceState | None
    """Its state after the batch; None writes the rows alone and leaves no trace of how far was read."""
    memories: Sequence[NewMemory] = ()
    ledger: Mapping[LedgerKey, Tally] = field(default_factory=dict)
    defects: Sequence[Defect] = ()
    titles: Sequence[SessionTitle] = ()
    inactive: Sequence[str] = ()
    """Ids of memories that lie on an abandoned branch."""
    renamed_from: str = ""
    """The path under which the source was known before."""
    restart: bool = False
    """The source is read from its beginning again: what was accounted for it so far is void."""
    follows: Sequence[str] = ()
    """Paths of other sources that hold what these bytes only point to."""
    remembered: bool = True
    """False keeps the defects alone under the source: how far it is read stays as it was."""


def commit(database: Database, *batches: Batch, generation: int = 0) -> Counts:
    """Write batches, in their order, in one transaction and return how their memories met the store.

    Raises StoreRestored when another file has taken the place of the database since `generation`: the offsets that the
    batches go on from were not its own.
    """
    with database.write() as connection:
        if database.generation != generation and any(batch.source for batch in batches):
            raise StoreRestored(f"{database.path} was restored from a backup: sources are read again from there")
        return put(connection, batches)


def put(connection: apsw.Connection, batches: Sequence[Batch]) -> Counts:
    """Write batches inside the caller's transaction."""
    counts = rows.put(connection, [memory for batch in batches for memory in batch.memories])
    for batch in batches:
        rows.deactivate(connection, batch.inactive)
        sources.entitle(connection, batch.titles)
        sources.follow(connection, batch.follows)
        if batch.source is not None:
            _account(connection, batch, batch.source)
    return counts


def _account(connection: apsw.Connection, batch: Batch, source: SourceState) -> None:
    if not batch.remembered:
        if batch.defects:
            sources.quarantine(connection, sources.number(connection, source), batch.defects)
        return
    number, is_new = sources.save(connection, source, batch.renamed_from)
    sources.attribute(connection, number, [memory.id for memory in batch.memories], from_start=is_new or batch.restart)
    if not is_new:
        if batch.restart:
            sources.void(connection, number)
        sources.settle(connection, number)
    sources.account(connection, number, batch.ledger)
    sources.quarantine(connection, number, batch.defects)
