"""What the tests of the formats share: reading bytes into spans, with the invariants of every reading checked."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from memento_ingest.formats.base import DatabaseFormat, DocumentFormat, Format, LineFormat
from memento_ingest.lines import LongLine, read_lines
from memento_ingest.open_line import GuardedParser
from memento_ingest.span import Checkpoint, SourceInfo, Span
from memento_policies import Message


class Reading:
    """Ways to read a source."""

    def __init__(self, samples: Path) -> None:
        self.samples = samples

    def spans(self, found: Format, data: bytes, name: str = "transcript", modified: int = 0) -> list[Span]:
        """Read all of `data` in one run and check that the spans tile it and each says one thing."""
        info = SourceInfo(name, modified=modified)
        spans: list[Span] = []
        if isinstance(found, LineFormat):
            parser = found.parser(info)
            for line in read_lines(io.BytesIO(data)):
                assert not isinstance(line, LongLine)
                spans.extend(parser.feed(line))
            spans.extend(parser.finish())
        else:
            assert isinstance(found, DocumentFormat), "a database is read from its file: see test_databases"
            spans.extend(found.read(io.BytesIO(data), info))
        self.check_tiling(spans, len(data))
        for message in self.messages(spans):
            self.check_message(message)
        return spans

    def check_message(self, message: Message) -> None:
        assert message.text.strip()
        assert message.key
        assert message.session_id
        for text in (message.text, message.key, message.session_id):
            assert "\0" not in text
            text.encode()
        json.dumps(message.meta)

    def check_tiling(self, spans: Iterable[Span], size: int) -> None:
        position = 0
        for span in spans:
            assert span.offset == position
            assert span.length >= 0
            assert sum(map(bool, (span.messages, span.skipped, span.defect))) == 1, span
            position += span.length
        assert position == size

    def in_runs(self, found: LineFormat, data: bytes, cuts: Iterable[int]) -> list[Span]:
        """Read growing prefixes of `data`, each run resuming at the checkpoint of the one before, as a tailer does."""
        info = SourceInfo("transcript")
        spans: list[Span] = []
        checkpoint = Checkpoint(0, {})
        for size in [*sorted(cuts), len(data)]:
            start = checkpoint.offset
            parser = GuardedParser(found.parser(info, checkpoint))
            for line in read_lines(io.BytesIO(data[start:size]), start):
                spans.extend(parser.feed(line))
            spans.extend(parser.finish())
            ended = parser.checkpoint()
            assert start <= ended.offset <= size
            checkpoint = Checkpoint(ended.offset, json.loads(json.dumps(ended.state)))
        return spans

    def database(
        self, found: Format, path: Path, start: Checkpoint | None = None, *, live: bool = False
    ) -> tuple[list[Span], Checkpoint]:
        """Read a database from a checkpoint on; the spans must go on in the order of reading without a gap."""
        assert isinstance(found, DatabaseFormat)
        reader = found.reader(SourceInfo(path.name, str(path), modified=7, live=live), start)
        position = start.offset if start else 0
        spans = []
        for span in reader.spans():
            assert span.offset == position
            assert span.length >= 0
            assert sum(map(bool, (span.messages, span.skipped, span.defect))) == 1, span
            position += span.length
            spans.append(span)
        ended = reader.checkpoint()
        assert ended.offset == position
        for message in self.messages(spans):
            self.check_message(message)
        return spans, Checkpoint(ended.offset, json.loads(json.dumps(ended.state)))

    def messages(self, spans: Iterable[Span]) -> list[Message]:
        return [message for span in spans for message in span.messages]

    def said(self, spans: Iterable[Span]) -> list[tuple[str, str]]:
        return [(message.role, message.text) for message in self.messages(spans)]

    def longest(self, spans: Iterable[Span]) -> dict[tuple[str, str], str]:
        """Return what a store would hold: of each record, by source and key, the longest text."""
        kept: dict[tuple[str, str], str] = {}
        for message in self.messages(spans):
            name = (message.source, message.key)
            kept[name] = max(kept.get(name, ""), message.text, key=len)
        return kept

    def fixture(self, name: str) -> bytes:
        """Return the bytes of one of the sample files."""
        return (self.samples / name).read_bytes()

    def copy(self, name: str, folder: Path) -> Path:
        """Return a copy of one of the sample files, since reading a database may leave files beside it."""
        copied = folder / Path(name).name
        copied.write_bytes(self.fixture(name))
        return copied


@pytest.fixture(scope="session")
def reading(sample_files: Path) -> Reading:
    return Reading(sample_files)
