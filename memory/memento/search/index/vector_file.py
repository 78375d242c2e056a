"""The vectors of a store in memory-mapped files. They are derived data and can be rebuilt.

docs/vector-file.md describes the format and why it is safe at every moment: data is appended beyond the end that the
header states, then a new header replaces the old one; a rebuild writes new files under a new name. No file is ever
truncated, so a mapping cannot fault.
"""

from __future__ import annotations

import mmap
import os
import time
from array import array
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, Self
from zlib import crc32

import msgspec

from memento.base import durable, killpoints
from memento.search.index.header import BLOCK, NAME, VectorFileHeader, VectorFileUnusable, read_header
from memento.search.index.rows import DEAD, GrowingBuffer, Rows

_MOVING_TRIES: Final = 10
_MOVING_SECONDS: Final = 0.002
"""A writer marks rows and replaces the header within this time; a reader in between retries."""


class VectorFile(Rows):
    """One epoch of a store's vector file. Whoever changes it holds `locked(folder)`."""

    def __init__(self, folder: Path, header: VectorFileHeader, nums: bytes = b"") -> None:
        self.folder = folder
        self.header = header
        self.dimensions = header.dimensions
        self.seq, self.deletions = header.seq, header.deletions
        self._nums = GrowingBuffer(nums)
        self._nums_checksum = header.nums_checksum
        self._blocks = list(header.block_checksums)
        self._killed: list[int] = []
        self._mapped = memoryview(b"").cast("f")
        self._version: tuple[int, int] | None = None

    @classmethod
    def open(cls, folder: Path, store: str, model: str, dimensions: int) -> Self:
        """Open the header's files. Raises VectorFileUnusable if they are incomplete, or of another store or model."""
        for _ in range(_MOVING_TRIES):
            version = _version(folder)  # before the header, so that a change in between is noticed
            header = read_header(folder)
            for what, found, wanted in (
                ("store", header.store, store),
                ("model", header.model, model),
                ("number of dimensions", header.dimensions, dimensions),
            ):
                if found != wanted:
                    raise VectorFileUnusable(f"it is of another {what} ({found})")
            try:
                file = cls(folder, header, _read_nums(folder, header))
                file._mapped, file._version = file._map(header.rows), version
            except (VectorFileUnusable, OSError, ValueError) as error:  # ValueError: too short to be mapped
                reason = str(error)
                time.sleep(_MOVING_SECONDS)
            else:
                return file
        raise VectorFileUnusable(reason)

    @classmethod
    def create(cls, folder: Path, store: str, model: str, dimensions: int) -> Self:
        """Create an empty new epoch; it takes effect with its first `publish`."""
        header = VectorFileHeader(store=store, model=model, dimensions=dimensions, epoch=os.urandom(8).hex())
        for path in (header.vectors_path(folder), header.nums_path(folder)):
            os.close(durable.create_private_file(path))
        return cls(folder, header)

    @property
    def vectors(self) -> memoryview[float]:
        """The vectors, one after the other: float32, rows x dimensions, mapped and read-only."""
        self._map_up_to(len(self.nums))
        return self._mapped

    @property
    def nums(self) -> memoryview:
        """The memory number of each row, int64."""
        return self._nums.view.cast("q")

    def append(self, nums: array[int], vectors: bytes) -> None:
        """Write rows after the last; other processes see them after `publish`."""
        start, numbers = len(self.nums), nums.tobytes()
        data, stride = memoryview(vectors), self._stride
        _write_at(self.header.vectors_path(self.folder), [(start * stride, vectors)])
        _write_at(self.header.nums_path(self.folder), [(start * 8, numbers)])
        for first in range(-(start % BLOCK), len(nums), BLOCK):
            part = data[max(first, 0) * stride : (first + BLOCK) * stride]
            if first < 0:
                self._blocks[-1] = crc32(part, self._blocks[-1])
            else:
                self._blocks.append(crc32(part))
        self._nums.append(numbers)
        self._nums_checksum = crc32(numbers, self._nums_checksum)

    def kill(self, rows: Iterable[int]) -> None:
        """Mark rows as DEAD; `publish` overwrites their vectors with zeros."""
        nums = self.nums
        for row in rows:
            nums[row] = DEAD
            self._killed.append(row)

    def publish(self) -> None:
        """Sync the data to the disk, then replace the header."""
        vectors_path, nums_path = self.header.vectors_path(self.folder), self.header.nums_path(self.folder)
        durable.sync(vectors_path)
        durable.sync(nums_path)
        killpoints.reach("vectors.synced")
        if self._killed:
            _write_at(vectors_path, [(row * self._stride, bytes(self._stride)) for row in self._killed])
            _write_at(nums_path, [(row * 8, DEAD.to_bytes(8, "little", signed=True)) for row in self._killed])
            for block in {row // BLOCK for row in self._killed}:
                self._blocks[block] = crc32(self._block(block))
            self._killed.clear()
            self._nums_checksum = crc32(self.nums)
            killpoints.reach("vectors.marked")
        self.header = msgspec.structs.replace(
            self.header,
            rows=len(self.nums),
            seq=self.seq,
            deletions=self.deletions,
            nums_checksum=self._nums_checksum,
            block_checksums=tuple(self._blocks),
        )
        _replace(self.folder / NAME, self.header.encode())
        killpoints.reach("vectors.published")
        self._map_up_to(self.header.rows)  # map now, since forgetting a memory deletes these files
        self._version = _version(self.folder)

    def changed(self) -> bool:
        """Tell, by the header's inode and time, whether another process has published since."""
        return self._version != _version(self.folder)

    def is_current(self) -> bool:
        """Tell whether the header on disk is the one this object knows. The caller holds the lock."""
        with suppress(VectorFileUnusable):
            return read_header(self.folder) == self.header
        return False

    def damaged_blocks(self) -> int:
        """Read all vectors and count the blocks with a wrong checksum."""
        return sum(crc32(self._block(number)) != known for number, known in enumerate(self._blocks))

    def remove(self) -> None:
        """Delete the data files of this epoch."""
        self.header.vectors_path(self.folder).unlink(missing_ok=True)
        self.header.nums_path(self.folder).unlink(missing_ok=True)

    @property
    def _stride(self) -> int:
        return 4 * self.dimensions

    def _block(self, number: int) -> memoryview[float]:
        size = BLOCK * self.dimensions
        return self.vectors[number * size : (number + 1) * size]

    def _map_up_to(self, rows: int) -> None:
        if len(self._mapped) < rows * self.dimensions:
            self._mapped = self._map(rows)

    def _map(self, rows: int) -> memoryview[float]:
        if not rows:
            return memoryview(b"").cast("f")
        handle = os.open(self.header.vectors_path(self.folder), os.O_RDONLY | os.O_CLOEXEC)
        try:
            mapped = mmap.mmap(handle, rows * self._stride, access=mmap.ACCESS_READ)
        finally:
            os.close(handle)
        return memoryview(mapped).cast("f")


@contextmanager
def locked(folder: Path, within: float) -> Iterator[None]:
    """Hold the folder's write lock, creating the folder (0700). Raises OSError if it is not free `within` seconds."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    give_up = time.monotonic() + within
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(durable.locked(folder / "lock", wait=False))
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(_MOVING_SECONDS)
            else:
                break
        yield


def remove_other_epochs(folder: Path, epoch: str) -> None:
    """Remove the files of all other epochs; existing mappings of them stay valid."""
    for path in folder.glob("*.*.*"):
        if f".{epoch}." not in path.name:
            path.unlink(missing_ok=True)


def _read_nums(folder: Path, header: VectorFileHeader) -> bytes:
    try:
        held = header.vectors_path(folder).stat().st_size
        with header.nums_path(folder).open("rb") as file:
            nums = file.read(8 * header.rows)
    except OSError as error:
        raise VectorFileUnusable(f"{error.filename} cannot be read ({error.strerror})") from None
    if held < header.rows * header.dimensions * 4 or len(nums) < 8 * header.rows:
        raise VectorFileUnusable("its data is shorter than the header says")
    if crc32(nums) != header.nums_checksum:
        raise VectorFileUnusable("the checksum of its row numbers is wrong")
    return nums


def _version(folder: Path) -> tuple[int, int] | None:
    """Return the header's inode and modification time, which change when it is replaced."""
    try:
        status = (folder / NAME).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _write_at(path: Path, parts: list[tuple[int, bytes]]) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        for start, data in parts:
            done = 0
            while done < len(data):
                done += os.pwrite(handle, memoryview(data)[done:], start + done)
    finally:
        os.close(handle)


def _replace(path: Path, content: bytes) -> None:
    """Replace a file without waiting for the disk: an older or broken header is detected and handled."""
    staged = path.with_name(f"{path.name}.new")
    os.close(durable.create_private_file(staged))
    _write_at(staged, [(0, content)])
    staged.replace(path)
