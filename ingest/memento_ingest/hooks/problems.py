"""The hooks' log: the one trace a hook leaves when it could not do its work."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from memento.base.durable import make_private_folder
from memento.base.escaping import escape_line

NAME: Final = "hook-errors.log"
MAX_BYTES: Final = 64 * 1024
"""A longer log is begun anew."""
_MAX_LINE: Final = 500


def note(home: Path, problem: str) -> None:
    """Add one line with the time, or do nothing where that fails. It must not hold any of the payload."""
    said = escape_line(" ".join(problem.split()))
    line = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {said}"[:_MAX_LINE] + "\n"
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        make_private_folder(home)
        descriptor = os.open(home / NAME, flags, 0o600)
        try:
            if os.fstat(descriptor).st_size > MAX_BYTES:
                os.ftruncate(descriptor, 0)
            os.write(descriptor, line.encode("utf-8", "replace"))
        finally:
            os.close(descriptor)
    except OSError:
        pass
