"""`hook` and `hooks install|uninstall|status`: what agents call, and making them call it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memento_app.cli.ending import NOTHING_FOUND, PARTIAL
from memento_app.cli.group import Group
from memento_app.cli.output import AsJson, note, print_json, say, wants_json

if TYPE_CHECKING:
    from memento_ingest.hooks.agents import HookedAgent
    from memento_ingest.hooks.install import Change, Status

hooks = Group(
    help="Let an agent's hooks call Memento.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Agent = Annotated[str, typer.Argument(metavar="AGENT", help="claude, codex, copilot, cursor or gemini.")]
AnyAgent = Annotated[str | None, typer.Argument(metavar="[AGENT]", help="One agent. [default: all of them]")]
SettingsFile = Annotated[
    Path | None, typer.Option("--settings", metavar="FILE", help="The settings file. [default: the agent's own]")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the change and write nothing.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(hook)
    app.command()(statusline)
    app.add_typer(hooks, name="hooks")


def hook(
    payload: Annotated[str | None, typer.Argument(metavar="[JSON]", help="The payload, for Codex's `notify`.")] = None,
    agent: Annotated[str, typer.Option("--agent", metavar="NAME", help="The agent, where it cannot be told.")] = "",
    ask: Annotated[bool, typer.Option("--ask", help="Only answer, and keep nothing.")] = False,
) -> None:
    """Take an agent's hook payload into the spool.

    Agents call it, with the payload on standard input unless it is given. It prints nothing but what bears on the
    event, and its exit code is 0 whatever happens.
    """
    from memento_ingest.hooks.entry import ASK, run

    run([*(["--agent", agent] if agent else []), *([ASK] if ask else []), *([payload] if payload else [])])


def statusline() -> None:
    """Print a line for Claude Code's status line.

    Claude Code runs it, with JSON on standard input. It tells how many memories the session was given, how many recalls
    gave them, and when a memory was stored last.
    """
    from memento_ingest.hooks.statusline import run

    run()


@hooks.command()
def install(agent: Agent, settings: SettingsFile = None, dry_run: DryRun = False) -> None:
    """Add Memento's hooks to the agent's settings file.

    The file as it was is kept beside it.

    Exit code 4: they are there, and do not run as the settings are.
    """
    from memento_ingest.hooks.agents import hooked_agent
    from memento_ingest.hooks.entry import home, redaction
    from memento_ingest.hooks.install import install as add

    known = hooked_agent(agent)
    if not dry_run:
        redaction(home())  # the first hook finds the rules cached; rules that cannot be used are told here, not there
    change = add(known, settings, dry_run=dry_run)
    print_change(change, dry_run)
    if known.advice and change.diff and not dry_run:
        note(known.advice)
    if change.problem:
        note(str(change.problem))
        raise typer.Exit(PARTIAL)


@hooks.command()
def uninstall(agent: Agent, settings: SettingsFile = None, dry_run: DryRun = False) -> None:
    """Take Memento's hooks out of the agent's settings file.

    Nothing else in it changes.
    """
    from memento_ingest.hooks.agents import hooked_agent
    from memento_ingest.hooks.install import uninstall as remove

    change = remove(hooked_agent(agent), settings, dry_run=dry_run)
    print_change(change, dry_run)


@hooks.command()
def status(agent: AnyAgent = None, settings: SettingsFile = None, json_: AsJson = None) -> None:
    """Tell which events of an agent, or of every agent, call Memento.

    Exit code 3: none; 4: some, or the command is gone.
    """
    from memento.errors import UsageError
    from memento_ingest.hooks.agents import AGENTS, hooked_agent
    from memento_ingest.hooks.install import status as look

    if settings and not agent:
        raise UsageError("--settings names the file of one agent: name the agent too")
    found = [look(hooked_agent(agent), settings)] if agent else [_look(one) for one in AGENTS.values()]
    if wants_json(json_):
        print_json(found[0].as_dict() if agent else [one.as_dict() for one in found])
    else:
        for one in found:
            for line in one.lines():
                say(line)
    if any((one.installed and one.missing) or one.problems for one in found):
        raise typer.Exit(PARTIAL)
    if not any(one.installed for one in found):
        raise typer.Exit(NOTHING_FOUND)


def _look(agent: HookedAgent) -> Status:
    """Return an agent's state; settings that cannot be read are a problem of that agent alone."""
    from memento_ingest.hooks.install import Problem, Status, status as look
    from memento_ingest.hooks.settings_file import SettingsError

    try:
        return look(agent)
    except SettingsError as error:
        problem = Problem("its settings cannot be read", str(error))
        return Status(agent.name, agent.file(), {}, agent.events, (problem,))


def print_change(change: Change, dry_run: bool) -> None:
    """Print what was done to a settings file, or the diff of what would be."""
    for line in change.diff.expandtabs().splitlines() if dry_run else [change.summary]:
        say(line)
