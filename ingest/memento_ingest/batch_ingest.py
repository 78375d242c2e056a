"""`memento ingest`: every source that was named, one after the other, into the store."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from memento.memory import Counts, NewMemory
from memento.storage.capture import Batch
from memento.storage.database import is_part_of
from memento.storage.sources import UNRECOGNISED, SourceState
from memento.store import MemoryStore
from memento_ingest.batching import NOTHING, Judge, OnJudged
from memento_ingest.discovery import File, discover, open_regular, readable
from memento_ingest.formats.base import Format, source_of
from memento_ingest.formats.recognition import HEAD_BYTES, Peek, recognise
from memento_ingest.formats.registry import broken_plugins, get, names
from memento_ingest.formats.unreadable import reason
from memento_ingest.group import Group
from memento_ingest.pipeline import OnBytes, Source, read
from memento_ingest.redacting import stored_path
from memento_ingest.report import Report
from memento_ingest.source import STDIN, SourceFile, StandardInput
from memento_ingest.span import SourceInfo
from memento_ingest.unread import waiting_in
from memento_policies import Policy

AUTO: Final = "auto"
_ARCHIVE: Final = "archive"


@dataclass(frozen=True, slots=True)
class Options:
    """How a run reads: which format, and from which time on. Raises UnknownFormat."""

    format: str = AUTO
    since: int | None = None
    """Unix milliseconds."""
    live: bool = False
    """Files are followed while they are written: what takes long in a database is done at intervals."""

    def __post_init__(self) -> None:
        if self.format != AUTO:
            get(self.format)


class Ingestion:
    """One run over the named sources.

    Without a store nothing is written: a dry run, in which every kept message counts as new. `on_kept` gets every
    memory that is new or has grown, after it was committed, `on_judged` every message with its decision.
    """

    def __init__(
        self,
        policy: Policy,
        options: Options,
        store: MemoryStore | None,
        on_bytes: OnBytes = lambda _: None,
        on_kept: Callable[[NewMemory], None] | None = None,
        on_judged: OnJudged | None = None,
    ) -> None:
        self._policy, self._options, self._store = policy, options, store
        self._on_bytes, self._on_kept, self._on_judged = on_bytes, on_kept, on_judged
        self._forced: Format | None = None if options.format == AUTO else get(options.format)
        self._ignored = NOTHING
        self._moved: set[Path] = set()
        self.report = Report()
        self.report.notes += [
            f"the format {name} of an installed package cannot be loaded: {why}; upgrade or uninstall the package"
            for name, why in broken_plugins().items()
        ]

    def run(self, names: Sequence[str], on_total: Callable[[int], None] = lambda _: None) -> Report:
        """Ingest files, folders, globs and `-`; what cannot be read becomes a problem of the report.

        `on_total` gets the number of bytes ahead. Raises StoreError when the store cannot be written.
        """
        started = time.monotonic()
        found = discover(names)
        self.report.problems += found.problems
        self.report.unopened = len(found.problems)
        self.report.ignored = found.ignored
        on_total(sum(_size(file.path) for file in found.files))
        self._read(found.files)
        if found.standard_input:
            group = self.group()
            with self._reported(STDIN):
                group = self._gather(Path(STDIN), self._standard_input(), group)
            self._commit(group)
        self._note_all_read()
        self.report.seconds = time.monotonic() - started
        return self.report

    def run_files(self, files: Sequence[File], on_total: Callable[[int], None] = lambda _: None) -> Report:
        """Ingest files that were found already; what cannot be read becomes a problem of the report.

        Raises StoreError.
        """
        started = time.monotonic()
        on_total(sum(_size(file.path) for file in files))
        self._read(files)
        self._note_all_read()
        self.report.seconds += time.monotonic() - started
        return self.report

    def _read(self, files: Sequence[File]) -> None:
        """Read files and commit what they hold; those that another process read at the same time once more."""
        group = self.group()
        for file in files:
            with self._reported(readable(file.path)):
                group = self._gather(file.path, self.file(file), group)
        self._commit(group)
        if self._moved:
            again = [file for file in files if file.path in self._moved]
            self._moved.clear()
            self._read(again)

    def _note_all_read(self) -> None:
        """Let answers go without a note where a backup was restored and nothing is left to be read since."""
        if self._store is None or self.report.problems or not self._store.unread_since_restore():
            return
        waiting = waiting_in(self._store.progress(), self._store.source)
        if not waiting.size and not waiting.rows:
            self._store.sources_read()

    @contextmanager
    def _reported(self, where: str) -> Iterator[None]:
        read = self.report.sources
        try:
            yield
        except OSError as error:
            self.report.problems.append((where, error.strerror or str(error)))
            self.report.unopened += self.report.sources == read

    def group(self) -> Group:
        """Begin a group of files that are committed together; what the user ignores holds for all of them."""
        self._ignored = self._store.ignored() if self._store else NOTHING
        return Group(self._write)

    def redacted(self, text: str) -> str:
        """Return a text without secrets, as it may go into a log."""
        return self._policy.redact(text).text

    def _gather(self, name: Path, batches: Iterator[Batch], group: Group) -> Group:
        """Put what is read of one source into the group; return it, or the next one when it was full."""
        for batch in batches:
            group.add(name, batch)
            if group.full:
                unwritten = self._commit(group)
                group = self.group()
                if name in unwritten:  # what comes after it must wait until it is written
                    break
        return group

    def _commit(self, group: Group) -> set[Path]:
        """Commit a group; return the files of it that were not written."""
        refused, moved = group.commit()
        self.report.problems += [(readable(path), problem) for path, problem in refused.items()]
        self.report.kept -= sum(moved.values())  # they are counted when they are read again
        self._moved.update(moved)
        return {*refused, *moved}

    def file(self, found: File) -> Iterator[Batch]:
        """Read one file; yield its batches, to be committed in this order. Raises OSError."""
        if self._store and is_part_of(self._store.path, found.path):
            if found.named:
                raise OSError(0, "it is the store itself")
            return
        with open_regular(found.path, follow=found.named) as stream:
            status = os.fstat(stream.fileno())
            where = readable(found.path.absolute())
            name = stored_path(where, self._policy)
            file = SourceFile(stream, where, name, status, self._known(name, status))
            if self._options.since is None and self._is_unchanged(file):
                self.report.unchanged += 1
                if file.known and file.known.lacks_messages and (found.named or file.known.format != _ARCHIVE):
                    self.report.without_messages.append((where, file.known.format))
                self._on_bytes(status.st_size)
                return
            modified = status.st_mtime_ns // 1_000_000
            info = SourceInfo(readable(found.path.name), where, modified, live=self._options.live)
            format_ = self._forced or _known_format(file)
            head = os.pread(stream.fileno(), HEAD_BYTES, 0)
            if head and not format_:
                format_ = recognise(lambda size: os.pread(stream.fileno(), size, 0), info).format
            if head and format_:
                yield from self._source(stream, format_, info, file, named=found.named)
            elif found.named:
                self._unread(where, head)
            else:
                self.report.unrecognised.append(where)
                state = file.unrecognised()
                if head and (file.known is None or replace(file.known, state={}) != state):
                    yield Batch(state, restart=True)  # nothing is accounted for of what stands here now

    def _is_unchanged(self, file: SourceFile) -> bool:
        known = file.known
        if known is None or not file.unchanged or known.path != file.name:  # a new name is written down
            return False
        if known.format == UNRECOGNISED:  # a newer version may know it
            return False
        return self._forced is None or self._forced.name == known.format

    def _standard_input(self) -> Iterator[Batch]:
        if sys.stdin is None:
            raise OSError(0, "standard input is closed")
        stream = sys.stdin.buffer
        peek = Peek(stream)
        head = peek(HEAD_BYTES)
        info = SourceInfo(STDIN, modified=time.time_ns() // 1_000_000)
        format_ = self._forced or (recognise(peek, info).format if head else None)
        if head and format_:
            whole = io.BufferedReader(_Rejoined(peek.head, stream))
            yield from self._source(whole, format_, info, StandardInput(), named=True)
        else:
            self._unread(STDIN, head)

    def _unread(self, where: str, head: bytes) -> None:
        self.report.problems.append((where, reason(head, where)))

    def _source(
        self, stream: BinaryIO, format_: Format, info: SourceInfo, file: SourceFile | StandardInput, *, named: bool
    ) -> Iterator[Batch]:
        self.report.sources += 1
        since = self._options.since
        judge = Judge(self._policy, self.report, source_of(format_), since, self._ignored, self._on_judged)
        yield from read(Source(stream, info, judge, self._on_bytes, file, remembered=since is None), format_)
        if judge.lacks_messages:
            where = info.path or info.name
            if named or format_.name != _ARCHIVE:
                self.report.without_messages.append((where, format_.name))
            else:  # any archive in a folder is looked into
                self.report.unrecognised.append(where)

    def _known(self, path: str, status: os.stat_result) -> SourceState | None:
        return self._store.source(path, status.st_dev, status.st_ino) if self._store else None

    def _write(self, batches: Sequence[Batch]) -> None:
        if self._store is None:
            counts = Counts(stored=tuple({memory.id for batch in batches for memory in batch.memories}))
        else:
            counts = self._store.commit(*batches)
        self.report.add_counts(counts)
        if self._on_kept:
            new = {*counts.stored, *counts.extended}
            for memory in (memory for batch in batches for memory in batch.memories):
                if memory.id in new:
                    self._on_kept(memory)


def _known_format(file: SourceFile) -> Format | None:
    """Return the format a source was read with, as long as its bytes are still those: one file, one format."""
    known = file.known
    return get(known.format) if known and known.offset and known.format in names() and file.resumable else None


class _Rejoined(io.RawIOBase):
    """A stream whose head was read to recognise it, put back together."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = memoryview(head), rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._head:
            taken = min(len(buffer), len(self._head))
            buffer[:taken] = self._head[:taken]
            self._head = self._head[taken:]
            return taken
        chunk = self._rest.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
