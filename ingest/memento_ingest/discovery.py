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
from typing import Final

STANDARD_INPUT: Final = "-"
SUFFIXES: Final = frozenset({".jsonl", ".ndjson", ".json", ".md", ".markdown", ".txt", ".log", ".zip"})
"""What is looked at inside a folder; a file named by itself is always looked at."""


@dataclass(slots=True)
class Found:
    """What discovery came upon."""

    files: list[Path] = field(default_factory=list)
    """Oldest change first, so that a conversation's beginning precedes its continuation."""
    standard_input: bool = False
    problems: list[tuple[str, str]] = field(default_factory=list)
    """What could not be looked at, and why."""
    ignored: int = 0
    """Files in the named folders that no format could read by their name."""


def discover(names: Iterable[str]) -> Found:
    """Resolve names to files; a name that leads nowhere becomes a problem, never an exception."""
    found = Found()
    seen: set[tuple[int, int]] = set()
    dated: list[tuple[int, Path]] = []
    for name in names:
        if name == STANDARD_INPUT:
            found.standard_input = True
            continue
        for path in _expand(name, found):
            try:
                status = path.stat()
            except OSError as error:
                found.problems.append((str(path), error.strerror or str(error)))
                continue
            if not stat.S_ISREG(status.st_mode):
                found.problems.append((str(path), "not a regular file"))
            elif (identity := (status.st_dev, status.st_ino)) not in seen:
                seen.add(identity)
                dated.append((status.st_mtime_ns, path))
    found.files = [path for _, path in sorted(dated)]
    return found


def _expand(name: str, found: Found) -> Iterator[Path]:
    path = Path(name).expanduser()
    if path.is_dir():
        yield from _walk(path, found)
    elif path.exists() or not glob.has_magic(name):
        yield path
    else:
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - pathlib refuses absolute patterns
        if not matches:
            found.problems.append((name, "no file matches"))
        for match in matches:
            yield from _walk(Path(match), found) if Path(match).is_dir() else [Path(match)]


def _walk(folder: Path, found: Found) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        found.problems.append((str(error.filename), error.strerror or str(error)))

    for root, folders, files in os.walk(folder, onerror=unreadable):
        folders.sort()
        for file in sorted(files):
            path = Path(root, file)
            if path.suffix.lower() not in SUFFIXES or path.is_symlink():
                found.ignored += 1
            else:
                yield path
