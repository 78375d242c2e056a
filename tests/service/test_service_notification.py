"""What the sidecar tells a service manager over $NOTIFY_SOCKET, by the protocol of sd_notify(3)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memento_ingest.sidecar.notifying import ServiceNotifier

if TYPE_CHECKING:
    from tests.service.conftest import User


@contextmanager
def manager(path: Path) -> Iterator[socket.socket]:
    """Listen as a service manager does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(path))
        told.settimeout(30)
        yield told


def heard_until(told: socket.socket, word: str) -> list[str]:
    """Return every message up to the first that holds the word."""
    heard: list[str] = []
    while not heard or word not in heard[-1]:
        heard.append(told.recv(4096).decode())
    return heard


def test_ready_alive_reloading_and_stopping_are_said_in_their_order(user: User, tmp_path: Path) -> None:
    with manager(tmp_path / "n") as told:
        environment = {**user.environment, "NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "1000000"}
        command: list[str | Path] = [user.command, "watch"]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as watch:
            assert heard_until(told, "READY=1")[0].splitlines()[0] == "READY=1"
            started = time.monotonic()
            heard = [told.recv(4096).decode() for _ in range(4)]
            assert set(heard) == {"WATCHDOG=1"}
            assert time.monotonic() - started > 1  # at half of the limit, not in every turn
            watch.send_signal(signal.SIGHUP)
            reloading = heard_until(told, "RELOADING=1")[-1].splitlines()
            assert reloading[1].removeprefix("MONOTONIC_USEC=").isdigit()
            heard_until(told, "READY=1")
            watch.terminate()
            heard_until(told, "STOPPING=1")
            assert watch.wait(20) == 0


def test_a_stopped_sidecar_gives_no_sign_of_life(user: User, tmp_path: Path) -> None:
    with manager(tmp_path / "n") as told:
        environment = {**user.environment, "NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "1000000"}
        with subprocess.Popen([user.command, "watch"], env=environment, stderr=subprocess.DEVNULL) as watch:
            heard_until(told, "WATCHDOG=1")
            watch.send_signal(signal.SIGSTOP)
            time.sleep(0.2)
            told.setblocking(False)
            with suppress(BlockingIOError):
                while told.recv(4096):
                    pass  # what was said before it was stopped
            told.settimeout(2)
            with pytest.raises(TimeoutError):
                told.recv(4096)
            watch.kill()


def test_no_child_speaks_for_the_sidecar() -> None:
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": str(os.getpid()), "OTHER": "1"}
    ServiceNotifier(environment)
    assert environment == {"OTHER": "1"}


def test_an_abstract_socket_is_spoken_to(tmp_path: Path) -> None:
    name = f"memento-test-{os.getpid()}-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(f"\0{name}")
        told.settimeout(5)
        ServiceNotifier({"NOTIFY_SOCKET": f"@{name}"}).ready("two\nlines")
        assert told.recv(4096) == b"READY=1\nSTATUS=two lines"


@pytest.mark.parametrize(
    "environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere"}, {"NOTIFY_SOCKET": "x"}]
)
def test_without_a_manager_nothing_happens(environment: dict[str, str]) -> None:
    notifier = ServiceNotifier(dict(environment))
    notifier.ready("x")
    notifier.alive()
    notifier.reloading()
    notifier.stopping()


def test_the_watchdog_of_another_process_is_not_served(tmp_path: Path) -> None:
    with manager(tmp_path / "n") as told:
        theirs = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "10", "WATCHDOG_PID": "1"}
        ServiceNotifier(theirs).alive()
        told.settimeout(0.2)
        with pytest.raises(TimeoutError):
            told.recv(4096)
