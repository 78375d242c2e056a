"""Codex's idle rollouts, compressed with Zstandard: `rollout-<time>-<thread>.jsonl.zst`.

They are the same lines as before, so their messages have the same source and keys: nothing is stored twice when Codex
compresses a rollout or opens it up again. Bytes are counted in the compressed file: a span has the bytes that were
read since the span before it, and the last one those to the end.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, Final, cast

from memento_ingest.formats.codex import Codex, codex_parser
from memento_ingest.formats.shared.whole import LineBudget, TooManyLines, read_whole
from memento_ingest.span import SourceInfo, Span

MAX_SIZE: Final = 4 * 1024**3
"""Decompressed bytes that are read of one rollout."""
MAX_RATIO: Final = 1000
"""Decompressed to compressed bytes. Rollouts repeat themselves: ratios of 100 are real."""
_RATIO_FROM: Final = 64 * 1024**2
"""Decompressed bytes below which the ratio does not matter."""
_MAX_WINDOW: Final = 128 * 1024**2
"""Bytes of memory a frame may ask for; Zstandard's own limit for what it calls long mode."""
_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_HEAD: Final = 64 * 1024


class CodexZst:
    """A compressed rollout, read as a stream."""

    name = "codex-zst"
    source = Codex.name

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether it is a compressed file whose first lines are those of a rollout."""
        if not head.startswith(_MAGIC):
            return False
        import zstandard

        try:
            reader = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).stream_reader(io.BytesIO(head))
            begun = reader.read1(_HEAD)
        except (zstandard.ZstdError, MemoryError):
            return False
        return Codex().sniff(begun, info)

    def read(self, stream: BinaryIO, info: SourceInfo) -> Iterator[Span]:
        """Yield the rollout's spans, with their places in the compressed file.

        A damaged frame, or one beyond `MAX_SIZE`, `MAX_RATIO` or its lines, is a defect for the rest of the file.
        """
        import zstandard

        counted = _Counted(stream)
        decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
        reader = decompressor.stream_reader(cast(BinaryIO, counted), read_across_frames=True)
        bounded = _Bounded(cast(BinaryIO, reader), counted)
        done = 0
        held: Span | None = None
        defect = ""
        try:
            for span in read_whole(cast(BinaryIO, bounded), codex_parser(info), counted.lines):
                if held:
                    yield held
                held = replace(span, offset=done, length=counted.bytes - done)
                done = counted.bytes
        except (zstandard.ZstdError, MemoryError):
            defect = "broken_archive"
        except TooManyLines:
            defect = "too_many_lines"
        defect = defect or bounded.defect
        size = counted.drain()
        if held and not defect:
            yield replace(held, length=size - held.offset)
            return
        if held:
            yield held
        if defect or size > done:
            yield Span(done, size - done, skipped="" if defect else "blank", defect=defect)


class _Counted:
    """A stream that knows how many bytes were read of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.bytes = 0
        self.lines = LineBudget()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.bytes += len(data)
        self.lines.compressed = self.bytes
        return data

    def drain(self) -> int:
        """Read what is left and return the size of the whole."""
        while self.read(_HEAD):
            pass
        return self.bytes


class _Bounded:
    """A decompressed stream that ends where it grows beyond all measure."""

    def __init__(self, stream: BinaryIO, compressed: _Counted) -> None:
        self._stream, self._compressed = stream, compressed
        self._size = 0
        self.defect = ""

    def read(self, size: int = -1) -> bytes:
        if self.defect:
            return b""
        data = self._stream.read(size)
        self._size += len(data)
        if self._size > MAX_SIZE:
            self.defect = "too_large"
        elif self._size > _RATIO_FROM and self._size > MAX_RATIO * max(self._compressed.bytes, 1):
            self.defect = "compression_ratio"
        return b"" if self.defect else data
