"""The backlog of memories to embed, for the answering model and for the one that will follow it.

Embedding never happens inside a transaction: rows are committed first, can be found by words at once, and are embedded
here.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from memento.embedding import Embedded as Vectors, Embedder
from memento.embedding.passages import SEGMENT_BYTES, segment_end
from memento.search.models import Models
from memento.storage import next_model, segments, vectors
from memento.storage.database import BUSY_SECONDS, Database

if TYPE_CHECKING:
    import apsw

    _PendingRows = Callable[[apsw.Connection, str, int], list[vectors.PendingRow]]
    _Vectorised = tuple[vectors.PendingText, Vectors]
    _Write = Callable[[apsw.Connection, str, list[tuple[vectors.PendingText, bytes]]], None]

BATCH: Final = 64
"""Rows embedded between two commits, the most work that a kill loses."""
LEAST_WAIT_SECONDS: Final = 0.05
"""Minimum wait for the write lock, however near the deadline is."""

Progress = Callable[[int], None]
"""Called with the number of memories just embedded."""
Embedded = Callable[[int, Embedder, float | None], None]
"""Called with the number of memories whose new vectors are now searchable, the embedder, and the deadline."""


class Swap(NamedTuple):
    """The progress of a store's models, for `memento model status`."""

    answering: str
    """The model that answers queries; empty if none is installed."""
    following: str
    """The model that will follow it; empty if there is none."""
    embedded: dict[str, int]
    """Memories by the model of their vectors; an empty name counts pending memories."""
    ready: int
    """Memories that have a vector of the following model."""
    left: int
    """Memories that the following model must still embed before the switch."""


class Backlog:
    """Embeds pending memories. Safe for use from several threads and processes: repeated work is harmless."""

    def __init__(self, database: Database, models: Models, embedded: Embedded) -> None:
        self._database, self._models, self._embedded = database, models, embedded
        self._known_folders: set[str] = set()

    def count_pending(self, model: str) -> int:
        """Count the memories that this model has not embedded."""
        with self._database.read() as connection:
            return vectors.count_pending(connection, model)

    def count_to_embed(self) -> int:
        """Count what `embed_pending` would embed: pending memories, and those that the following model lacks."""
        active = self._models.active()
        with self._database.read() as connection:
            waiting = vectors.count_pending(connection, active.answering)
            return waiting + (next_model.count_pending(connection, active.following) if active.following else 0)

    def status(self) -> Swap:
        """Return the progress of the answering and the following model."""
        active = self._models.active()
        with self._database.read() as connection:
            following = active.following
            return Swap(
                *active,
                next_model.count_by_model(connection),
                next_model.count_ready(connection, following) if following else 0,
                next_model.count_pending(connection, following) if following else 0,
            )

    def embed_pending(self, deadline: float | None, progress: Progress | None, *, swap: bool) -> int:
        """Embed pending memories until none is left or `deadline` (time.monotonic()); return how many.

        With `swap`, the following model embeds too, and takes over when it is complete. Raises ModelMissing, and
        StoreBusy if a deadline passes while another process writes.
        """
        active = self._models.active()
        self._remember_folder(active.answering, deadline)
        done = 0
        if self.count_pending(active.answering):
            done += self._embed_for_answering(active.answering, deadline, progress)
        if swap and active.following:
            done += self._embed_for_following(active.following, deadline, progress)
        return done

    def _remember_folder(self, model: str, deadline: float | None) -> None:
        """Store the model's folder, which is needed once another model is configured."""
        folder = self._models.folder(model)
        if not folder or model in self._known_folders:
            return
        with self._database.read() as connection:
            known = next_model.read_folder(connection, model) == folder
        if not known:
            with self._database.write(within=_lock_timeout(deadline)) as connection:
                next_model.write_folder(connection, model, folder)
        self._known_folders.add(model)

    def _embed_for_answering(self, model: str, deadline: float | None, progress: Progress | None) -> int:
        embedder = self._models.embedder(model)
        with self._database.read() as connection:
            finished = next_model.count_ready(connection, model)
        if finished:  # the model that answered is gone: use what is ready
            with self._database.write(within=_lock_timeout(deadline)) as connection:
                next_model.switch(connection, model)
        return self._embed(
            embedder,
            pending_rows=vectors.pending_rows,
            write=vectors.write,
            embedded=self._embedded,
            deadline=deadline,
            progress=progress,
        )

    def _embed_for_following(self, model: str, deadline: float | None, progress: Progress | None) -> int:
        embedder = self._models.embedder(model)
        self._remember_folder(model, deadline)
        done = self._embed(
            embedder,
            pending_rows=next_model.pending_rows,
            write=next_model.write,
            embedded=lambda *_: None,
            deadline=deadline,
            progress=progress,
        )
        if deadline is not None and time.monotonic() >= deadline:
            return done
        with self._database.write() as connection:
            if next_model.pending_rows(connection, model, 1):
                return done
            switched = next_model.switch(connection, model)
        self._models.release()  # the previous model is no longer needed
        self._embedded(switched, embedder, deadline)
        return done

    def _embed(
        self,
        embedder: Embedder,
        *,
        pending_rows: _PendingRows,
        write: _Write,
        embedded: Embedded,
        deadline: float | None,
        progress: Progress | None,
    ) -> int:
        """Embed pending rows, short texts first: a text of megabytes must not hold up what came with it."""
        done = 0
        while deadline is None or time.monotonic() < deadline:
            with self._database.read() as connection:
                found = pending_rows(connection, embedder.model, BATCH)
                short = _one_segment([row for row in found if row.size <= SEGMENT_BYTES], deadline)
                rows = vectors.pending_texts(connection, [row.num for row in short or found[:1]])
            if not found:
                break
            made = self._embed_short(embedder, rows) if short else self._embed_next_segment(embedder, rows, deadline)
            if not made:
                continue
            with self._database.write(within=_lock_timeout(deadline)) as connection:
                write(connection, embedder.model, [(row, one.vectors) for row, one in made])
                vectors.write_codes(connection, embedder.model, [(row, one.codes) for row, one in made])
                if not short:
                    segments.delete_segments(connection, made[0][0].num)
            done += len(made)
            embedded(len(made), embedder, deadline)
            if progress:
                progress(len(made))
        return done

    def _embed_short(self, embedder: Embedder, rows: list[vectors.PendingText]) -> list[_Vectorised]:
        """Embed short texts in one call; return the rows with their vectors."""
        return list(zip(rows, embedder.embed_to_bytes([row.text for row in rows]), strict=True))

    def _embed_next_segment(
        self, embedder: Embedder, rows: list[vectors.PendingText], deadline: float | None
    ) -> list[_Vectorised]:
        """Embed the next segment of a long text; return the row with its vectors once all segments are embedded."""
        if not rows:  # deleted since it was found
            return []
        row, model = rows[0], embedder.model
        with self._database.read() as connection:
            start = segments.embedded_until(connection, model, row.num)
        stop = segment_end(row.text, start)
        if start < stop:
            (one,) = embedder.embed_to_bytes([row.text[start:stop]])
            with self._database.write(within=_lock_timeout(deadline), derived=True) as connection:
                segments.write_segment(connection, model, row, span=(start, stop), vectors=one.vectors, codes=one.codes)
        if stop < len(row.text):
            return []
        with self._database.read() as connection:
            whole = segments.join_segments(connection, model, row)
        if whole:
            return [(row, Vectors(*whole))]
        with self._database.write(within=_lock_timeout(deadline), derived=True) as connection:
            segments.delete_segments(connection, row.num)  # start over
        return []


def _lock_timeout(deadline: float | None) -> float:
    return BUSY_SECONDS if deadline is None else max(LEAST_WAIT_SECONDS, deadline - time.monotonic())


def _one_segment(rows: list[vectors.PendingRow], deadline: float | None) -> list[vectors.PendingRow]:
    """Return the first rows whose texts fit one segment together, at least one; all rows without a deadline."""
    if deadline is None:
        return rows
    sizes = accumulate(row.size for row in rows)
    return rows[: max(1, bisect_right(list(sizes), SEGMENT_BYTES))]
