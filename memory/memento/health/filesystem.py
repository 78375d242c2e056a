"""What kind of file system a file lies on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_NETWORK: Final = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "9p",
        "virtiofs",
        "fuse",
        "fuse.sshfs",
        "vboxsf",
        "drvfs",
        "afs",
        "ceph",
        "glusterfs",
    }
)


def kind_of(path: Path) -> str:
    """Return the file system's name, such as `ext4`; empty where the system does not tell (only Linux does)."""
    best, kind = "", ""
    try:
        mounts = Path("/proc/mounts").read_text("utf-8", "replace")
    except OSError:
        return ""
    place = os.fspath(path.absolute()) + "/"
    for line in mounts.splitlines():
        _, point, filesystem, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        if place.startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, kind = point, filesystem
    return kind


def is_network(kind: str) -> bool:
    """Tell whether other machines may write there, and do not see this one's locks."""
    return kind in _NETWORK
