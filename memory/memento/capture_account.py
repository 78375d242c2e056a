"""What a store knows about its sources: how far each was read, what was left out, and what is ignored."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from memento.base.escaping import escape_line
from memento.config import Config
from memento.memory import Counts, Memory, NewMemory
from memento.storage import accounts, capture, ignored, meta, rows, sources
from memento.storage.accounts import CaptureTotals, SourceAccount, SourceProgress
from memento.storage.capture import Batch
from memento.storage.filters import IN_JSON_LIST
from memento.storage.ignored import Ignored, Kind
from memento.storage.sources import Quarantined, SourceState
from memento.writes import journal

if TYPE_CHECKING:
    import apsw

    from memento.storage.database import Database
    from memento_policies import Policy


class CaptureAccount(ABC):
    """The part of a MemoryStore that ingestion works with."""

    config: Config
    _database: Database
    _known_generation: int

    @property
    @abstractmethod
    def policy(self) -> Policy:
        """The policy in force, loaded on first use. Raises PolicyError."""

    def commit(self, *batches: Batch) -> Counts:
        """Write what was read of one source or of several, with their new offsets, in one transaction.

        Raises StoreRestored when the offsets they go on from were another file's: see `take_up_restored`.
        """
        counts = capture.commit(self._database, *batches, generation=self._known_generation)
        for batch in batches:
            self._echo(batch.memories, counts)
        return counts

    def take_up_restored(self) -> bool:
        """Take note that a backup was restored: offsets that were looked up before are void. False if none was."""
        before, self._known_generation = self._known_generation, self._database.generation
        if before == self._known_generation:
            return False
        with suppress(OSError):  # a full disk: the journal waits for the next start
            journal.replay(self._database)
        return True

    def unread_since_restore(self) -> str:
        """Return what to tell of answers while sources are still to be read after a restore; empty when none are."""
        with self._database.read() as connection:
            return meta.restore_notice(connection)

    def sources_read(self) -> None:
        """Take note that every source has been read to its end: after a restore nothing is missing any more."""
        if self.unread_since_restore():
            with self._database.write() as connection:
                meta.delete_note(connection, meta.RESTORED)

    def ignored(self) -> Ignored:
        """Return the sessions and projects that ingestion leaves out."""
        with self._database.read() as connection:
            return ignored.load(connection)

    def ignore(self, kind: Kind, value: str, *, forget: bool = False) -> int:
        """Leave a session or a project (and its subfolders) out from now on; `forget` deletes what is stored of it.

        Returns the number of memories forgotten. Journal and backups still hold them: `memento forget --finish` removes
        them from those too.
        """
        value = self.policy.redact(value).text  # as the store knows it

        def entries(connection: apsw.Connection) -> list[journal.Entry]:
            stored = ignored.stored(connection, kind, value) if forget else []
            return [journal.Ignore(kind, value), *([journal.Forget(stored)] if stored else [])]

        return sum(journal.write(self._database, entries)[1:])

    def stored_of(self, kind: Kind, value: str) -> list[Memory]:
        """Return what is stored of a session or of a project and its subfolders."""
        value = self.policy.redact(value).text
        with self._database.read() as connection:
            ids = ignored.stored(connection, kind, value)
            return rows.select(connection, f"id {IN_JSON_LIST}", (json.dumps(ids),), "num", len(ids))

    def has_title(self, session: str) -> bool:
        """Tell whether a session has a title."""
        with self._database.read() as connection:
            return sources.has_title(connection, session)

    def unignore(self, kind: Kind, value: str) -> bool:
        """Capture a session or a project again; False when it was not ignored."""
        known = self.policy.redact(value).text
        return bool(journal.write(self._database, lambda _: [journal.Ignore(kind, known, out=False)])[0])

    def source(self, path: str, device: int = 0, inode: int = 0) -> SourceState | None:
        """Return how far a file has been read, known by its path or, after a rename, by its identity."""
        with self._database.read() as connection:
            return sources.find(connection, path, device, inode)

    def accounts(self, limit: int | None = None, offset: int = 0) -> list[SourceAccount]:
        """Return the sources read so far with their ledgers, the one read last first.

        `limit` and `offset` take a page of them.
        """
        with self._database.read() as connection:
            return accounts.read_accounts(connection, limit, offset)

    def progress(self) -> Iterator[SourceProgress]:
        """Yield how far every source was read, a page of them in memory at a time."""
        return accounts.read_progress(self._database)

    def capture_totals(self) -> CaptureTotals:
        """Return how many sources were read, and what became of all that they hold."""
        with self._database.read() as connection:
            return accounts.count_totals(connection)

    def unrecognised(self) -> list[str]:
        """Return the files in watched or ingested folders that no format recognised."""
        with self._database.read() as connection:
            return accounts.unrecognised_paths(connection)

    def without_messages(self) -> list[str]:
        """Return the sources in whose many records no message was found: most likely they are another agent's."""
        with self._database.read() as connection:
            return accounts.silent_paths(connection)

    def followed(self) -> list[str]:
        """Return the transcripts that hooks named: they are watched wherever they lie."""
        with self._database.read() as connection:
            return sources.followed(connection)

    def projects(self) -> list[str]:
        """Return the folders that agents are known to have worked in."""
        with self._database.read() as connection:
            return rows.distinct_projects(connection)

    def quarantined(self, limit: int = 20) -> list[Quarantined]:
        """Return the latest records that could not be read, latest first."""
        with self._database.read() as connection:
            return sources.quarantined(connection, limit)

    def _echo(self, memories: Sequence[NewMemory], counts: Counts) -> None:
        if not self.config.settings.echo:
            return
        new = {*counts.stored, *counts.extended}
        for memory in memories:
            if memory.id in new:
                line = escape_line(" ".join(memory.text.split()))[:200]
                sys.stderr.write(f"[memento] {memory.id[:8]} {memory.importance:.2f} {memory.role}: {line}\n")
