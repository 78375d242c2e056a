"""What a transcript format is: a name, a way to recognise it, and a parser that yields spans.

Three families. A *line format* is fed line by line and can stop and resume anywhere (`LineParser`); a *document format*
is one JSON value or archive, read as a stream from its beginning each time it changed (`DocumentFormat`); a *database
format* is a SQLite file of which the rows are read that are new or have changed (`DatabaseReader`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Protocol, runtime_checkable

from memento_ingest.span import Checkpoint, Line, SourceInfo, Span


class LineParser(Protocol):
    """Parser of one line-based source.

    Contract: any split of the same bytes into runs (feed some lines, `finish`, take `checkpoint`, start a new parser
    there with that state) yields the same set of messages by (source, key), the longest text of each key winning. The
    last line of a run may lack its newline; `open_line.GuardedParser` sees to it that no checkpoint passes it.
    """

    def feed(self, line: Line) -> Iterable[Span]:
        """Take the next line; yield every span that is complete now. Never raises on bad content."""
        ...

    def finish(self) -> Iterable[Span]:
        """Yield what is still open at the end of the source."""
        ...

    def checkpoint(self) -> Checkpoint:
        """Return offset and state from which everything not yet closed is read again; state is JSON-serialisable."""
        ...


@runtime_checkable
class LineFormat(Protocol):
    """A format whose sources are read line by line."""

    name: str

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether a source that begins with `head` (up to 64 KiB) is of this format."""
        ...

    def parser(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> LineParser:
        """Return a parser that begins at the checkpoint, or at offset 0."""
        ...


@runtime_checkable
class DocumentFormat(Protocol):
    """A format whose sources are whole documents."""

    name: str

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether a source that begins with `head` (up to 64 KiB) is of this format."""
        ...

    def read(self, stream: BinaryIO, info: SourceInfo) -> Iterator[Span]:
        """Yield spans from the document's beginning, holding one conversation in memory at a time."""
        ...


class DatabaseReader(Protocol):
    """Reader of one database.

    Contract: runs that each begin at the checkpoint of the one before yield, in the end, every row and its longest
    text, whatever was written in between; a row may be yielded more than once. Offsets count the bytes of records in
    the order of reading, since a database has no bytes that spans could tile.
    """

    def spans(self) -> Iterator[Span]:
        """Yield the spans of what is new or has changed. Raises OSError, with the reason, where it cannot be read."""
        ...

    def checkpoint(self) -> Checkpoint:
        """Return the bytes of records read so far and the state with which a later run skips what is read."""
        ...


@runtime_checkable
class CountsWaiting(Protocol):
    """A `DatabaseReader` that can tell how much it has not read yet, for `memento status`."""

    def waiting(self) -> int:
        """Return how many rows are new or have changed. Raises OSError."""
        ...


@runtime_checkable
class DatabaseFormat(Protocol):
    """A format whose sources are SQLite databases, opened by their path and read only."""

    name: str

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether the file that begins with `head` (up to 64 KiB) is of this format; it may look at its tables."""
        ...

    def reader(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> DatabaseReader:
        """Return a reader of what the checkpoint does not cover yet."""
        ...


Format = LineFormat | DocumentFormat | DatabaseFormat


def source_of(format_: Format) -> str:
    """Return the source of a format's messages: its name, unless several formats read one agent's transcripts."""
    return str(getattr(format_, "source", format_.name))
