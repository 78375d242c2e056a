"""The one guard over every line parser: no checkpoint passes a line that is still open, or changes once it was taken.

Parsers, also those of other packages, need not know whether a line has ended: they take lines and say how far they
have come. What they say is believed only about lines that a newline ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace

from memento.storage.sources import INCOMPLETE_LINE
from memento_ingest.formats.base import LineParser
from memento_ingest.lines import LongLine
from memento_ingest.span import Checkpoint, Line, Span


class GuardedParser:
    """A `LineParser` around another, which also takes lines too long to hold."""

    def __init__(self, parser: LineParser) -> None:
        self._parser = parser
        self._held: Checkpoint | None = None
        """Where the next run begins, once the open line was met or the source has ended."""

    def feed(self, line: Line | LongLine) -> Iterable[Span]:
        """Return the line's spans; before an open line, which is the last, take the checkpoint.

        An open line may still be being written: what cannot be read of it is not broken, only not there yet.
        """
        is_open = not _has_ended(line)
        if is_open:
            self._held = self.checkpoint()
        if isinstance(line, LongLine):
            return [Span(line.offset, line.length, defect=INCOMPLETE_LINE if is_open else "line_too_long")]
        spans = self._parser.feed(line)
        return [replace(span, defect=INCOMPLETE_LINE) if span.defect else span for span in spans] if is_open else spans

    def finish(self) -> Iterable[Span]:
        """Return what the parser still holds; closing it moves no checkpoint."""
        self._held = self.checkpoint()
        return self._parser.finish()

    def checkpoint(self) -> Checkpoint:
        """Return where the next run begins; its state is a copy, whatever the parser does with its own later."""
        if self._held is None:
            reached = self._parser.checkpoint()
            return Checkpoint(reached.offset, deepcopy(reached.state))
        return self._held


def _has_ended(line: Line | LongLine) -> bool:
    return line.terminated if isinstance(line, LongLine) else line.data.endswith(b"\n")
