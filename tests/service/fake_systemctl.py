"""A small stand-in for `systemctl --user`, run as a program: it starts what the unit says, with READY awaited.

What a real manager does and this does not: restarts, the watchdog, sandboxing. $FAKE_SYSTEMD is where it keeps the
process id; without it there is no user session.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

UNITS = Path(os.environ["HOME"], ".config", "systemd", "user")


def main(arguments: list[str]) -> int:
    """Do what systemctl would; return its exit code."""
    if not os.environ.get("FAKE_SYSTEMD"):
        print("Failed to connect to bus: No medium found", file=sys.stderr)
        return 1
    state = Path(os.environ["FAKE_SYSTEMD"])
    with (state / "calls").open("a") as calls:
        calls.write(" ".join(arguments) + "\n")
    verb, *rest = [one for one in arguments if not one.startswith("--")]
    unit = UNITS / rest[0] if rest else UNITS
    link = UNITS / "default.target.wants" / unit.name
    if verb == "enable":
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(unit)
    elif verb == "restart":
        stop(state)
        return start(state, unit)
    elif verb == "disable":
        stop(state)
        link.unlink(missing_ok=True)
    elif verb == "show" and rest:
        process = running(state)
        print(f"ActiveState={'active' if process else 'inactive'}\nSubState=dead\nMainPID={process or 0}\nNRestarts=0")
    elif verb == "show":
        print("Version=252")
    return 0


def start(state: Path, unit: Path) -> int:
    """Start the unit's process with nothing in its environment but what the unit and a login give it."""
    environment = {"HOME": os.environ["HOME"], "PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": str(state / "notify")}
    command: list[str] = []
    for line in unit.read_text().splitlines():
        key, _, value = line.partition("=")
        if key == "ExecStart":
            command = _words(value)
        elif key == "Environment":
            environment |= {name: text for name, _, text in (word.partition("=") for word in _words(value))}
    (state / "notify").unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(environment["NOTIFY_SOCKET"])
        told.settimeout(60)
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        (state / "pid").write_text(str(process.pid))
        while process.poll() is None:
            told.settimeout(1)
            try:
                if b"READY=1" in told.recv(4096):
                    return 0
            except TimeoutError:
                continue
    print(f"Job for {unit.name} failed.", file=sys.stderr)
    return 1


def _words(value: str) -> list[str]:
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(value)]


def running(state: Path) -> int | None:
    """Return the process id, where that process is there and no zombie."""
    try:
        process = int((state / "pid").read_text())
        status = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return None
    return None if status == "Z" else process


def stop(state: Path) -> None:
    """Stop the process and wait for its end."""
    if process := running(state):
        os.kill(process, signal.SIGTERM)
    until = time.monotonic() + 20
    while running(state) and time.monotonic() < until:
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
