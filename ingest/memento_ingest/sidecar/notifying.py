"""What the sidecar tells the service manager that started it: the protocol of sd_notify(3), over $NOTIFY_SOCKET.

Without that variable nothing is sent. A manager that has gone must not disturb the sidecar, so nothing here raises.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, MutableMapping
from typing import Final

_USED: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class ServiceNotifier:
    """Tells the service manager that the sidecar is ready, alive, reloading or stopping."""

    def __init__(
        self, environment: MutableMapping[str, str] = os.environ, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the variables out of the environment, so that no child process speaks for the sidecar."""
        address, interval, process = (environment.pop(name, "") for name in _USED)
        self._clock = clock
        self._address = "\0" + address[1:] if address[:1] == "@" else address if address[:1] == "/" else ""
        is_ours = process in ("", str(os.getpid()))
        self._interval = int(interval) / 2_000_000 if interval.isdigit() and is_ours else 0.0
        """Seconds between two signs of life: half of the manager's limit, as sd_watchdog_enabled(3) recommends."""
        self._next = 0.0

    def ready(self, status: str) -> None:
        """Say that the start, or a reload, is complete; `status` is one line for people."""
        self._send("READY=1", f"STATUS={status}")

    def alive(self) -> None:
        """Give a sign of life where the watchdog asks for one and it is due. Cheap: call it in every turn of a loop."""
        if self._interval and self._clock() >= self._next:
            self._next = self._clock() + self._interval
            self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Say that the settings are being read again; `ready` ends that."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000}")

    def stopping(self) -> None:
        """Say that the sidecar is about to end."""
        self._send("STOPPING=1", "STATUS=stopping")

    def _send(self, *assignments: str) -> None:
        if not self._address:
            return
        message = "\n".join(" ".join(one.splitlines()) for one in assignments)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(1.0)
                sender.sendto(message.encode("utf-8", "replace"), self._address)
        except OSError:
            pass
