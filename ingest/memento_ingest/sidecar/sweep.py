"""The stat sweep: the truth about which files changed. Events only make it look sooner.

Invariant: a file whose identity, size or time differs from those of its last complete read is returned by every sweep
until `read` is told that it was read with exactly that signature. A file that was read only in part (a database whose
comparison is not due yet) is returned again from the time that `read` was told.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

DATABASES: Final = frozenset({".db", ".sqlite", ".vscdb"})
_LOG: Final = "-wal"


class Signature(NamedTuple):
    """What a stat says of a file: any change of content changes it."""

    device: int
    inode: int
    size: int
    modified: int
    """Nanoseconds."""
    log: tuple[int, int] = (0, 0)
    """Size and time of a database's write-ahead log: either file may change while the other looks the same."""

    @property
    def latest(self) -> int:
        """When it was written to last, nanoseconds."""
        return max(self.modified, self.log[1])


class Changed(NamedTuple):
    """A file that is to be read."""

    path: Path
    signature: Signature


@dataclass(slots=True)
class Sweep:
    """Which files under the watched roots are to be read.

    `accepts` tells by its path whether a file may be a transcript. A root may be a file, or not exist yet.
    """

    roots: list[Path]
    accepts: Callable[[Path], bool]
    done: dict[str, Signature] = field(default_factory=dict)
    again: dict[str, float] = field(default_factory=dict)
    """Files that are to be read again though nothing in them changed, and from when, by the monotonic clock."""
    problems: dict[str, str] = field(default_factory=dict)
    """What could not be looked at in the last sweep, and why."""

    def changed(self) -> list[Changed]:
        """Look at everything; return what changed, oldest change first."""
        self.problems = {}
        alive: set[str] = set()
        found: list[Changed] = []
        due = {key for key, at in self.again.items() if at <= time.monotonic()}
        for path, status in self._files():
            key = os.fspath(path)
            alive.add(key)
            signature = _signature(path, status)
            if self.done.get(key) != signature or key in due:
                found.append(Changed(path, signature))
        for gone in self.done.keys() - alive:
            del self.done[gone]  # deleting a source never deletes memory; if it comes back it is looked at again
            self.again.pop(gone, None)
        return sorted(found, key=lambda one: one.signature.latest)

    def changed_among(self, paths: Iterable[Path]) -> list[Changed]:
        """Look at these files only, those that events named."""
        found: list[Changed] = []
        for path in {_database_of(path) for path in paths}:
            if not self._watched(path):
                continue
            try:
                status = path.lstat()
            except OSError:
                continue
            signature = _signature(path, status)
            if stat.S_ISREG(status.st_mode) and self.done.get(os.fspath(path)) != signature:
                found.append(Changed(path, signature))
        return found

    def read(self, file: Changed, again_in: float | None = None) -> None:
        """Take note that a file was read to the end it had with this signature; in seconds, when it is to be again."""
        key = os.fspath(file.path)
        self.done[key] = file.signature
        self.again.pop(key, None)
        if again_in is not None:
            self.again[key] = time.monotonic() + again_in

    def _watched(self, path: Path) -> bool:
        return self.accepts(path) and any(path == root or root in path.parents for root in self.roots)

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for root in self.roots:
            try:
                status = root.stat()
            except FileNotFoundError:
                continue  # it may appear later
            except OSError as error:
                self.problems[os.fspath(root)] = error.strerror or str(error)
                continue
            if stat.S_ISDIR(status.st_mode):
                yield from self._walk(os.fspath(root))
            elif stat.S_ISREG(status.st_mode):
                yield root, status

    def _walk(self, folder: str) -> Iterator[tuple[Path, os.stat_result]]:
        folders = [folder]
        while folders:
            current = folders.pop()
            try:
                with os.scandir(current) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
                        elif entry.is_file(follow_symlinks=False) and self.accepts(path := Path(entry.path)):
                            yield path, entry.stat(follow_symlinks=False)
            except OSError as error:
                self.problems[current] = error.strerror or str(error)


def _signature(path: Path, status: os.stat_result) -> Signature:
    log = (0, 0)
    if path.suffix in DATABASES:  # what is new lies in the write-ahead log until a checkpoint moves it
        with suppress(OSError):
            found = path.with_name(path.name + _LOG).stat()
            log = found.st_size, found.st_mtime_ns
    return Signature(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, log)


def _database_of(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(_LOG)) if path.name.endswith(_LOG) else path
