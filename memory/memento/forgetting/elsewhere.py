"""Reading the bytes of an open database in another process.

POSIX drops all locks a process has on a file when it closes any descriptor of it, so the process that has the database
open must not read its bytes past SQLite.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_BLOCK: Final = 4 * 1024 * 1024
_CAT: Final = "import shutil, sys; shutil.copyfileobj(open(sys.argv[1], 'rb'), sys.stdout.buffer, 1 << 20)"


def read_elsewhere(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes. Raises OSError when it cannot be read."""
    command = [sys.executable, "-S", "-E", "-c", _CAT, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as reader:
        assert reader.stdout is not None
        while block := reader.stdout.read(_BLOCK):
            yield block
    if reader.returncode:
        raise OSError(f"{path} cannot be read")
