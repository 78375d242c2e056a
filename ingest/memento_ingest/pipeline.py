"""One source, from its bytes to batches that are ready to be committed.

    file bytes -> Line -> Span -> Decision -> NewMemory -> Batch -> rows and offset in one transaction

Invariant: the offset that is committed never passes bytes that are still open (an unfinished last line, a message
that may yet grow). They are stored all the same, and read again next time; ids make that converge. `open_line` guards
it for lines; a message that may grow is known to its parser alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, BinaryIO, Protocol

from memento.storage.capture import Batch
from memento.storage.sources import LAST_EVENT, TOOLS, YIELD
from memento_ingest.batching import Gathered, Judge
from memento_ingest.formats.base import DatabaseFormat, DocumentFormat, Format, LineFormat
from memento_ingest.formats.registry import get
from memento_ingest.lines import read_lines
from memento_ingest.open_line import GuardedParser
from memento_ingest.redacting import without_secrets
from memento_ingest.source import SourceFile, StandardInput, parser_state
from memento_ingest.span import Checkpoint, SourceInfo, Span
from memento_ingest.tool_history import ToolHistory

OnBytes = Callable[[int], None]
"""Called with the number of bytes just read."""


@dataclass(slots=True)
class Source:
    """One source on its way into the store."""

    stream: BinaryIO
    info: SourceInfo
    judge: Judge
    on_bytes: OnBytes
    file: SourceFile | StandardInput
    remembered: bool = True
    """Whether how far was read is written down: not in a run with `--since`, which passes over what is older."""


def read(source: Source, format_: Format) -> Iterator[Batch]:
    """Read a source from where it was left, or from its start; yield the batches to be committed, in this order.

    Raises OSError when reading fails; what was yielded until then stands, and the next run continues after it.
    """
    reading = _reading(format_.name)(source, format_)
    gathered, after = Gathered(), reading.after
    for spans in reading.spans():
        source.judge.take(spans, gathered)
        if gathered.full:
            reached = reading.checkpoint()
            yield _batch(source, gathered, format_.name, reached, after)
            after = reached.offset
    yield _batch(source, gathered, format_.name, reading.checkpoint(), after, complete_at=reading.end)


class _Reading(Protocol):
    """How the sources of a family of formats are read."""

    after: int | None
    """The offset that reading continues from; None at the source's beginning."""

    @property
    def end(self) -> int:
        """The offset that was read to."""

    def spans(self) -> Iterator[Iterable[Span]]:
        """Yield the source's spans, those of one line or record together."""

    def checkpoint(self) -> Checkpoint:
        """Return where the next run begins."""


@cache
def _reading(name: str) -> Callable[[Source, Any], _Reading]:
    """Return how sources of a format are read; telling a format's family takes longer than reading a short file."""
    format_ = get(name)
    if isinstance(format_, LineFormat):
        return _Lines
    return _Database if isinstance(format_, DatabaseFormat) else _Document


class _Lines:
    """A file that grows line by line."""

    def __init__(self, source: Source, format_: LineFormat) -> None:
        start = _resume(source, format_.name)
        self._source, self._parser = source, GuardedParser(format_.parser(source.info, start))
        self.after = start.offset if start else None
        self.end = self.after or 0

    def spans(self) -> Iterator[Iterable[Span]]:
        source = self._source
        if self.end:
            source.stream.seek(self.end)
            source.on_bytes(self.end)
        for line in read_lines(source.stream, self.end):
            self.end = line.end
            source.on_bytes(line.end - line.offset)
            yield self._parser.feed(line)
        yield self._parser.finish()

    def checkpoint(self) -> Checkpoint:
        return self._parser.checkpoint()


class _Document:
    """A file that is read as a whole, each time it changes."""

    after: int | None = None

    def __init__(self, source: Source, format_: DocumentFormat) -> None:
        self._source, self._format, self.end = source, format_, 0

    def spans(self) -> Iterator[Iterable[Span]]:
        for span in self._format.read(self._source.stream, self._source.info):
            self.end = span.offset + span.length
            self._source.on_bytes(span.length)
            yield (span,)

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.end, {})


class _Database:
    """A database whose rows are read after a mark."""

    def __init__(self, source: Source, format_: DatabaseFormat) -> None:
        if not source.info.path:
            raise OSError(0, "a database cannot be read from standard input: name its file")
        start = _resume(source, format_.name)
        source.file.stamp_log()
        self._source, self._reader = source, format_.reader(source.info, start)
        self.after = start.offset if start else None

    @property
    def end(self) -> int:
        return self._reader.checkpoint().offset

    def spans(self) -> Iterator[Iterable[Span]]:
        for span in self._reader.spans():
            self._source.on_bytes(span.length)
            yield (span,)

    def checkpoint(self) -> Checkpoint:
        return self._reader.checkpoint()


def _resume(source: Source, format_name: str) -> Checkpoint | None:
    """Return where the source was left, if its bytes are still those that were read."""
    file = source.file
    if not isinstance(file, SourceFile) or file.known is None or not source.remembered:
        return None
    known = file.known
    if not known.offset or known.format != format_name or not file.resumable:
        return None
    source.judge.last_event = known.state.get(LAST_EVENT, 0)
    source.judge.messages, source.judge.empty_records = known.state.get(YIELD, (1, 0))
    source.judge.tools = ToolHistory(known.state.get(TOOLS))
    return Checkpoint(known.offset, parser_state(known.state))


def _batch(
    source: Source,
    gathered: Gathered,
    format_name: str,
    checkpoint: Checkpoint,
    after: int | None,
    complete_at: int | None = None,
) -> Batch:
    file = source.file
    if not source.remembered:
        return gathered.flush(file.state(format_name, Checkpoint(0, {})), remembered=False)
    judge = source.judge
    found = {**without_secrets(checkpoint.state, judge.policy), YIELD: [judge.messages, judge.empty_records]}
    if tools := judge.tools.settled(checkpoint.offset):
        found[TOOLS] = tools
    state = file.state(format_name, Checkpoint(checkpoint.offset, found), judge.last_event, complete_at)
    return gathered.flush(state, renamed_from=file.renamed_from, after=after)
