"""File permissions: find files and folders that other users can reach, and restrict them to the owner.

Memento's own folders are 0700. A shared folder that holds a store keeps its mode, except that others may not write in
it: whoever can write in a folder can replace its files.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from memento.errors import StoreError

OTHERS: Final = 0o077
_OTHERS_WRITE: Final = 0o022
_OWN_FOLDERS: Final = ("backups", "cache", "run", "spool")
_TEMPORARY: Final = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - nothing is put there


class Exposed(NamedTuple):
    """A file or folder that other users can reach."""

    path: Path
    mode: int
    forbidden: int
    """The mode bits to remove."""
    owner: int

    @property
    def is_ours(self) -> bool:
        """Whether we may change its mode."""
        return self.owner == os.geteuid()

    @property
    def what(self) -> str:
        """A sentence that says what others can do."""
        verb = "replace what is in" if self.forbidden == _OTHERS_WRITE else "reach"
        return f"others can {verb} {self.path} (mode {self.mode:04o})"

    @property
    def remedy(self) -> str:
        """The command or advice that closes it."""
        if not self.is_ours:
            return f"it belongs to user {self.owner}: keep the store in a folder of your own"
        return f"chmod {'go-w' if self.forbidden == _OTHERS_WRITE else 'go='} '{self.path}'"


def exposed_folders(database: Path, home: Path) -> Iterator[Exposed]:
    """Yield the folders of a store, and of Memento's home, that others can reach."""
    parent = database.parent
    yield from _exposed(home, _OTHERS_WRITE if _serves_others(home) else OTHERS)
    for folder in (*(home / name for name in _OWN_FOLDERS), Path(f"{database}.vectors")):
        yield from _exposed(folder, OTHERS)
    if parent.resolve() != home.resolve():  # the folder and these names in it may be the user's own
        for folder in (parent, parent / "backups", parent / "run"):
            yield from _exposed(folder, _OTHERS_WRITE)


def exposed_files(database: Path) -> Iterator[Exposed]:
    """Yield the files of a store, and its backups, that others can read."""
    for folder in (database.parent, database.parent / "backups"):
        for path in sorted(folder.glob(f"{database.stem}*")):
            if path.is_file() and not path.is_symlink() and (folder != database.parent or _is_of(database, path)):
                yield from _exposed(path, OTHERS)


def restrict_folders(database: Path, home: Path) -> list[str]:
    """Restrict the folders to their owner; return a sentence for each change.

    Raises StoreError for another user's folder in which everybody may write: nothing in it is safe.
    """
    done = []
    for one in exposed_folders(database, home):
        if one.is_ours:
            mode = one.mode & ~one.forbidden
            with suppress(OSError):
                _change_mode(one.path, mode)
                done.append(f"{one.what}: it is closed to them now (mode {mode:04o})")
        elif one.mode & 0o002 and os.geteuid() != 0:
            raise StoreError(f"{one.what}: {one.remedy}")
    return done


def _serves_others(home: Path) -> bool:
    """Tell whether the folder named as Memento's home serves others too: /tmp, /opt, the user's home or a parent.

    Closing /tmp or /home would break other programs.
    """
    try:
        folder, user = home.resolve(), Path.home().resolve()
    except (OSError, RuntimeError):
        return False
    is_top = folder.parent.parent == folder.parent
    return is_top or str(folder) in _TEMPORARY or user.is_relative_to(folder)


def _is_of(database: Path, path: Path) -> bool:
    return path.name == database.name or path.name.startswith((f"{database.name}-", f"{database.name}."))


def _exposed(path: Path, forbidden: int) -> Iterator[Exposed]:
    """Yield a file or folder if its mode has forbidden bits.

    In a folder with the sticky bit, such as /tmp, others may write but not replace our files.
    """
    try:
        status = path.lstat()
    except OSError:
        return
    if stat.S_ISLNK(status.st_mode):
        return
    mode = stat.S_IMODE(status.st_mode)
    if mode & forbidden and not (forbidden == _OTHERS_WRITE and mode & stat.S_ISVTX):
        yield Exposed(path, mode, forbidden, status.st_uid)


def _change_mode(folder: Path, mode: int) -> None:
    """Change a folder's mode, without following a symbolic link."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


_creating = threading.Lock()


def create_file(path: Path) -> None:
    """Create the database file (0600) before SQLite opens it, which copies its mode to -wal and -shm."""
    try:
        with _creating, suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise open_failure(path, error) from None


def open_failure(path: Path, error: OSError) -> StoreError:
    """Return the error to raise. Locks and log lie beside the file, so its folder must be writable too."""
    is_closed = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    mend = "make it and its folder writable for you, or name" if is_closed else "name"
    return StoreError(f"cannot open the store {path}: {error.strerror}; {mend} another with --db or MEMORY_DB_PATH")


def restrict_file(path: Path) -> None:
    """Restrict existing database files to their owner, if they are ours."""
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(OSError):
            name.chmod(0o600)
