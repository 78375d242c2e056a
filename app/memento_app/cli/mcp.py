"""`mcp`: the server that agents start and talk to; `mcp_agents.py` adds it to their settings."""

from __future__ import annotations

from typing import Annotated

import typer

from memento_app.cli.group import Group
from memento_app.cli.mcp_agents import add_commands
from memento_app.cli.options import Option, as_typer
from memento_app.cli.output import Db, configured

mcp = Group(
    help="Serve agents over MCP, on standard input and output.",
    invoke_without_command=True,
    subcommand_metavar="[COMMAND]",
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    add_commands(mcp)
    app.add_typer(mcp, name="mcp")


@mcp.callback()
@as_typer
def serve(
    context: typer.Context,
    start: Annotated[
        bool | None, Option("--start/--no-start", help="Start `memento watch` where none runs. [default: config, yes]")
    ] = None,
    db: Db = None,
) -> None:
    """Serve agents over MCP, on standard input and output.

    `memento mcp` is what an agent is told to start. It asks a running `memento watch`, starts one where there is none,
    and otherwise answers from the store itself.
    """
    if context.invoked_subcommand is not None:
        return
    from memento_app.mcp.backend import Backend
    from memento_app.mcp.stdio import run

    if db is not None:
        configured(db)  # says now what is wrong with it
    run(Backend(db, start).serve)
