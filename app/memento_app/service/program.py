"""What a service starts: the command by a path that outlives an upgrade, and the environment that it needs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from memento.base.home import user_home
from memento.config import Config
from memento.errors import MementoError
from memento_ingest.hooks.install import memento_script

CARRIED: Final = (
    "MEMENTO_HOME",
    "MEMORY_DB_PATH",
    "MEMENTO_MODEL_DIR",
    "MEMENTO_RUST",
    "CLAUDE_CONFIG_DIR",
    "CODEX_HOME",
    "GEMINI_CLI_HOME",
    "GOOSE_PATH_ROOT",
    "CLINE_DIR",
    "COPILOT_HOME",
    "PI_CODING_AGENT_DIR",
    "OPENCLAW_STATE_DIR",
    "AIDER_CHAT_HISTORY_FILE",
    "XDG_DATA_HOME",
    "XDG_CONFIG_HOME",
)
"""Variables that decide which store is used and where agents keep their files: a service manager has its own."""
_TEMPORARY: Final = (".cache", "Caches", "archive-v0", "Temp")
"""Folders whose contents may be deleted at any time: `uvx` and `pipx run` keep their environments in some of them."""


class ServiceError(MementoError):
    """The service cannot be installed, removed or asked; the message says why and what to do."""


@dataclass(frozen=True)
class Program:
    """The process that a service runs."""

    path: Path
    """The command `memento`."""
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def arguments(self) -> tuple[str, ...]:
        """What follows the command's path."""
        return ("watch", "--log", str(self.log))


def log_file(config: Config) -> Path:
    """Return the service's log."""
    return config.home / "logs" / "watch.log"


def program(config: Config, environment: Mapping[str, str] = os.environ) -> Program:
    """Return what the service starts with these settings. Raises ServiceError, SettingsError."""
    carried = {name: value for name in CARRIED if (value := environment.get(name))}
    return Program(stable_path(Path(memento_script()), environment), log_file(config), carried)


def stable_path(script: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path by which `script` is found on PATH, else its own; links are kept.

    `pipx`, `uv tool` and Homebrew put a link there and keep the command itself in a folder that an upgrade replaces.
    Raises ServiceError for a command in a cache, which the service would lose.
    """
    found = shutil.which(script.name, path=environment.get("PATH"))
    path = Path(found).absolute() if found and Path(found).samefile(script) else script.absolute()
    temporary = [part for part in path.resolve().parts if part in _TEMPORARY]
    if temporary and path.resolve().is_relative_to(user_home(environment, must_exist=False)):
        raise ServiceError(
            f"{path} is in a cache ({path.resolve()}), which is emptied now and then: install the package first, "
            "`pipx install memento-memory` or `uv tool install memento-memory`"
        )
    return path
