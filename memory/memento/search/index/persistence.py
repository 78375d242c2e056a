"""Persistence of a backend's index beside its vector file; it is loaded only if it is whole.

`NAME.EPOCH.bin` is the library's own format; `NAME.EPOCH.json` holds its length and CRC-32, since the libraries trust
what they read. The epoch in the name ties it to the rows: a rebuilt vector file has a new epoch.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

from memento.base import durable
from memento.search.index.partial_index import PersistentIndex

_PIECE: Final = 1 << 20


class _Stamp(msgspec.Struct):
    bytes: int
    checksum: int


def save(kept: PersistentIndex, folder: Path, epoch: str) -> None:
    """Write a backend's file, holding the lock of the folder. Raises OSError."""
    durable.sync(folder)  # after a power cut, this file must not exist without its header
    path, stamp = _paths(kept, folder, epoch)
    staged = path.with_suffix(".new")
    os.close(durable.create_private_file(staged))
    try:
        kept.save(staged, epoch)
        content = msgspec.json.encode(_stamp(staged))
        staged.replace(path)
    except OSError:
        staged.unlink(missing_ok=True)  # do not fill the disk with a partial file
        raise
    handle = durable.create_private_file(stamp)
    try:
        os.write(handle, content)
    finally:
        os.close(handle)


def load(kept: PersistentIndex, folder: Path, epoch: str, rows: int) -> bool:
    """Load a backend's file, of at most `rows` rows, into an empty index; return False if there is no whole file."""
    path, stamp = _paths(kept, folder, epoch)
    try:
        if msgspec.json.decode(stamp.read_bytes(), type=_Stamp) != _stamp(path):
            return False
    except (OSError, msgspec.DecodeError):
        return False
    kept.load(path, epoch, rows)
    return True


def _paths(kept: PersistentIndex, folder: Path, epoch: str) -> tuple[Path, Path]:
    return folder / f"{kept.name}.{epoch}.bin", folder / f"{kept.name}.{epoch}.json"


def _stamp(path: Path) -> _Stamp:
    length = checksum = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            length += len(piece)
            checksum = crc32(piece, checksum)
    return _Stamp(length, checksum)
