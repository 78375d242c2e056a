"""What setup changes outside Memento's folder, each change an object that can be planned, applied and undone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from memento.base.home import memento_home
from memento.config import Config
from memento_app.integrations import mcp_entry
from memento_app.integrations.mcp_agents import AGENTS as MCP_AGENTS, McpAgent
from memento_app.service import service
from memento_app.setup.agents import Agent
from memento_ingest.hooks import install as hooks
from memento_ingest.hooks.agents import AGENTS, HookedAgent
from memento_ingest.hooks.entry import redaction
from memento_ingest.hooks.settings_file import BACKUP_SUFFIX


class Plan(NamedTuple):
    """What applying would change."""

    text: str
    """One line; empty: nothing."""
    diff: str = ""
    note: str = ""
    """What the user should know whether or not anything changes."""


class Wiring(Protocol):
    """One change to files of another program. `apply` and `undo` may be called again after an interruption."""

    @property
    def name(self) -> str:
        """The name under which the change is recorded, for instance `hooks of claude`."""
        ...

    def files(self) -> Sequence[Path]:
        """Return every file that `apply` may write, create or delete."""
        ...

    def plan(self) -> Plan:
        """Return what `apply` would change, and change nothing. Raises MementoError."""
        ...

    def apply(self) -> str:
        """Make the change; return what is left for the user to do. Raises MementoError; nothing is changed then."""
        ...

    def undo(self) -> None:
        """Take the change out and leave all else in the files. Raises MementoError."""
        ...


def wirings_for(name: str) -> Iterator[Wiring]:
    """Yield every wiring of the agent of this name. Another kind, such as MCP, is added here and nowhere else."""
    if hooked := AGENTS.get(name):
        yield Hooks(hooked)
    if served := MCP_AGENTS.get(name):
        yield Mcp(served)


def wirings_of(agent: Agent) -> Iterator[Wiring]:
    """Yield the wirings that help an agent as it was found."""
    for wiring in wirings_for(agent.name):
        if agent.hooked or not isinstance(wiring, Hooks):
            yield wiring


def wiring_named(name: str, config: Config) -> Wiring | None:
    """Return the wiring that was recorded under a name; None for one of a version that had others."""
    if name == Service.name:
        return Service(config)
    return next((one for one in wirings_for(name.rpartition(" of ")[2]) if one.name == name), None)


@dataclass(frozen=True)
class Hooks:
    """An agent's hooks, as `memento hooks install` writes them."""

    agent: HookedAgent

    @property
    def name(self) -> str:
        """The name under which the change is recorded."""
        return f"hooks of {self.agent.name}"

    def files(self) -> list[Path]:
        """Return the settings file and the backup that is kept beside it."""
        file = self.agent.file()
        return [file, file.with_name(file.name + BACKUP_SUFFIX)]

    def plan(self) -> Plan:
        """Return what installing would change."""
        change = hooks.install(self.agent, dry_run=True)
        text = f"add {self.name} to {self.agent.file()}" if change.diff else ""
        return Plan(text, change.diff, str(change.problem) if change.problem else "")

    def apply(self) -> str:
        """Install the hooks."""
        redaction(memento_home())  # the first hook finds the rules cached
        change = hooks.install(self.agent)
        return ". ".join(filter(None, [str(change.problem) if change.problem else "", self.agent.advice]))

    def undo(self) -> None:
        """Take Memento's entries out."""
        hooks.uninstall(self.agent)


@dataclass(frozen=True)
class Mcp:
    """An agent's entry for Memento's MCP server, as `memento mcp install` writes it."""

    agent: McpAgent

    @property
    def name(self) -> str:
        """The name under which the change is recorded."""
        return f"MCP of {self.agent.name}"

    def files(self) -> list[Path]:
        """Return the settings file and the backup that is kept beside it."""
        file = self.agent.file()
        return [file, file.with_name(file.name + BACKUP_SUFFIX)]

    def plan(self) -> Plan:
        """Return what installing would change."""
        change = mcp_entry.install(self.agent, dry_run=True)
        text = f"add {self.name} to {self.agent.file()}" if change.diff else ""
        return Plan(text, change.diff, str(change.problem) if change.problem else "")

    def apply(self) -> str:
        """Install the entry."""
        change = mcp_entry.install(self.agent)
        return str(change.problem) if change.problem else ""

    def undo(self) -> None:
        """Take Memento's entry out."""
        mcp_entry.uninstall(self.agent)


@dataclass(frozen=True)
class Service:
    """The service of the user's service manager."""

    config: Config
    name = "service"

    def files(self) -> list[Path]:
        """Return the file that defines the service."""
        return [service.service_manager().file()]

    def plan(self) -> Plan:
        """Return what installing would change; nothing where there is no service manager."""
        try:
            service.usable_manager()
        except service.NoManager as why:
            return Plan("", note=str(why))
        now = service.status(self.config)
        if now.up_to_date and now.works:
            return Plan("")
        return Plan(f"install and start the service in {now.file}")

    def apply(self) -> str:
        """Install the service and start it."""
        service.install(self.config)
        return ""

    def undo(self) -> None:
        """Stop the service and remove its file."""
        service.uninstall(self.config)
