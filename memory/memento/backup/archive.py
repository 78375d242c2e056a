"""The file format of a backup: a manifest and the compressed database, in one file that is whole or absent.

    skippable zstd frame (RFC 8878, 3.1.2): magic 0x184D2A50, length, both little-endian u32; the manifest, JSON
    zstd frame with a checksum: the database file

`zstd -d` skips the manifest and returns the database, so a backup can be restored without Memento.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import struct
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from memento.base import killpoints, signing
from memento.base.durable import create_private_file
from memento.errors import BackupDamaged

_MAGIC: Final = 0x184D2A50
_HEADER: Final = struct.Struct("<II")
_BLOCK: Final = 1024 * 1024
_LEVEL: Final = 3
_MAX_MANIFEST: Final = 16 * 1024 * 1024
MAX_RATIO: Final = 1_000
"""Maximum compression ratio accepted; real backups reach 10."""
_RATIO_FROM: Final = 64 * 1024 * 1024
"""Database size below which the ratio is not checked."""
_MAX_WINDOW: Final = 128 * 1024 * 1024
"""Bytes of memory the zstd frame may ask for."""
_KIND: Final = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
_LARGEST: Final = 1 << 62


Key = bytes


class Manifest(msgspec.Struct, frozen=True):
    """The description of a backup, stored in its file."""

    database: str
    """Name of the database file."""
    kind: str
    """hourly, daily, manual, migration or forget."""
    at: int
    """The instant of the snapshot, Unix milliseconds, by the machine's clock."""
    schema: int
    content: str
    """storage.snapshot.StoreContents.hash of the store at that instant, and of the copy."""
    counts: dict[str, int]
    bytes: int
    """Size of the database file."""
    hash: str
    """BLAKE2b-256 of the database file, in hex."""
    spool: dict[str, str] = {}
    """storage.snapshot.StoreContents.spool."""
    journal: str = ""
    """How far the journal was applied."""
    sqlite: str = ""
    sequence: int = 0
    """Greater than that of every earlier backup in the folder, since clocks can be set back; 0 in backups of older
    versions.
    """
    version: int = 1
    signature: str = ""
    """Keyed hash of all other fields (`signing`), which proves that the backup was made in this store's folder."""

    def signed(self, key: Key) -> Manifest:
        """Return the manifest with its signature."""
        return msgspec.structs.replace(self, signature=self._seal(key).hexdigest())

    def is_signed(self, key: Key) -> bool:
        """Tell whether the owner of this key made the backup and it is unchanged."""
        return self._seal(key).proves(self.signature)

    def _seal(self, key: Key) -> signing.Seal:
        seal = signing.Seal("backup", key)
        seal.update(msgspec.json.encode(msgspec.structs.replace(self, signature="")))
        return seal


def compress(database: Path, manifest: Manifest, target: Path) -> None:
    """Write the manifest and the compressed database to a new file (0600)."""
    import zstandard

    head = msgspec.json.encode(manifest)
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    with os.fdopen(create_private_file(target), "wb") as file, database.open("rb") as content:
        file.write(_HEADER.pack(_MAGIC, len(head)) + head)
        with compressor.stream_writer(file, size=database.stat().st_size, closefd=False) as writer:
            while block := content.read(_BLOCK):
                writer.write(block)
                killpoints.reach("backup.compressing")


def read_manifest(path: Path) -> Manifest:
    """Return a backup's manifest. Raises BackupDamaged."""
    try:
        with path.open("rb") as file:
            return _read_manifest(file)
    except (OSError, ValueError, RecursionError, struct.error) as error:
        why = error if isinstance(error, OSError) else "it is damaged, or not of Memento"
        raise BackupDamaged(f"the backup {path} has no manifest that can be read ({why})") from None


def decompress(path: Path, target: Path | None) -> Manifest:
    """Decompress a backup into a new file (0600), or only read it; return its manifest.

    Raises BackupDamaged if the result differs in any bit from the original.
    """
    manifest = read_manifest(path)
    if manifest.bytes > max(_RATIO_FROM, MAX_RATIO * path.stat().st_size):
        raise BackupDamaged(f"the backup {path} says that it expands beyond what a database can ({MAX_RATIO} to 1)")
    if target is not None and manifest.bytes > shutil.disk_usage(target.parent).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
    total = blake2b(digest_size=32)
    size = 0
    with _open_target(target) as out:
        for block in read_database(path):
            size += len(block)
            if size > manifest.bytes:
                break
            total.update(block)
            out.write(block)
    if (size, total.hexdigest()) != (manifest.bytes, manifest.hash):
        raise BackupDamaged(f"the backup {path} does not give back what was put in")
    return manifest


def read_database(path: Path) -> Iterator[bytes]:
    """Yield the database in a backup, in blocks. Raises BackupDamaged."""
    import zstandard

    try:
        with path.open("rb") as file:
            _read_manifest(file)
            yield from zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).read_to_iter(
                file, read_size=_BLOCK, write_size=_BLOCK
            )
    except (ValueError, struct.error, zstandard.ZstdError) as error:
        raise BackupDamaged(f"the backup {path} cannot be read ({error})") from None


def hash_file(path: Path) -> str:
    """Return the BLAKE2b-256 of a file, in hex."""
    total = blake2b(digest_size=32)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            total.update(block)
    return total.hexdigest()


def _open_target(path: Path | None) -> BinaryIO:
    return Path(os.devnull).open("wb") if path is None else os.fdopen(create_private_file(path), "wb")


def _read_manifest(file: BinaryIO) -> Manifest:
    magic, length = _HEADER.unpack(file.read(_HEADER.size))
    if magic != _MAGIC or length > _MAX_MANIFEST:
        raise ValueError("it is no backup of Memento")
    manifest = msgspec.json.decode(file.read(length), type=Manifest)
    numbers = (manifest.at, manifest.bytes, manifest.schema, *manifest.counts.values())
    if not all(0 <= number < _LARGEST for number in numbers) or not _KIND.fullmatch(manifest.kind):
        raise ValueError("its manifest cannot be that of a backup")
    return manifest
