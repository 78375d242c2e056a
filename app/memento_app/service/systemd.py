"""A systemd user unit.

Sources: systemd.service(5), systemd.exec(5), systemd.syntax(7). Directives that need a mount namespace (ProtectSystem,
PrivateTmp, ...) are left out: in a user unit they need unprivileged user namespaces, which some distributions forbid,
and the service would not start there (systemd issue 17860, pull request 25233).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from memento.base.home import user_home
from memento_app.service.manager import State, ask, pairs, reason, tell
from memento_app.service.program import Program, ServiceError

UNIT: Final = "memento.service"
START_SECONDS: Final = 900
"""Opening a store may migrate it, or restore a backup."""
WATCHDOG_SECONDS: Final = 300
"""The longest that one turn of the sidecar's loop may take, on a slow disk with a large file."""
_LOOK_SECONDS: Final = 10.0
_TEMPLATE: Final = """\
[Unit]
Description=Memento: keeps what matters of agents' transcripts
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
{environment}Restart=on-failure
RestartSec=10
TimeoutStartSec={start}
TimeoutStopSec=30
WatchdogSec={watchdog}
UMask=0077
Nice=5
OOMScoreAdjust=300
LimitNOFILE=8192
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=default.target
"""


class Systemd:
    """The user's systemd."""

    name = "systemd"

    def missing(self) -> str:
        """Return why there is no user manager to speak to; empty when there is."""
        try:
            done = ask("systemctl", "--user", "show", "--property=Version", seconds=_LOOK_SECONDS)
        except ServiceError as error:
            return str(error)
        return f"there is no systemd user session here ({reason(done)})" if done.code else ""

    def file(self) -> Path:
        """Return the unit's file."""
        folder = os.environ.get("XDG_CONFIG_HOME", "")
        base = Path(folder) if folder.startswith("/") else user_home() / ".config"
        return base / "systemd" / "user" / UNIT

    def content(self, program: Program) -> bytes:
        """Return the unit."""
        arguments = [_quoted(word).replace("$", "$$") for word in program.arguments]  # the path is not expanded
        command = " ".join([_quoted(str(program.path)), *arguments])
        lines = [f"Environment={_quoted(f'{name}={value}')}\n" for name, value in program.environment.items()]
        return _TEMPLATE.format(
            command=command, environment="".join(lines), start=START_SECONDS, watchdog=WATCHDOG_SECONDS
        ).encode()

    def start(self) -> None:
        """Load the unit and start it; return when the sidecar is ready."""
        tell("systemctl", "--user", "daemon-reload")
        tell("systemctl", "--user", "enable", UNIT)
        tell("systemctl", "--user", "restart", UNIT, seconds=START_SECONDS)

    def stop(self) -> None:
        """Stop the unit and disable it."""
        tell("systemctl", "--user", "disable", "--now", UNIT)

    def removed(self) -> None:
        """Let systemd forget the unit."""
        tell("systemctl", "--user", "daemon-reload")

    def state(self) -> State:
        """Return the unit's state."""
        names = "ActiveState,SubState,MainPID,NRestarts,Result,StatusText"
        done = ask("systemctl", "--user", "show", UNIT, f"--property={names}", seconds=_LOOK_SECONDS)
        if done.code:
            raise ServiceError(f"systemd does not answer: {reason(done)}")
        found = pairs(done.text)
        active, process = found.get("ActiveState", "unknown"), found.get("MainPID", "0")
        details = [found.get("StatusText", ""), found.get("SubState", "") if active != "active" else ""]
        if found.get("NRestarts", "0") != "0":
            details.append(f"restarted {found['NRestarts']} x")
        if found.get("Result", "success") != "success":
            details.append(f"result {found['Result']}")
        word = "running" if active == "active" else active
        return State(
            word, int(process) if process.isdigit() and process != "0" else None, ", ".join(filter(None, details))
        )


def _quoted(text: str) -> str:
    """Return a word as systemd reads it back: quoted, `%` doubled. Raises ServiceError for what cannot be quoted."""
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ServiceError(f"{text!r} holds a control character: a systemd unit cannot name it")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
