"""The commands: where the packages are composed, each command importing what it needs when it runs.

Exit codes: 0 done, 1 failed, 2 usage, 3 nothing found, 4 partial, 130 interrupted.
"""

from __future__ import annotations

from typing import Any, Final

import typer
from typer.core import TyperGroup

from memento import __version__
from memento.base.escaping import escape
from memento_app.cli import (
    backup,
    curation,
    forgetting,
    healing,
    hooks,
    index,
    ingestion,
    instructions,
    jobs,
    mcp,
    model,
    policy,
    recall,
    service,
    settings,
    setup,
    sidecar,
    store,
)
from memento_app.cli.ending import FAILED, ending
from memento_app.cli.group import Group
from memento_app.cli.output import note, say

SECTIONS: Final = {
    "Remember and find": "remember recall recent instructions why",
    "Read what agents write": "ingest watch sources status ignore hooks hook mcp statusline",
    "Look after what is kept": "stats audit quarantine policy consolidate scrub forget delete",
    "Keep it safe": "doctor backup restore export import jobs",
    "Set it up": "setup service config model index completion",
}
"""The commands under the headings of `memento --help`."""


class Commands(TyperGroup):
    """The commands, each ended as `ending` says."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line; what typer says about an argument is escaped as all else is."""
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except typer.Abort:
            note("nothing was done")
            raise SystemExit(FAILED) from None
        except Exception as raised:
            error: Any = raised  # click's own, which typer has under a name of its own
            if not hasattr(error, "show"):
                raise
            error.message = escape(str(error.message))
            error.show()
            raise SystemExit(error.exit_code) from None
        raise SystemExit(code if isinstance(code, int) else 0)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands under their headings."""
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(f"{name:<12}", self.commands[name].get_short_help_str(62)) for name in names.split()]
                )

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        with ending(lambda: ctx.invoked_subcommand in ("ingest", "setup")):
            return super().invoke(ctx)


app = Group(
    name="memento",
    cls=Commands,
    help="A local memory for AI agents: reads their transcripts, keeps what matters, finds it again.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _module in (
    recall,
    instructions,
    ingestion,
    sidecar,
    store,
    forgetting,
    curation,
    policy,
    backup,
    healing,
    jobs,
    index,
    model,
    hooks,
    mcp,
    setup,
    service,
    settings,
):
    _module.register(app)


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        say(f"memento {__version__}")
        raise typer.Exit
