"""What the server listens on: the socket beside the store, and loopback TCP with its token."""

from __future__ import annotations

import os
import secrets
import socket
import stat
from pathlib import Path
from typing import Final

from memento.base.durable import make_private_folder
from memento.errors import MementoError
from memento_ingest.server.unix_socket import is_private, socket_path

BACKLOG: Final = 256
LOOPBACK: Final = "127.0.0.1"
_TOKEN_BYTES: Final = 32


class CannotListen(MementoError):
    """A socket or the token cannot be used."""


def listen_unix(database: Path) -> tuple[socket.socket, Path]:
    """Bind the store's socket, 0600 in a 0700 folder; the caller holds the sidecar's lock, so an old one is stale.

    Raises CannotListen.
    """
    path = socket_path(database)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _make_private(path.parent)
        _remove_stale(path)
        listening.bind(os.fspath(path))
        path.chmod(0o600)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise CannotListen(f"cannot listen on {path}: {error.strerror or error}") from None
    except CannotListen:
        listening.close()
        raise
    return listening, path


def _remove_stale(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise CannotListen(f"{path} is no socket: move it away")
    path.unlink()


def listen_tcp(port: int) -> socket.socket:
    """Bind a port of the loopback interface, any free one for 0. Raises CannotListen."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((LOOPBACK, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise CannotListen(
            f"cannot listen on {LOOPBACK}:{port}: {error.strerror or error}; choose another server.port"
        ) from None
    return listening


def read_token(path: Path) -> str:
    """Return the token of the file, made if there is none: 32 random bytes, 0600. Raises CannotListen."""
    try:
        make_private_folder(path.parent)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            return _read_token(path)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, 0o600)
            token = secrets.token_urlsafe(_TOKEN_BYTES)
            file.write(token + "\n")
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise CannotListen(f"cannot use the token file {path}: {error.strerror or error}") from None
    return token


def _read_token(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise CannotListen(f"others may read or replace the token file {path}: remove it, a new one is made")
        token = file.read(4096).strip()
    if len(token) < _TOKEN_BYTES or not token.isascii():
        raise CannotListen(f"the token in {path} is too short to be safe: remove the file, a new one is made")
    return token.decode()


def _make_private(folder: Path) -> None:
    make_private_folder(folder)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise CannotListen(f"{folder} is not a folder of yours: the socket cannot lie there")
    folder.chmod(0o700)
    if not is_private(folder):
        raise CannotListen(f"{folder} cannot be closed to others")
