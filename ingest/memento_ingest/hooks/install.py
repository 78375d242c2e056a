"""Installing, removing and looking at Memento's hooks in an agent's settings file (`settings_file.py` edits it)."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from memento.base.home import expand_user
from memento_ingest.hooks.agents import HookedAgent, called
from memento_ingest.hooks.entries import holds_memento, installed, merged, unmerged
from memento_ingest.hooks.settings_file import Edit, SettingsError, SettingsFile, edited, parse


class Change(NamedTuple):
    """What was done to a file, or would be."""

    summary: str
    diff: str
    """Empty: nothing."""
    problem: Problem | None = None
    """Why the hooks do not run all the same."""


class Problem(NamedTuple):
    """Why installed hooks do not run, and what the user can do."""

    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.text}: {self.remedy}"


@dataclass(frozen=True)
class Status:
    """Which events of an agent call Memento."""

    agent: str
    file: Path
    installed: Mapping[str, Path]
    """The path of the `memento` that is called, by event."""
    missing: tuple[str, ...]
    problems: tuple[Problem, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "agent": self.agent,
            "file": str(self.file),
            "installed": {event: str(path) for event, path in self.installed.items()},
            "missing": list(self.missing),
            "problems": [str(one) for one in self.problems],
        }

    def lines(self) -> list[str]:
        """Return it for a person."""
        state = "not installed" if not self.installed else "installed in part" if self.missing else "installed"
        events = [f"  {event}: {path}" for event, path in self.installed.items()]
        missing = [f"  missing: {', '.join(self.missing)}"] if self.installed and self.missing else []
        return [f"{self.agent}: {state} ({self.file})", *events, *missing, *(f"  {one}" for one in self.problems)]


def install(agent: HookedAgent, path: Path | None = None, *, dry_run: bool = False) -> Change:
    """Add Memento's entries. Doing so twice changes nothing. Raises SettingsError; the file is then as it was."""
    file = SettingsFile(expand_user(path) if path else agent.file())
    settings = file.settings(agent.dialect)
    script = memento_script()
    problem = _disabled(agent, file.path) if _are_disabled(settings) else None
    if installed(settings, agent) and merged(settings, agent, script) == settings:
        return Change(f"{agent.name}: the hooks are installed already in {file.path}", "", problem)
    content = _adding(agent, file.path, script)(file.content)
    change = Change(f"{agent.name}: hooks installed in {file.path}", file.diff(content), problem)
    if not dry_run:
        if not holds_memento(settings, agent):
            file.keep_backup()
        file.write(content)
    return change


def uninstall(agent: HookedAgent, path: Path | None = None, *, dry_run: bool = False) -> Change:
    """Take Memento's entries out. Raises SettingsError; the file is then as it was."""
    file = SettingsFile(expand_user(path) if path else agent.file())
    if not installed(file.settings(agent.dialect), agent):
        return Change(f"{agent.name}: there are no hooks of Memento's in {file.path}", "")
    content, is_exact = file.taken_out(_adding(agent, file.path, "memento"), _removing(agent, file.path))
    change = Change(f"{agent.name}: hooks removed from {file.path}", file.diff(content))
    if not dry_run:
        file.restore(content, is_exact)
    return change


def _adding(agent: HookedAgent, path: Path, memento: str) -> Edit:
    def add(content: bytes | None) -> bytes:
        settings = parse(content or b"", path, agent.dialect)
        return edited(content, merged(settings, agent, memento), path, agent.dialect)

    return add


def _removing(agent: HookedAgent, path: Path) -> Edit:
    def remove(content: bytes | None) -> bytes:
        settings = parse(content or b"", path, agent.dialect)
        return edited(content, unmerged(settings, agent), path, agent.dialect)

    return remove


def status(agent: HookedAgent, path: Path | None = None) -> Status:
    """Look at what is installed. Raises SettingsError if the file cannot be read."""
    file = SettingsFile(expand_user(path) if path else agent.file())
    settings = file.settings(agent.dialect)
    found = {event: called(handler) for event, handler in installed(settings, agent).items()}
    problems = [
        Problem(f"{gone} is not there any more", f"run `memento hooks install {agent.name}`")
        for gone in sorted(set(found.values()))
        if not gone.exists()
    ]
    if found and _are_disabled(settings):
        problems.append(_disabled(agent, file.path))
    missing = tuple(event for event in agent.events if event not in found)
    return Status(agent.name, file.path, found, missing, tuple(problems))


def _disabled(agent: HookedAgent, path: Path) -> Problem:
    """Return what to say of settings in which every hook is switched off: installing again would not help."""
    return Problem(f"{agent.name} calls none of its hooks", f"take `disableAllHooks` out of {path}")


def _are_disabled(settings: Mapping[str, Any]) -> bool:
    return settings.get("disableAllHooks") is True


def memento_script() -> str:
    """Return the absolute path of the installed `memento`. Raises SettingsError if there is none."""
    started = Path(sys.argv[0])
    beside = Path(sys.executable).with_name("memento")
    for script in (started, beside, Path(shutil.which("memento") or "")):
        if script.name == "memento" and script.is_file() and os.access(script, os.X_OK):
            return str(script.absolute())
    raise SettingsError("the command `memento` is not installed: install the package, then try again")
