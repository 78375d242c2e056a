"""Bar 15: hooks with the sidecar dead, stopped, the disk full, a stale socket: in time, exit 0, all stored once."""

from __future__ import annotations

import resource
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from memento_ingest.server.unix_socket import socket_path

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar, Hooks, Sidecar

SKIPPED = b'{"v": 1, "id": "i", "agent": "claude-code", "event": "SessionStart", "received": 0, "session_id": "s"}\n'


def nothing() -> None:
    return None


def dead(sidecar: Sidecar, _: Hooks) -> Callable[[], None]:
    sidecar.start()
    sidecar.stop(signal.SIGKILL)
    return nothing


def stopped(sidecar: Sidecar, _: Hooks) -> Callable[[], None]:
    process = sidecar.start()
    process.suspend()
    while process.status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)
    return process.resume


def stale_socket(sidecar: Sidecar, _: Hooks) -> Callable[[], None]:
    """Leave a socket behind on which nobody listens any more."""
    path = socket_path(sidecar.database)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert path.is_socket()
    return nothing


def full_disk(sidecar: Sidecar, hooks: Hooks) -> Callable[[], None]:
    """Let the kernel cut writes to the spool short, as on a full disk; the runtime folder takes over.

    The limit is one of a file's size, so the spool's file is made larger first than the other one will become.
    """
    runtime = sidecar.home.parent / "runtime"
    runtime.mkdir(mode=0o700)
    sidecar.environment["XDG_RUNTIME_DIR"] = str(runtime)
    [spool] = (sidecar.home / "spool").glob("*.jsonl")
    with spool.open("ab") as file:
        file.write(SKIPPED * 12_000)
    room = spool.stat().st_size + 100
    hooks.before = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    def over() -> None:
        assert spool.stat().st_size <= room
        assert list(Path(runtime, "memento", "spool").iterdir())

    return over


STATES: dict[str, Callable[[Sidecar, Hooks], Callable[[], None]]] = {
    "dead": dead,
    "stopped": stopped,
    "disk full": full_disk,
    "stale socket": stale_socket,
}


@pytest.mark.parametrize("state", STATES)
def test_hooks_whatever_the_sidecar_does(
    bar: Bar, sidecar: Sidecar, hooks: Hooks, eventually: Callable[..., float], state: str
) -> None:
    count = bar.count("MEMENTO_HOOKS", 8)
    hooks(1)  # the rules are cached
    over = STATES[state](sidecar, hooks)
    taken = hooks(count)
    over()
    if sidecar.process is None or sidecar.process.poll() is not None:
        sidecar.start()
    eventually(lambda: sidecar.stored(hooks.texts), 90 + count / 10)
    assert sidecar.texts() == sorted(hooks.texts)
    bar.measured(f"{count:,} hooks, {state}: all stored once; load average {hooks.load}")
    bar.holds(f"hook p99, {state}", hooks.p99(taken), 150, "ms", generous=5_000)
    assert sidecar.stop() == 0
