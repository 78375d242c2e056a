"""The sidecar's Unix socket: where it lies, whether its folder is private, and who is at the other end."""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

from memento.base.home import expand_user

_MAX_PATH: Final = 103 if sys.platform == "darwin" else 107
"""Bytes of a socket's path; see sun_path in unix(7)."""


class Peer(NamedTuple):
    """The process at the other end of a Unix socket."""

    uid: int
    pid: int
    """0 where the system does not tell."""

    @property
    def trusted(self) -> bool:
        """Whether it runs for our own user, or for root."""
        return self.uid in (os.geteuid(), 0)


def socket_path(database: Path) -> Path:
    """Return the socket of the sidecar that serves this database; its folder is 0700.

    It lies beside the store. Where that is too long for a socket, it has a hashed name in the user's runtime folder.
    """
    database = expand_user(database).resolve()
    path = database.parent / "run" / f"{database.name}.sock"
    if len(os.fsencode(path)) <= _MAX_PATH:
        return path
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    folder = Path(runtime, "memento") if runtime.startswith("/") and len(runtime) < 50 else _shared_folder()
    return folder / f"{blake2b(os.fsencode(database), digest_size=12).hexdigest()}.sock"


def _shared_folder() -> Path:
    return Path(f"/tmp/memento-{os.geteuid()}")  # noqa: S108  # its owner and mode are checked by both sides


def is_private(folder: Path) -> bool:
    """Tell whether a folder is a real one, ours, and closed to others."""
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def peer_of(connection: Any) -> Peer | None:
    """Return who is at the other end of a Unix socket; None where this system does not tell.

    `connection` is a socket, or what asyncio gives for one.
    """
    try:
        return _credentials(connection)
    except (OSError, struct.error):
        return None


if sys.platform == "linux":

    def _credentials(connection: Any) -> Peer:
        """Ask SO_PEERCRED; see unix(7)."""
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid, uid, _gid = struct.unpack("3i", found)
        return Peer(uid, pid)

elif sys.platform == "darwin":

    def _credentials(connection: Any) -> Peer:
        """Ask LOCAL_PEERCRED (a struct xucred) and LOCAL_PEERPID at SOL_LOCAL; see macOS's unix(4)."""
        _version, uid = struct.unpack("2I", connection.getsockopt(0, 1, 76)[:8])
        (pid,) = struct.unpack("i", connection.getsockopt(0, 2, 4))
        return Peer(uid, pid)

else:

    def _credentials(connection: Any) -> Peer:
        raise OSError("this system does not tell who is at the other end")
