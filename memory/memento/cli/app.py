"""The commands: where the packages are composed, each command importing what it needs when it runs.

Exit codes: 0 done, 1 failed, 2 usage, 3 nothing found, 4 partial, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from memento import __version__
from memento.cli import hooks, ingestion, model, recall, settings, sidecar, store
from memento.cli.output import note
from memento.errors import MementoError

INTERRUPTED = 130


class Commands(TyperGroup):
    """The commands, with the one place where an error becomes a line on standard error and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except MementoError as error:
            note(str(error))
            raise typer.Exit(error.exit_code) from None
        except UnicodeEncodeError:  # transcripts are mended when they are read: only an argument can hold such bytes
            note("an argument is not valid UTF-8")
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            goes_on = ctx.invoked_subcommand == "ingest"
            note("interrupted" + ("; what was committed stays, the next run goes on from there" if goes_on else ""))
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # the reader of our output has gone: `memento recall x | head -1`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None


app = typer.Typer(
    name="memento",
    cls=Commands,
    help="A local memory for AI agents: reads their transcripts, keeps what matters, finds it again.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _module in (recall, ingestion, sidecar, store, model, hooks, settings):
    _module.register(app)


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        typer.echo(f"memento {__version__}")
        raise typer.Exit
