"""A launchd agent of the user. Sources: launchd.plist(5), launchctl(1)."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import time
from pathlib import Path
from typing import Any, Final

from memento.base.home import user_home
from memento_app.service.manager import State, ask, reason, tell
from memento_app.service.program import Program, ServiceError

LABEL: Final = "memento.watch"
_STOP_SECONDS: Final = 35.0
"""A little longer than launchd waits before it kills."""
_PROCESS: Final = re.compile(r"^\s*pid = (\d+)", re.MULTILINE)
_STATE: Final = re.compile(r"^\s*state = (.+)$", re.MULTILINE)
_EXIT: Final = re.compile(r"^\s*last exit code = (.+)$", re.MULTILINE)


class Launchd:
    """The user's launchd, in the graphical session."""

    name = "launchd"

    def missing(self) -> str:
        """Return why there is no session to speak to; empty when there is."""
        if shutil.which("launchctl") is None:
            return "launchctl is not installed"
        done = ask("launchctl", "print", _domain())
        return f"there is no launchd session of this user here ({reason(done)})" if done.code else ""

    def file(self) -> Path:
        """Return the agent's property list."""
        return user_home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"

    def content(self, program: Program) -> bytes:
        """Return the property list. The sidecar writes its own log: launchd does not rotate one."""
        agent: dict[str, Any] = {
            "Label": LABEL,
            "ProgramArguments": [str(program.path), *program.arguments],
            "EnvironmentVariables": dict(program.environment),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 10,
            "ExitTimeOut": 30,
            "ProcessType": "Background",
            "Nice": 5,
            "Umask": 0o077,
            "SoftResourceLimits": {"NumberOfFiles": 8192},
        }
        return plistlib.dumps(agent, sort_keys=False)

    def start(self) -> None:
        """Load the agent, again where it is loaded."""
        self.stop()
        tell("launchctl", "enable", f"{_domain()}/{LABEL}")
        tell("launchctl", "bootstrap", _domain(), str(self.file()))

    def stop(self) -> None:
        """Unload the agent and wait until it has gone: until then it cannot be loaded again."""
        if self._print().code:
            return
        tell("launchctl", "bootout", f"{_domain()}/{LABEL}")
        until = time.monotonic() + _STOP_SECONDS
        while self._print().code == 0 and time.monotonic() < until:
            time.sleep(0.2)

    def removed(self) -> None:
        """Do nothing: an agent that is not loaded is known by its file alone."""

    def state(self) -> State:
        """Return what launchd knows of the agent."""
        done = self._print()
        if done.code:
            return State("not loaded")
        process, state, ended = (one.search(done.text) for one in (_PROCESS, _STATE, _EXIT))
        word = state[1].strip() if state else "unknown"
        detail = f"last exit code {ended[1].strip()}" if ended and not process else ""
        return State(word, int(process[1]) if process else None, detail)

    def _print(self) -> Any:
        try:
            return ask("launchctl", "print", f"{_domain()}/{LABEL}")
        except ServiceError as error:
            raise ServiceError(f"launchd does not answer: {error}") from None


def _domain() -> str:
    return f"gui/{os.getuid()}"
