"""Named points at which a test kills the process, to prove that the state after a crash there is sound.

MEMENTO_KILL_AT=NAME kills it (SIGKILL) at point NAME; NAME:3 at the third visit. Unset, a point costs one look-up.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Final

_name, _, _times = os.environ.get("MEMENTO_KILL_AT", "").partition(":")
_reached: Final[Counter[str]] = Counter()


def reach(name: str) -> None:
    """Kill the process if the test asked for it at this point."""
    if name != _name:
        return
    _reached[name] += 1
    if _reached[name] == int(_times or 1):
        os.kill(os.getpid(), signal.SIGKILL)
