"""From what a user names (files, folders, globs, `-`) to the files that are read, in a stable order.

Only regular files count, and links found inside a folder are not followed: nothing outside the named places is read.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from memento.base.home import expand_user
from memento.errors import UsageError

STANDARD_INPUT: Final = "-"
SUFFIXES: Final = frozenset(
    {".jsonl", ".ndjson", ".json", ".md", ".markdown", ".txt", ".log", ".zip", ".db", ".sqlite", ".vscdb", ".zst"}
)
"""What is looked at inside a folder; a file named by itself is always looked at."""


class File(NamedTuple):
    """A regular file to be looked at."""

    path: Path
    named: bool
    """Whether the user named this very file, rather than a folder it lies in."""


@dataclass(slots=True)
class Found:
    """What discovery came upon."""

    files: list[File] = field(default_factory=list)
    """Oldest change first, so that a conversation's beginning precedes its continuation."""
    standard_input: bool = False
    problems: list[tuple[str, str]] = field(default_factory=list)
    """What could not be looked at, and why."""
    ignored: int = 0
    """Files in the named folders that no format could read by their name, and what is no regular file there."""


def readable(path: str | os.PathLike[str]) -> str:
    """Return a path as valid text; bytes of a file name that are no UTF-8 become escapes such as `\\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def may_be_transcript(path: Path) -> bool:
    """Tell by its name whether a file in a folder is worth a look; archived logs carry a date behind `.jsonl`."""
    return path.suffix.lower() in SUFFIXES or ".jsonl." in path.name


def discover(names: Iterable[str]) -> Found:
    """Resolve names to files; a name that leads nowhere becomes a problem, never an exception."""
    found = Found()
    seen: set[tuple[int, int]] = set()
    dated: list[tuple[int, File]] = []
    for name in names:
        if name == STANDARD_INPUT:
            found.standard_input = True
            continue
        for file in _expand(name, found):
            try:
                status = file.path.stat()
            except (OSError, ValueError) as error:  # ValueError: a NUL in the name
                found.problems.append((readable(file.path), getattr(error, "strerror", None) or str(error)))
                continue
            if not stat.S_ISREG(status.st_mode):
                if file.named:
                    found.problems.append((readable(file.path), "not a regular file"))
                else:
                    found.ignored += 1
            elif (identity := (status.st_dev, status.st_ino)) not in seen:
                seen.add(identity)
                dated.append((status.st_mtime_ns, file))
    found.files = [file for _, file in sorted(dated)]
    return found


def _expand(name: str, found: Found) -> Iterator[File]:
    try:
        path = expand_user(name)
    except UsageError as error:
        found.problems.append((readable(name), str(error)))
        return
    # os.path, since pathlib's own `is_dir` and `exists` raise for names too long and folders closed to us.
    if os.path.isdir(path):  # noqa: PTH112
        yield from _walk(path, found)
    elif os.path.lexists(path) or not glob.has_magic(name):
        yield File(path, named=True)
    else:
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - pathlib refuses absolute patterns
        if not matches:
            found.problems.append((readable(name), "no file matches"))
        for match in map(Path, matches):
            yield from _walk(match, found) if os.path.isdir(match) else [File(match, named=True)]  # noqa: PTH112


def _walk(folder: Path, found: Found) -> Iterator[File]:
    def unreadable(error: OSError) -> None:
        found.problems.append((readable(error.filename), error.strerror or str(error)))

    for root, folders, files in os.walk(folder, onerror=unreadable):
        folders.sort()
        for file in sorted(files):
            path = Path(root, file)
            if not may_be_transcript(path) or path.is_symlink():
                found.ignored += 1
            else:
                yield File(path, named=False)


def open_regular(path: Path, *, follow: bool = True) -> BinaryIO:
    """Open a regular file for reading, never blocking on a pipe that took its place. Raises OSError.

    Without `follow` a link is refused: it may have taken a file's place since the folder was looked at.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "not a regular file")
    return os.fdopen(descriptor, "rb", buffering=0)
