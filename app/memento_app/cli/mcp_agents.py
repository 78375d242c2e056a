"""`mcp install|uninstall|status`: Memento's MCP server in the agents' own settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memento_app.cli.ending import NOTHING_FOUND, PARTIAL
from memento_app.cli.group import Group
from memento_app.cli.hooks import DryRun, print_change
from memento_app.cli.output import AsJson, note, print_json, say, wants_json

if TYPE_CHECKING:
    from memento_app.integrations.mcp_agents import McpAgent
    from memento_app.integrations.mcp_entry import McpStatus

Agent = Annotated[
    str,
    typer.Argument(
        metavar="AGENT",
        help="claude, claude-desktop, cline, codex, copilot, cursor, gemini, opencode, roo or vscode.",
    ),
]
AnyAgent = Annotated[str | None, typer.Argument(metavar="[AGENT]", help="One agent. [default: all of them]")]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="The settings file, as a project's. [default: the agent's own]"),
]


def add_commands(group: Group) -> None:
    """Add the commands to the group `mcp`."""
    for command in (install, uninstall, status):
        group.command()(command)


def install(agent: Agent, settings: SettingsFile = None, dry_run: DryRun = False) -> None:
    """Add Memento's MCP server to the agent's settings file.

    The file as it was is kept beside it.

    Exit code 4: it is there, and switched off.
    """
    from memento_app.integrations.mcp_agents import mcp_agent
    from memento_app.integrations.mcp_entry import install as add

    change = add(mcp_agent(agent), settings, dry_run=dry_run)
    print_change(change, dry_run)
    if change.problem:
        note(str(change.problem))
        raise typer.Exit(PARTIAL)


def uninstall(agent: Agent, settings: SettingsFile = None, dry_run: DryRun = False) -> None:
    """Take Memento's MCP server out of the settings file.

    Nothing else in it changes.
    """
    from memento_app.integrations.mcp_agents import mcp_agent
    from memento_app.integrations.mcp_entry import uninstall as remove

    print_change(remove(mcp_agent(agent), settings, dry_run=dry_run), dry_run)


def status(agent: AnyAgent = None, settings: SettingsFile = None, json_: AsJson = None) -> None:
    """Tell which agents start Memento's MCP server.

    Exit code 3: none; 4: one cannot, or its settings cannot be read.
    """
    from memento.errors import UsageError
    from memento_app.integrations.mcp_agents import AGENTS, mcp_agent
    from memento_app.integrations.mcp_entry import status as look

    if settings and not agent:
        raise UsageError("--settings names the file of one agent: name the agent too")
    found = [look(mcp_agent(agent), settings)] if agent else [_look(one) for one in AGENTS.values()]
    if wants_json(json_):
        print_json(found[0].as_dict() if agent else [one.as_dict() for one in found])
    else:
        for one in found:
            for line in one.lines():
                say(line)
    if any(one.problems for one in found):
        raise typer.Exit(PARTIAL)
    if not any(one.memento for one in found):
        raise typer.Exit(NOTHING_FOUND)


def _look(agent: McpAgent) -> McpStatus:
    """Return an agent's state; settings that cannot be read are a problem of that agent alone."""
    from memento_app.integrations.mcp_entry import McpStatus, status as look
    from memento_ingest.hooks.install import Problem
    from memento_ingest.hooks.settings_file import SettingsError

    try:
        return look(agent)
    except SettingsError as error:
        return McpStatus(agent.name, agent.file(), None, (Problem("its settings cannot be read", str(error)),))
