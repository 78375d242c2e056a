"""One source, from its bytes to batches that are ready to be committed.

    file bytes -> Line -> Span -> Decision -> NewMemory -> Batch -> rows and offset in one transaction

Invariant: the offset that is committed never passes bytes that are still open (an unfinished last line, a message
that may yet grow). They are stored all the same, and read again next time; ids make that converge. `open_line` guards
it for lines; a message that may grow is known to its parser alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, BinaryIO

from memento.storage.capture import Batch
from memento.storage.sources import LAST_EVENT, TOOLS, YIELD
from memento_ingest.batching import Gathered, Judge
from memento_ingest.formats.base import DatabaseFormat, DocumentFormat, Format, LineFormat
from memento_ingest.formats.registry import get
from memento_ingest.lines import read_lines
from memento_ingest.open_line import GuardedParser
from memento_ingest.redacting import without_secrets
from memento_ingest.source import SourceFile, StandardInput, parser_state
from memento_ingest.span import Checkpoint, SourceInfo
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

    Raises OSError when reading fails; what was yielded until then stands, and the next run goes on behind it.
    """
    return _reading(format_.name)(source, format_)


@cache
def _reading(name: str) -> Callable[[Source, Any], Iterator[Batch]]:
    """Return how sources of a format are read; telling a format's family takes longer than reading a short file."""
    format_ = get(name)
    if isinstance(format_, LineFormat):
        return _lines
    return _database if isinstance(format_, DatabaseFormat) else _document


def _lines(source: Source, format_: LineFormat) -> Iterator[Batch]:
    start = _resume(source, format_.name)
    parser = GuardedParser(format_.parser(source.info, start))
    if start and start.offset:
        source.stream.seek(start.offset)
        source.on_bytes(start.offset)
    end = start.offset if start else 0
    gathered, after = Gathered(), start.offset if start else None
    for line in read_lines(source.stream, end):
        end = line.end
        source.on_bytes(end - line.offset)
        source.judge.take(parser.feed(line), gathered)
        if gathered.full:
            reached = parser.checkpoint()
            yield _batch(source, gathered, format_.name, reached, after)
            after = reached.offset
    source.judge.take(parser.finish(), gathered)
    yield _batch(source, gathered, format_.name, parser.checkpoint(), after, complete_at=end)


def _document(source: Source, format_: DocumentFormat) -> Iterator[Batch]:
    gathered, end, after = Gathered(), 0, None
    for span in format_.read(source.stream, source.info):
        end = span.offset + span.length
        source.on_bytes(span.length)
        source.judge.take([span], gathered)
        if gathered.full:
            yield _batch(source, gathered, format_.name, Checkpoint(end, {}), after)
            after = end
    yield _batch(source, gathered, format_.name, Checkpoint(end, {}), after, complete_at=end)


def _database(source: Source, format_: DatabaseFormat) -> Iterator[Batch]:
    if not source.info.path:
        raise OSError(0, "a database cannot be read from standard input: name its file")
    start = _resume(source, format_.name)
    source.file.stamp_log()
    reader = format_.reader(source.info, start)
    gathered, after = Gathered(), start.offset if start else None
    for span in reader.spans():
        source.on_bytes(span.length)
        source.judge.take([span], gathered)
        if gathered.full:
            reached = reader.checkpoint()
            yield _batch(source, gathered, format_.name, reached, after)
            after = reached.offset
    checkpoint = reader.checkpoint()
    yield _batch(source, gathered, format_.name, checkpoint, after, complete_at=checkpoint.offset)


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
