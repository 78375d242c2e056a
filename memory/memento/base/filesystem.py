"""On which kind of file system a path lies: some tell nobody what changes on them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

REMOTE_KINDS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "fuse", "fuse.sshfs", "vboxsf", "drvfs"}
)
"""Kinds that others write to from elsewhere: changes made there are not reported, and locks of others do not hold."""


def kind_of(path: Path) -> str:
    """Return the kind of file system, as /proc/mounts names it (see proc(5)); empty where the system does not tell."""
    try:
        mounts = Path("/proc/mounts").read_text("utf-8", "replace")
    except OSError:
        return ""
    where, best, kind = os.path.realpath(path) + "/", "", ""
    for line in mounts.splitlines():
        _, point, named, *_ = line.split(" ")
        point = point.replace("\\040", " ").rstrip("/") + "/"
        if where.startswith(point) and len(point) >= len(best):
            best, kind = point, named
    return kind
