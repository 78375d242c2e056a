"""The hooks' spool. The store does not know it: the command hands it in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class Spool:
    """Files with a record a line that are not ingested yet, and how records are taken out of one."""

    files: Callable[[], Sequence[Path]]
    scrub: Callable[[Path, Callable[[bytes], bool]], int]
    """Takes out the lines for which the function is true; returns how many. Raises OSError."""


NO_SPOOL: Final = Spool(lambda: (), lambda path, holds: 0)
