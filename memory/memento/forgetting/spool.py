"""The interface of the hooks' spool, which the command passes in, since `memory/` does not know it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class Spool:
    """Files with one record per line that are not ingested yet, and how to remove records."""

    files: Callable[[], Sequence[Path]]
    scrub: Callable[[Path, Callable[[bytes], bool]], int]
    """Removes the lines for which the function returns True; returns how many. Raises OSError."""


NO_SPOOL: Final = Spool(lambda: (), lambda path, holds: 0)
