"""Which places are watched on this machine, and which files in them count: the agents' own, or those a user names."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from memento.base.home import user_home
from memento_ingest.discovery import may_be_transcript
from memento_ingest.locations import Place, places

_REMEMBERED: Final = 100_000
_WILD: Final = frozenset("*?[/")


class Watched(NamedTuple):
    """What a sweep looks at."""

    roots: list[Path]
    accepts: Callable[[Path], bool]
    """Tells by a path alone whether the file may be a transcript."""


def agents_places(projects: Iterable[str] = ()) -> list[Place]:
    """Return every place of every agent on this machine, whether it exists or not.

    `projects` are folders that agents worked in: some keep their history there.
    """
    return places(user_home(must_exist=False), os.environ, sys.platform, projects)


def watched(named: Sequence[Path], agents: Sequence[Place]) -> Watched:
    """Return the named folders and files together with the agents' places."""

    @lru_cache(maxsize=_REMEMBERED)
    def accepts(path: Path) -> bool:
        if any(place.covers(path) for place in agents):
            return True
        return may_be_transcript(path) and any(path == root or root in path.parents for root in named)

    roots = [*named, *(root for place in agents for root in _roots(place))]
    return Watched(list(dict.fromkeys(roots)), accepts)


def files_of(place: Place) -> list[Path]:
    """Return the files of a place that exist now."""
    found: list[Path] = []
    for root in _roots(place):
        below = (Path(parent, name) for parent, _, names in os.walk(root) for name in names)  # agents remove folders
        inside = below if root.is_dir() else [root]
        found += [path for path in inside if path.is_file() and not path.is_symlink() and place.covers(path)]
    return found


def _roots(place: Place) -> list[Path]:
    """Return what must be looked through; single files where the patterns name them: nothing else is walked."""
    root = Path(place.root)
    if any(_WILD & set(pattern) for pattern in place.patterns):
        return [root]
    return [root / pattern for pattern in place.patterns]
