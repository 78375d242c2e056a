"""The command line. `app.py` lists the commands; `hook`, `mcp`, `statusline` and a plain `recall` do without it.

An agent waits for them, and importing the command line takes longer than a hook's work or a running sidecar's answer.
"""

from __future__ import annotations

import os
import sys
from typing import Final

COMPLETE: Final = "_MEMENTO_COMPLETE"
"""The variable by which a shell asks for completions; typer makes its name of the program's."""
_ANYWHERE: Final = ("--db", "--json", "--table")
"""Options of commands that may stand before the command too."""


def main() -> None:
    """Run the command line and exit with its code; of a hook always 0."""
    if sys.argv[1:2] == ["hook"] and sys.argv[2:3] not in (["--help"], ["-h"]):
        try:
            from memento_ingest.hooks.entry import run

            run(sys.argv[2:])
        finally:  # whatever was raised: a hook that fails must not disturb its agent
            os._exit(0)
    if sys.argv[1:] == ["statusline"]:
        try:
            from memento_ingest.hooks.statusline import run as print_line

            print_line()
        finally:
            os._exit(0)
    if sys.argv[1:] == ["mcp"]:
        from memento_app.mcp.backend import Backend
        from memento_app.mcp.stdio import run as serve

        serve(Backend().serve)
    from memento_app.cli.ending import ending
    from memento_app.cli.output import guard_streams

    guard_streams()
    sys.argv[1:] = command_first(sys.argv[1:])
    with ending():  # what happens while the command line is still being imported, too
        if COMPLETE in os.environ:
            from typer import completion

            completion.completion_init()  # type: ignore[attr-defined]
        elif sys.argv[1:2] == ["recall"]:
            _plain_recall(sys.argv[2:])
        from memento_app.cli.app import app

        app(prog_name="memento")


def command_first(arguments: list[str]) -> list[str]:
    """Return the arguments with the command first: `--json recall x` is `recall x --json`."""
    leading: list[str] = []
    rest = list(arguments)
    while rest and rest[0].partition("=")[0] in _ANYWHERE:
        takes_value = rest[0] == "--db"
        leading += rest[: 1 + takes_value]
        rest = rest[1 + takes_value :]
    if not leading or not rest:
        return arguments
    end = rest.index("--") if "--" in rest else len(rest)
    return [*rest[:end], *leading, *rest[end:]]


def _plain_recall(arguments: list[str]) -> None:
    """Recall and exit, unless the arguments are for typer: a wrong one, `--help`, a spelling that is seldom used."""
    from memento_app.cli.options import parse
    from memento_app.cli.recall import recall

    given = parse(recall, arguments)
    if given is None:
        return
    code: object = 0
    try:
        recall(**given)
    except SystemExit as end:
        code = end.code
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    # Everything is on the disk. Taking interpreter and model down piece by piece would cost a seventh of the process.
    os._exit(code if isinstance(code, int) else 0)
