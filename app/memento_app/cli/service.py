"""`service install`, `uninstall`, `status` and `logs`: the sidecar under the user's service manager."""

from __future__ import annotations

from typing import Annotated

import typer

from memento_app.cli.ending import FAILED, NOTHING_FOUND
from memento_app.cli.group import Group
from memento_app.cli.output import AsJson, configured, note, print_json, say, wants_json

service = Group(
    help="Run the sidecar as a service of your user.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and change nothing.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(service, name="service")


@service.command()
def install(dry_run: DryRun = False) -> None:
    """Install the service and start it, now and at every login.

    Again after an upgrade it starts the new version.

    Exit code 1: there is no service manager here, or it refused.
    """
    from memento_app.service.service import install as add

    say(add(configured(None), dry_run=dry_run))


@service.command()
def uninstall(dry_run: DryRun = False) -> None:
    """Stop the service and remove it.

    The store, its backups and the log stay.
    """
    from memento_app.service.service import uninstall as remove

    say(remove(configured(None), dry_run=dry_run))


@service.command()
def status(json_: AsJson = None) -> None:
    """Tell whether the service is installed, runs and answers.

    Exit code 3: it is not installed; 1: it is, and does not work.
    """
    from memento_app.service.service import status as look

    found = look(configured(None))
    if wants_json(json_):
        print_json(found.as_dict())
    else:
        state = f"{found.state}{f', process {found.process}' if found.process else ''}"
        say(f"{found.manager}: {state}{f' ({found.detail})' if found.detail else ''}")
        shape = "" if not found.installed else ", as this version writes it" if found.up_to_date else ", outdated"
        say(f"file: {found.file} ({'installed' if found.installed else 'not installed'}{shape})")
        if found.command:
            say(f"command: {found.command}")
        answers = "answers" if found.answers else "does not answer"
        say(f"sidecar: {f'process {found.sidecar} {answers}' if found.sidecar else 'none runs'}")
    for problem in found.problems:
        note(problem)
    if not found.installed:
        raise typer.Exit(NOTHING_FOUND)
    if not found.works:
        raise typer.Exit(FAILED)


@service.command()
def logs(
    lines: Annotated[
        int, typer.Option("--lines", "-n", metavar="N", min=1, max=100_000, help="How many of the last lines.")
    ] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written, until Ctrl-C.")] = False,
) -> None:
    """Show the last lines of the service's log.

    Exit code 3: there is no log yet.
    """
    from memento_app.service import log
    from memento_app.service.program import log_file

    path = log_file(configured(None))
    if not log.exists(path) and not follow:
        note(f"there is no log in {path}: the service has not run yet (`memento service install`)")
        raise typer.Exit(NOTHING_FOUND)
    for line in log.tail(path, lines):
        say(line)
    for line in log.follow(path) if follow else ():
        say(line)
