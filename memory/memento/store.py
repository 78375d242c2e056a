"""The store: what a program does with its memory.

`remember` returns once the row is on the disk; it is found by words at once and by meaning when the call returns.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

from memento.base import arguments
from memento.base.home import expand_user, store_file
from memento.base.link_key import load_key
from memento.base.times import zone_of
from memento.capture_account import CaptureAccount
from memento.config import Config, load_config
from memento.errors import ModelError, StoreError, UsageError
from memento.memory import KNOWLEDGE, Counts, Memory, NewMemory, Recall
from memento.narrowing import Filters, When, to_filter
from memento.restore.opener import open_database
from memento.search.backlog import Progress, Swap
from memento.search.index_status import IndexStatus
from memento.search.recall import CATCH_UP_SECONDS, Options, recall as search
from memento.search.semantic import Semantic
from memento.search.working import WorkingTier
from memento.standing import StandingInstructions
from memento.storage import overview, rows, tombstones, turns
from memento.storage.filters import Filter
from memento.storage.overview import Stats
from memento.writes import journal

if TYPE_CHECKING:
    from memento.embedding import Embedder
    from memento.health.healings import Healing
    from memento.storage.database import Database
    from memento_policies import Policy

_MOST_KEPT: Final = 500
"""Memories of an answer that the working tier keeps: it holds a thousand answers."""
_NEAREST: Final = 64
"""Neighbours that are looked at first where all are wanted that are near enough."""
_ID_PREFIX: Final = re.compile(r"[0-9a-fA-F]{1,32}")


class MemoryStore(CaptureAccount, StandingInstructions):
    """A memory in one SQLite file, which is made where there is none; a context manager, closed by `close`.

    `path` defaults to the configured one (MEMORY_DB_PATH, config.yaml, ~/.memento/memory.db), `config` to what
    `load_config` reads. An `embedder` of your own replaces the configured model. Raises ConfigError for settings that
    cannot be used, StoreError where the file cannot be, StoreTooNew for a file of a newer Memento.

    Thread safety: one instance may be used from several threads, and one file from several instances and processes at
    once; a process that was forked opens its own. Writes wait for each other, 60 s at most, then they raise StoreBusy;
    reading never waits for a write. Any method may raise StoreError: StoreCorrupt where the file is damaged and cannot
    be mended, StoreRestored where a backup has just taken its place and the call is to be made again.
    """

    def __init__(
        self, path: str | Path | None = None, *, config: Config | None = None, embedder: Embedder | None = None
    ) -> None:
        self.config = config or load_config()
        self.path = self.config.db_path if path is None else store_file(path)
        self._database = open_database(self.path, self.config)
        self._known_generation = self._database.generation
        self._semantic = Semantic(self._database, self.config, embedder)
        self._working = WorkingTier(self._database, self.config.settings.cache.working_size)
        self._policy: Policy | None = None
        self.on_close: Callable[[MemoryStore], None] | None = None
        """Told when the store is closed: who shares it lets go of it."""
        with suppress(StoreError, OSError):  # a full disk: the journal waits for the next start, reading goes on
            journal.replay(self._database)

    @property
    def database(self) -> Database:
        """The file underneath, for what looks after it: backups, health, jobs."""
        return self._database

    def remember(
        self,
        text: str,
        *,
        source: str = "api",
        session_id: str = "",
        role: str = "user",
        speaker: str = "",
        importance: float | None = None,
        tags: Sequence[str] = (),
        collection: str = KNOWLEDGE,
        timestamp: When | None = None,
        project: str = "",
        meta: Mapping[str, Any] | None = None,
        embed: bool = True,
    ) -> str:
        """Keep a text, whatever the policy thinks of it, and return its id once it is on the disk.

        The same text of the same source, session, role and speaker keeps the same id and is stored once. Secrets are
        redacted in all that is given. `role` is `user`, `assistant`, `tool` or `system`; `speaker` a name, where people
        talk to each other; `timestamp` the event's own time, now unless given; `project` a folder; `meta` what JSON
        can hold. `importance` in [0, 1] comes from the policy unless given; the policy's tags are added to `tags`.
        `embed=False` leaves the embedding to the next recall; without a model the memory is found by words.

        Raises UsageError for an empty text, an unknown role, an importance out of range, a time that cannot be read,
        meta that JSON cannot hold and an argument of another type; PolicyError for a policy file that cannot be used.
        """
        from memento.writes.direct_message import direct_message
        from memento.writes.new_memory import explicit_memory

        message = direct_message(
            self._database,
            text,
            source,
            session_id=session_id,
            role=role,
            speaker=speaker,
            timestamp=timestamp,
            project=project,
            meta=meta,
        )
        given = arguments.checked_texts("tags", tags)
        memory = explicit_memory(message, self.policy, importance=importance, tags=given, collection=collection)
        self.write(memory, revive=True)
        if embed:
            with suppress(ModelError, StoreError):  # found by words until a model is there, and space to write
                self._semantic.embed_pending(time.monotonic() + CATCH_UP_SECONDS, swap=False)
        return memory.id

    def recall(
        self,
        query: str,
        k: int | None = None,
        *,
        deadline: float | None = None,
        plain: bool = False,
        context: int = 0,
        spread: bool = True,
        min_score: float | None = None,
        cover: bool = False,
        by_time: bool = False,
        explain: bool = False,
        at: When | None = None,
        zone: str = "",
        **filters: Unpack[Filters],
    ) -> Recall:
        """Return the k memories that answer the query best, by meaning and by words, best first.

        No text makes a query fail: operators are `"exact phrase"`, `-word`, `tag:x`, `session:x` and `since:7d`, all
        else is searched for. The filters hold before the best k are chosen, together with the query's own.

        - `k`: how many at most; `recall.limit` of the settings (10) unless given.
        - `deadline`: seconds, `recall.deadline_seconds` (5) unless given. Past it, what is ready comes back with
          `Recall.partial` set; it is not an error.
        - `plain`: take the query as text, without its operators.
        - `context`: so many memories of the same session before and after each result come along.
        - `spread`: hold one session to half of the results (but to no less than five); False lets it fill them.
        - `min_score`: leave out results that score less, `recall.min_score` of the settings unless given; not for
          a query of operators alone, or where the deadline passes before the ranking. The settings' also spares what
          has no embedding yet, and what holds every word that is looked for. `Recall.notes` says if none is left.
        - `cover`: results that together cover the question, instead of the best ones one by one.
        - `by_time`: the same results, oldest first, those whose time is not known last.
        - `explain`: fill `Found.features`.
        - `at`: when it is asked, for a question of another time: `yesterday` and `since:7d` in it count from then, and
          so does the age of memories.
        - `zone`: the time zone of the one who asks, such as `Asia/Kolkata`; this process's own unless given. Days
          begin and end there.

        What is not embedded yet is embedded first, for half a second at most; the rest, and everything where no model
        is installed, is searched by words, and `Recall.notes` says so. Raises UsageError for k < 1, a negative
        context, an unknown filter, role, trust or zone, a time that cannot be read, and an argument of another type.
        """
        where_asked = zone_of(arguments.checked_text("zone", zone))
        defaults = self.config.settings.recall
        options = Options(
            limit=arguments.whole_number("k", defaults.limit if k is None else k, 1),
            deadline_seconds=arguments.seconds("deadline", defaults.deadline_seconds if deadline is None else deadline),
            plain=plain,
            context=arguments.whole_number("context", context, 0),
            spread=spread,
            min_score=arguments.fraction("min_score", defaults.min_score if min_score is None else min_score),
            spares_unembedded=min_score is None,
            cover=cover,
            by_time=by_time,
            explain=explain,
            at=None if at is None else arguments.moment("at", at, where_asked),
            zone=where_asked,
        )
        return self._recalled(arguments.checked_text("query", query), to_filter(filters, where_asked), options)

    def batch_recall(
        self, queries: Sequence[str], k: int | None = None, *, deadline: float | None = None, **filters: Unpack[Filters]
    ) -> list[Recall]:
        """Answer several queries, in their order, each as `recall` does; the deadline (seconds) is each query's own."""
        if isinstance(queries, str):
            raise UsageError(f"queries are several texts: [{queries!r}]")
        return [self.recall(query, k, deadline=deadline, **filters) for query in queries]

    def get(self, memory_id: str) -> Memory | None:
        """Return the memory with this id, or whose id alone begins with it; None when there is none.

        Raises UsageError when several ids begin with it.
        """
        if not _ID_PREFIX.fullmatch(arguments.checked_text("memory_id", memory_id)):
            return None
        state = self._working.version()
        if known := self._working.find(memory_id, Memory):
            return known
        with self._database.read() as connection:
            found = rows.by_prefix(connection, memory_id.lower())
        if len(found) > 1:
            raise UsageError(f"several memories' ids begin with {memory_id!r}: give more of it")
        if found:
            self._working.keep(state, memory_id, found[0])
        return found[0] if found else None

    def nearest(self, text: str, at_least: float, within: Filter) -> dict[int, float]:
        """Return {row number: cosine} of every memory that passes the filter and is at least so near to the text.

        What waits for its embedding is embedded first. Raises ModelError where there is no model.
        """
        self._semantic.embed_pending(swap=False)
        (query,) = self._semantic.query_vectors([text])
        wanted = _NEAREST
        while True:
            found = self._semantic.search(query, wanted, within, None)
            near = {num: cosine for num, cosine in found.items() if cosine >= at_least}
            if len(found) < wanted or len(near) < len(found):
                return near
            wanted *= 4

    def get_recent(self, limit: int = 10, **filters: Unpack[Filters]) -> list[Memory]:
        """Return the latest memories by the time of their event, latest first.

        Those whose stamp was ahead of the clock when they were stored come after all others: their time is not known.
        Raises UsageError for limit < 1, an unknown filter, role or trust, and a time that cannot be read.
        """
        within, count = to_filter(filters), arguments.whole_number("limit", limit, 1)
        with self._database.read() as connection:
            nums = turns.latest(connection, within, count)
            found = rows.by_nums(connection, nums)
        return [found[num] for num in nums if num in found]

    def delete(self, memory_id: str) -> bool:
        """Forget one memory, by its id or an unambiguous beginning; ingestion will not bring it back.

        Returns False when there is no such memory. Raises UsageError when several ids begin with it. The
        title of its session goes with it. Backups still hold both: `memento forget --finish` removes them from those.
        """
        memory = self.get(memory_id)
        if memory is None:
            return False
        forgotten = journal.Forget(tombstones.memory_keys(memory.id, memory.text, memory.session_id))
        deleted = journal.write(self._database, lambda _: [forgotten]) == [1]
        with suppress(OSError):  # a full disk: the line goes when two backups hold it
            journal.scrub(journal.journal_path(self.path), frozenset([memory.id]))
        return deleted

    def stats(self) -> Stats:
        """Return figures over the whole store, and over what this process keeps of it."""
        working, (queries, table) = self._working.use(), self._semantic.cache_use()
        caches = {"working": working, "queries": queries, "queries_stored": table}
        with self._database.read() as connection:
            return overview.stats(connection, str(self.path), self._semantic.model, caches)

    def export_json(self, path: str | Path | None = None) -> str:
        """Write every memory as one JSON array, oldest first, to a new file (0600), and return its path.

        Without a path, return the JSON text itself. Raises UsageError for the path of the store itself.
        """
        from memento.json_array import json_text, write_json

        target = expand_user(path) if path else None
        if target and target.resolve() == self.path.resolve():
            raise UsageError(f"{target} is the store itself: name another file for the export")
        with self._database.read() as connection:
            memories = rows.all_memories(connection)
            return json_text(memories) if target is None else write_json(memories, target)

    def embed_pending(self, deadline: float | None = None, progress: Progress | None = None) -> int:
        """Embed what waits for it, until done or `deadline` (a time of time.monotonic()); return how many.

        Where another model was configured, everything is embedded by it too; it takes over when that is complete.
        `progress` is called with the number of memories just embedded. Raises ModelMissing when no model is installed,
        ModelError for one that cannot be used.
        """
        return self._semantic.embed_pending(deadline, progress)

    def models(self) -> Swap:
        """Return which model answers, which one follows, and how far it is."""
        return self._semantic.swap()

    def take_up(self, config: Config) -> None:
        """Let the model that these settings name follow the one in use, and their vector backend answer at once.

        No other setting is taken up.
        """
        self._semantic.use_config(config)

    def warm(self) -> None:
        """Begin to load the embedding model in a thread of its own, so that no recall has to wait for it."""
        self._semantic.warm()

    def index_status(self) -> IndexStatus:
        """Read the vector file whole and say whether it is in step with the database."""
        return self._semantic.index_status()

    def rebuild_index(self, progress: Progress | None = None) -> None:
        """Make the vector file anew; `progress` is told how many rows a graph took in.

        Raises ModelMissing, ConfigError for a backend that is not installed, StoreError where it cannot be written.
        """
        self._semantic.rebuild_index(progress)

    def release_model(self) -> None:
        """Let the embedding model go; the next use loads it again."""
        self._semantic.release()

    def pending(self) -> int:
        """Count the memories that wait for their embedding and are found by words only."""
        return self._semantic.count_pending()

    def to_embed(self) -> int:
        """Count the embeddings to be made: for those that wait, and for a model that is to follow."""
        return self._semantic.count_to_embed()

    def write(self, memory: NewMemory, *, revive: bool = False) -> Counts:
        """Write one finished row and wait for the disk; `revive` lifts the tombstone of a forgotten one."""
        counts: Counts
        (counts,) = journal.write(self._database, lambda _: [journal.Write(memory, revive)])
        self._echo([memory], counts)
        return counts

    def healing(self) -> Healing | None:
        """Return what was last mended or restored in this store."""
        from memento.health import healings as record

        with self._database.read() as connection:
            return record.read_last(connection)

    @property
    def policy(self) -> Policy:
        """The policy in force, loaded on first use. Raises PolicyError."""
        if self._policy is None:
            from memento_policies import load_policy

            self._policy = load_policy(self.config.policy_dir, load_key(self.path.parent))
        return self._policy

    def close(self) -> None:
        """Close the database; further use raises StoreError. Closing twice does nothing."""
        if self.on_close:
            self.on_close(self)
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _recalled(self, query: str, within: Filter, options: Options) -> Recall:
        """Answer from the working tier, else search; an answer with a note to it, or a very long one, is not kept."""
        started = time.monotonic()
        state, asked = self._working.version(), (query, within, options)
        if known := self._working.find(asked, Recall):
            return replace(known, seconds=time.monotonic() - started)
        found = search(self._database, self._semantic, query, within, options)
        memories = sum(1 + len(one.before) + len(one.after) for one in found)
        if not found.partial and not found.notes and memories <= _MOST_KEPT:
            self._working.keep(state, asked, found)
        return found
