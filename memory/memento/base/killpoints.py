"""Named places where a test kills the process, to prove that what comes after a crash there is sound.

MEMENTO_KILL_AT=NAME kills it (SIGKILL) when it reaches NAME; NAME:3 at the third time. Unset, it costs one look-up.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Final

_name, _, _times = os.environ.get("MEMENTO_KILL_AT", "").partition(":")
_reached: Final[Counter[str]] = Counter()


def reach(name: str) -> None:
    """Die here if that was asked for."""
    if name != _name:
        return
    _reached[name] += 1
    if _reached[name] == int(_times or 1):
        os.kill(os.getpid(), signal.SIGKILL)
