"""The kind of file system of a path: remote ones do not report changes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

REMOTE_KINDS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "fuse", "fuse.sshfs", "vboxsf", "drvfs"}
)
"""Kinds that other machines write to: their changes are not reported, and their locks do not hold here."""


def kind_of(path: Path) -> str:
    """Return the kind of file system, as in /proc/mounts (see proc(5)); empty if it is unknown."""
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
