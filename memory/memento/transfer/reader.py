"""Reader of untrusted exports: lines within limits, whatever the file's name and compression.

Invariant: one line is in memory at a time, and the compressed size limits the numbers of bytes and lines. A JSON array,
as `memento export FILE.json` writes, is read like lines.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, NamedTuple, cast

from memento.base import signing
from memento.errors import UsageError

MAX_LINE: Final = 256 * 1024 * 1024
"""Bytes of a line."""
MAX_RATIO: Final = 1_000
"""Decompressed to compressed bytes; real exports reach 40."""
_RATIO_FROM: Final = 16 * 1024 * 1024
"""Decompressed size below which the ratio is not checked."""
_LINES_FROM: Final = 100_000
"""Number of lines above which each must take a compressed byte; an id takes sixteen."""
_MAX_WINDOW: Final = 128 * 1024 * 1024
"""Bytes of memory a zstd frame may ask for."""
_TAIL: Final = 4096
_HEAD, _END = b'{"memento":{"version":1}}', b'{"end":{}}'
MAX_VALUES: Final = 200_000
"""Values in a line: `meta` and `why`, which hold most, are limited to a megabyte each."""
_VALUES_FROM: Final = 1_000_000
_VALUES_A_BYTE: Final = 16
"""Values that any compressed file may hold, and how many more it may hold for each of its bytes."""
_BETWEEN: Final = (b",", b"[", b"{")
_SMALLEST: Final = 16
"""Bytes that an element takes at least, where there are many."""
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\(?:.|\Z))*+(?:"|\Z)', re.DOTALL)
_TOKEN: Final = re.compile(_STRING.pattern + rb"|[\[\]{},]", re.DOTALL)
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class ExportLine(NamedTuple):
    """A line that is not blank."""

    number: int
    data: bytes | None
    """None for one that is longer than `MAX_LINE`."""


class ExportFile:
    """An open export that can be read several times."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name = file, name

    def lines(self) -> Iterator[ExportLine]:
        """Yield all lines. Raises UsageError if they cannot be read or exceed a limit."""
        import zstandard

        self._file.seek(0)
        try:
            yield from _lines(self._file, self._name)
        except (OSError, EOFError, zlib.error, zstandard.ZstdError, MemoryError) as error:
            raise UsageError(f"cannot read {self._name}: {getattr(error, 'strerror', None) or error}") from None

    def records(self) -> Iterator[ExportLine]:
        """Yield the lines of an export; a JSON array's elements become lines. Raises UsageError."""
        lines = self.lines()
        first = next(lines, None)
        if first is None:
            return
        if first.data is None or not first.data.lstrip().startswith(b"["):
            yield first
            yield from lines
            return
        yield ExportLine(first.number, _HEAD)
        second = next(lines, None)
        if first.data.strip() == b"[" and second and _is_element(second.data):
            yield from _elements(second, lines)
        else:
            yield from self._whole([first, *([second] if second else [])], lines)

    def _whole(self, begun: list[ExportLine], lines: Iterator[ExportLine]) -> Iterator[ExportLine]:
        """Yield the elements of an array in another layout, which must fit into memory."""
        content = bytearray()
        for line in chain(begun, lines):
            content += line.data or b""
            if line.data is None or len(content) > MAX_LINE:
                raise UsageError(f"{self._name} is too long for a JSON array: export to FILE.jsonl instead")
        number = 0
        for element in _split_array(bytes(content)):
            if not element.startswith(b"{"):  # and the end of one that is cut off
                raise UsageError(f"{self._name} is no export: it begins like a JSON array and is none")
            number += 1
            if number > _LINES_FROM and number > min(self._file.tell(), len(content) // _SMALLEST):
                raise UsageError(f"cannot read {self._name}: it holds more elements than an export can")
            yield ExportLine(number, b'{"memory":' + element + b"}")
        yield ExportLine(number, _END)

    def is_proven(self, key: bytes) -> bool:
        """Read the whole file and tell whether its signature by this key is valid."""
        seal, last = signing.Seal("export", key), b""
        for line in self.lines():
            seal.update(last)
            last = b"" if line.data is None else line.data.rstrip(b"\n") + b"\n"
        return seal.proves(_signature(last))


@contextmanager
def open_export(name: str) -> Iterator[ExportFile]:
    """Open a file, or `-` for standard input. Raises UsageError."""
    if name == "-":
        if sys.stdin is None:
            raise UsageError("cannot read the export: standard input is closed")
        with _spooled(sys.stdin.buffer, "standard input") as copy:
            yield ExportFile(copy, "standard input")
        return
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISFIFO(mode):  # `memento import <(ssh other memento export -)`
                with _spooled(file, str(path)) as copy:
                    yield ExportFile(copy, str(path))
            elif stat.S_ISREG(mode):
                yield ExportFile(file, str(path))
            else:
                raise UsageError(f"{path} is not a file: name an export, or `-` for standard input")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None


@contextmanager
def _spooled(stream: IO[bytes], name: str) -> Iterator[BinaryIO]:
    """Copy a pipe to a temporary file; refuse it at once if its beginning cannot be an export's."""
    begun = stream.read(io.DEFAULT_BUFFER_SIZE)
    if not (begun.startswith((_GZIP, _ZSTD)) or begun.lstrip().startswith((b"{", b"["))):
        raise UsageError(f"{name} is no export of this version: its first line must name it (memento export -)")
    with tempfile.TemporaryFile() as copy:
        copy.write(begun)
        shutil.copyfileobj(stream, copy)
        yield cast(BinaryIO, copy)


def count_values(line: bytes) -> int:
    """Return the approximate number of values in a line of JSON, at most MAX_VALUES + 1: each takes much memory."""
    found = sum(map(line.count, _BETWEEN))
    if found <= MAX_VALUES:
        return found
    signs = (token for token in _TOKEN.finditer(line) if line[token.start()] in b",[{")  # and not those in texts
    return sum(1 for _ in islice(signs, MAX_VALUES + 1))


def _split_array(content: bytes) -> Iterator[bytes]:
    """Yield the elements of a JSON array, and a non-object if it is malformed."""
    depth, start, is_first = 0, -1, True
    for token in _TOKEN.finditer(content):
        sign = token.group()
        if sign in b"[{":
            depth += 1
            start = token.end() if depth == 1 else start
        elif sign in b"]}":
            depth -= 1
        if (depth == 1 and sign == b",") or depth <= 0:
            element = content[start : token.start()].strip()
            start = token.end()
            if element or sign == b"," or not is_first:
                yield element
            is_first = False
        if depth <= 0:
            if sign != b"]" or content[start:].strip():
                yield b""
            return
    yield b""


def _is_element(line: bytes | None) -> bool:
    stripped = (line or b"").strip().rstrip(b",")
    return stripped == b"]" or (stripped.startswith(b"{") and stripped.endswith(b"}"))


def _elements(first: ExportLine, lines: Iterator[ExportLine]) -> Iterator[ExportLine]:
    """Yield the elements of an array as Memento writes it, one per line."""
    for number, data in chain([first], lines):
        stripped = data and data.strip().rstrip(b",")
        if stripped == b"]":
            yield ExportLine(number, _END)
        else:
            yield ExportLine(number, stripped and b'{"memory":' + stripped + b"}")


def _signature(line: bytes) -> object:
    if len(line) > _TAIL:
        return None
    try:
        end: Any = json.loads(line)["end"]["signature"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return end


def _lines(raw: BinaryIO, name: str) -> Iterator[ExportLine]:
    with _decompressed(raw, name) as (file, compressed):
        number = values = 0
        while line := file.readline(MAX_LINE):
            number += 1
            if compressed and number > _LINES_FROM and number > raw.tell():
                raise UsageError(f"cannot read {name}: it holds more lines than an export can ({number:,} so far)")
            values += count_values(line) if compressed else 0
            if values > max(_VALUES_FROM, _VALUES_A_BYTE * raw.tell()):
                raise UsageError(f"cannot read {name}: it holds more values than an export can")
            whole = line.endswith(b"\n") or len(line) < MAX_LINE
            if not whole:
                while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                    pass
            if not whole or not line.isspace():
                yield ExportLine(number, line if whole else None)


@contextmanager
def _decompressed(raw: BinaryIO, name: str) -> Iterator[tuple[IO[bytes], bool]]:
    """Yield the stream of lines and whether it is compressed, judged by its first bytes, not its name."""
    magic = raw.read(4)
    raw.seek(0)
    if magic.startswith(_GZIP):
        with gzip.GzipFile(fileobj=raw, mode="rb") as file:
            yield io.BufferedReader(_BoundedStream(cast(BinaryIO, file), raw, name)), True
    elif magic == _ZSTD:
        import zstandard

        reader = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).stream_reader(
            raw, read_across_frames=True, closefd=False
        )
        yield io.BufferedReader(_BoundedStream(cast(BinaryIO, reader), raw, name)), True
    else:
        yield raw, False


class _BoundedStream(io.RawIOBase):
    """A decompressed stream with a limited compression ratio."""

    def __init__(self, stream: BinaryIO, raw: BinaryIO, name: str) -> None:
        self._stream, self._raw, self._name = stream, raw, name
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(min(len(buffer), io.DEFAULT_BUFFER_SIZE * 16))
        self._size += len(data)
        if self._size > _RATIO_FROM and self._size > MAX_RATIO * self._raw.tell():
            raise UsageError(f"cannot read {self._name}: it expands beyond what an export can ({MAX_RATIO} to 1)")
        buffer[: len(data)] = data
        return len(data)
