"""The header of the vector file: what its data files hold, and whether that matches the database.

docs/vector-file.md describes the format.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final
from zlib import crc32

import msgspec

NAME: Final = "header"
MAGIC: Final = b"memento-vectors 1\n"
BLOCK: Final = 1024
"""Rows under one checksum."""
_EPOCH: Final = re.compile(r"[0-9a-f]{16}")
_Count = Annotated[int, msgspec.Meta(ge=0)]


class VectorFileUnusable(Exception):
    """The vector file is missing, damaged or of another store or model; the text says which."""


class VectorFileHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The description of the data files."""

    store: str
    """The store's random identity."""
    model: str
    """The stamp of the embedder that made the vectors."""
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=65_536)]
    epoch: str
    """Identifies the pair of data files: 16 hex digits, new at every rebuild."""
    rows: _Count = 0
    seq: _Count = 0
    """Sequence number of the last embedding in the file."""
    deletions: _Count = 0
    """The database's deletion count that the file reflects."""
    nums_checksum: _Count = 0
    """CRC-32 of the numbers of all rows."""
    block_checksums: tuple[int, ...] = ()
    """CRC-32 of the vectors of each block of BLOCK rows; the last block may be partial."""

    def encode(self) -> bytes:
        """Return the header file's bytes."""
        body = MAGIC + msgspec.json.encode(self) + b"\n"
        return body + b"%08x\n" % crc32(body)

    def vectors_path(self, folder: Path) -> Path:
        """The file of the vectors."""
        return folder / f"vectors.{self.epoch}.f32"

    def nums_path(self, folder: Path) -> Path:
        """The file of the memory numbers."""
        return folder / f"rows.{self.epoch}.i64"


def read_header(folder: Path) -> VectorFileHeader:
    """Read and check the header of a folder. Raises VectorFileUnusable."""
    try:
        raw = (folder / NAME).read_bytes()
    except FileNotFoundError:
        raise VectorFileUnusable("there is no vector file yet") from None
    except OSError as error:
        raise VectorFileUnusable(f"the header cannot be read ({error.strerror})") from None
    body, checksum = raw[:-9], raw[-9:]
    if not body.startswith(MAGIC) or checksum != b"%08x\n" % crc32(body):
        raise VectorFileUnusable("the header is damaged, or of another version")
    try:
        header = msgspec.json.decode(body[len(MAGIC) :], type=VectorFileHeader)
    except msgspec.DecodeError as error:
        raise VectorFileUnusable(f"the header is damaged ({error})") from None
    if not _EPOCH.fullmatch(header.epoch) or len(header.block_checksums) != -(-header.rows // BLOCK):
        raise VectorFileUnusable("the header contradicts itself")
    return header
