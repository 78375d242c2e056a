"""Exports as .zip: the members that hold transcripts, read as streams and never extracted.

Bytes are counted in the archive: a member has the bytes from its local header to the next member's, the last one
those to the end, and its own spans have shares of them in proportion to their uncompressed lengths.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import BinaryIO, Final, NamedTuple, cast

from memento_ingest.formats.base import DatabaseFormat, DocumentFormat, LineFormat
from memento_ingest.formats.recognition import Peek, recognise
from memento_ingest.formats.shared.documents import HEAD
from memento_ingest.formats.shared.whole import LineBudget, TooManyLines, read_whole
from memento_ingest.span import SourceInfo, Span

MAX_MEMBER: Final = 2 * 1024**3
"""Uncompressed bytes of one member."""
MAX_RATIO: Final = 200
"""Uncompressed to compressed bytes; real exports reach 20."""
MAX_MEMBERS: Final = 10_000
_MAX_DIRECTORY: Final = 8 * 1024**2
_RATIO_FROM: Final = 1024**2
"""Uncompressed bytes of a member below which its ratio does not matter."""
_TOTAL_FROM: Final = 64 * 1024**2
"""Uncompressed bytes of all members below which their ratio together does not matter."""

_ENCRYPTED: Final = 0x1
_END: Final = struct.Struct("<4s4H2LH")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_END64_LOCATOR: Final = 20
_MAX_COMMENT: Final = 65_535
_MAGIC: Final = b"PK\x03\x04"
_TRANSCRIPT_SUFFIXES: Final = frozenset({".json", ".jsonl", ".ndjson", ".md", ".markdown", ".txt"})
_ARCHIVE_SUFFIXES: Final = frozenset({".zip", ".gz", ".tgz", ".tar", ".zst", ".7z", ".rar", ".bz2", ".xz"})
# What a damaged, encrypted or unsupported member raises while it is opened or read.
_READ_ERRORS: Final = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError)


class Archive:
    """A .zip file with exported conversations in it."""

    name = "archive"

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether it is a .zip file by name and content; the members are known only when it is read."""
        return head.startswith(_MAGIC) and PurePosixPath(info.name).suffix.lower() in (".zip", "")

    def read(self, stream: BinaryIO, info: SourceInfo) -> Iterator[Span]:
        """Yield spans for every member: its messages, why it was skipped, or why it could not be read."""
        if not stream.seekable():
            yield Span(0, sum(len(chunk) for chunk in iter(lambda: stream.read(HEAD), b"")), defect="not_seekable")
            return
        size = stream.seek(0, io.SEEK_END)
        try:
            if not 0 < _directory_size(stream, size) <= _MAX_DIRECTORY:
                yield Span(0, size, defect="broken_archive")
                return
            archive = zipfile.ZipFile(stream)
        except _READ_ERRORS:
            yield Span(0, size, defect="broken_archive")
            return
        with archive:
            expanded, budget = 0, LineBudget()
            for number, region in enumerate(_regions(archive, size)):
                budget.compressed = region.offset + region.length
                expanded += 0 if any(_refusal(region)) else region.member.file_size
                too_many = number >= MAX_MEMBERS
                if too_many or expanded > max(_TOTAL_FROM, MAX_RATIO * budget.compressed):
                    reason = "too_many_members" if too_many else "compression_ratio"
                    yield Span(region.offset, size - region.offset, defect=reason)
                    return
                yield from _member(archive, region, info, budget)


class _Region(NamedTuple):
    """A member and the archive's bytes that are counted for it."""

    member: zipfile.ZipInfo
    offset: int
    length: int


def _regions(archive: zipfile.ZipFile, size: int) -> Iterator[_Region]:
    """Yield the members in the order of their bytes; the first begins at 0 and the last ends at `size`."""
    members = sorted(archive.infolist(), key=lambda member: member.header_offset)
    bounds = [0, *(min(max(member.header_offset, 0), size) for member in members[1:]), size]
    for member, offset, end in zip(members, bounds, bounds[1:], strict=False):
        yield _Region(member, offset, end - offset)


def _member(archive: zipfile.ZipFile, region: _Region, info: SourceInfo, budget: LineBudget) -> Iterator[Span]:
    _, offset, length = region
    skipped, defect = _refusal(region)
    if skipped or defect:
        yield Span(offset, length, skipped=skipped, defect=defect)
        return
    member_info = replace(info, name=PurePosixPath(region.member.filename).name)
    scale = _Scale(region)
    try:
        with archive.open(region.member) as stream:
            found = recognise(Peek(cast(BinaryIO, stream)), member_info).format
        if found is None or isinstance(found, Archive | DatabaseFormat):
            unknown = found is None and region.member.file_size
            yield Span(offset, length, skipped="unrecognised" if unknown else "not_a_transcript")
            return
        with archive.open(region.member) as stream:
            for span in _read(found, cast(BinaryIO, stream), member_info, budget):
                yield scale.place(span)
    except _READ_ERRORS:
        yield scale.rest(defect="broken_member")
        return
    except TooManyLines:
        yield scale.rest(defect="too_many_lines")
        return
    if scale.left:
        yield scale.rest(skipped="blank")


def _refusal(region: _Region) -> tuple[str, str]:
    """Return the reason to skip the member, or the defect for which it is not opened; both empty if it may be."""
    member = region.member
    suffix = PurePosixPath(member.filename).suffix.lower()
    if member.filename.endswith("/"):  # not `is_dir`, which fails for an empty name
        return "directory", ""
    if suffix not in _TRANSCRIPT_SUFFIXES:
        return "nested_archive" if suffix in _ARCHIVE_SUFFIXES else "not_a_transcript", ""
    if member.flag_bits & _ENCRYPTED:
        return "", "encrypted"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "", "unknown_compression"
    if member.file_size > MAX_MEMBER:
        return "", "too_large"
    # The directory may lie about the compressed size, but not about the bytes there are.
    compressed = max(min(member.compress_size, region.length), 1)
    if member.file_size > _RATIO_FROM and member.file_size > MAX_RATIO * compressed:
        return "", "compression_ratio"
    return "", ""


def _read(found: LineFormat | DocumentFormat, stream: BinaryIO, info: SourceInfo, budget: LineBudget) -> Iterator[Span]:
    if not isinstance(found, LineFormat):
        for span in found.read(stream, info):
            budget.spend()
            yield span
        return
    yield from read_whole(stream, found.parser(info), budget)


class _Scale:
    """Maps a member's own offsets to its bytes in the archive; rounding never makes a gap or an overlap."""

    def __init__(self, region: _Region) -> None:
        self._region = region
        self._size = max(region.member.file_size, 1)
        self._done = region.offset

    @property
    def left(self) -> int:
        """How many of the member's bytes no span has yet."""
        return self._region.offset + self._region.length - self._done

    def place(self, span: Span) -> Span:
        """Return the next span of the member with its place in the archive."""
        end = min(span.offset + span.length, self._size)
        offset = self._done
        # A line format may give an open message's span after that of a line behind it.
        self._done = max(offset, self._region.offset + end * self._region.length // self._size)
        return replace(span, offset=offset, length=self._done - offset)

    def rest(self, *, skipped: str = "", defect: str = "") -> Span:
        """Return a span for all bytes that are left."""
        return Span(self._done, self.left, skipped=skipped, defect=defect)


def _directory_size(stream: BinaryIO, size: int) -> int:
    """Return the bytes of the archive's directory as its end record gives them, or -1 if it has none.

    `zipfile` holds the whole directory in memory, so its size is looked at first. Layout: APPNOTE.TXT 4.3.14-4.3.16.
    """
    start = max(size - _MAX_COMMENT - _END.size - _END64_LOCATOR - _END64.size, 0)
    stream.seek(start)
    tail = stream.read(size - start)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        return -1
    at64 = at - _END64_LOCATOR - _END64.size
    if at64 >= 0 and tail[at - _END64_LOCATOR :].startswith(b"PK\x06\x07") and tail[at64:].startswith(b"PK\x06\x06"):
        return int(_END64.unpack_from(tail, at64)[8])
    return int(_END.unpack_from(tail, at)[5])
