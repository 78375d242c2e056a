"""How many files and sockets the process may have open: as many as the system lets it."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Final

ENOUGH: Final = 8_192
"""Sources, connections, the store and the events together stay far below it. macOS refuses more than 10,240."""


def raise_limit() -> None:
    """Raise the soft limit of open descriptors towards the hard one; what the system refuses stays as it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
