"""`backup`, `backup list` and `backup verify`: copies of the store that were proven by reading them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from memento.base.counted import counted
from memento.base.home import expand_user
from memento.errors import BackupDamaged, UsageError
from memento_app.cli.ending import FAILED, NOTHING_FOUND
from memento_app.cli.group import Group
from memento_app.cli.options import as_typer
from memento_app.cli.output import AsJson, Db, configured, note, print_json, say, wants_json

if TYPE_CHECKING:
    from memento.backup import Backup, BackupDirectory

backup = Group(
    help="Back up the store now, or list and verify backups.",
    invoke_without_command=True,
    subcommand_metavar="[COMMAND]",
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(backup, name="backup")


@backup.callback()
@as_typer
def take(
    context: typer.Context,
    to: Annotated[
        str | None, typer.Option("--to", metavar="PATH", help="A folder or a new file. [default: `backups`]")
    ] = None,
    db: Db = None,
) -> None:
    """Back up the store now, or list and verify backups.

    What it writes is read back and compared before it counts.
    """
    if context.invoked_subcommand is not None:
        return
    from memento.backup import BackupDirectory, create as take_backup
    from memento.storage.database import Database

    config = configured(db)
    target = expand_user(to) if to else None
    is_folder = target is not None and (target.is_dir() or str(to).endswith("/"))
    if target and not is_folder and target.exists():
        raise UsageError(f"{target} exists already: name a new file, or a folder")
    directory = BackupDirectory(config.db_path, target if is_folder else target.parent if target else None)
    database = Database(config.db_path)
    try:
        days = config.settings.storage.backup_retention_days
        made = take_backup(database, "manual", directory, retention_days=days, to=None if is_folder else target)
    finally:
        database.close()
    rows = made.manifest.counts["memories"]
    note(f"wrote {made.path}: {counted(rows, 'memory')}, {made.path.stat().st_size / 1e6:,.1f} MB, verified")


@backup.command("list")
def list_(db: Db = None, json_: AsJson = None) -> None:
    """List the backups, the newest first.

    Exit code 3: there is none.
    """
    from memento.base.times import local

    directory = _directory(db)
    backups = directory.all()
    if wants_json(json_):
        print_json([_described(one) for one in backups])
    for one in () if wants_json(json_) else backups:
        shown = _described(one)
        size = f"{shown['file_bytes'] / 1e6:8,.1f} MB"
        say(f"{local(one.manifest.at):<16}  {shown['kind']:<9} {shown['memories']:>9,} {size}  {one.name}")
    if not backups:
        note(f"there is no backup in {directory.folder}: `memento backup` takes one")
        raise typer.Exit(NOTHING_FOUND)


@backup.command()
def verify(
    name: Annotated[
        str | None, typer.Argument(metavar="[BACKUP]", help="Its name in the list, or a file. [default: all]")
    ] = None,
    db: Db = None,
    json_: AsJson = None,
) -> None:
    """Restore backups into a scratch file, check that, and compare it.

    Exit code 1: one is damaged; 3: there is none.
    """
    from memento.backup import prove

    directory = _directory(db)
    backups = directory.all() if name is None else [directory.find(name)]
    problems: dict[str, str] = {}
    for one in backups:
        try:
            with directory.locked():
                prove(one, directory.partial_path(one.path, "verify"))
        except BackupDamaged as error:
            problems[one.name] = str(error)
    if wants_json(json_):
        print_json([{**_described(one), "problem": problems.get(one.name)} for one in backups])
    for one in () if wants_json(json_) else backups:
        say(f"{one.name}  {problems.get(one.name, 'whole')}")
    if not backups:
        note(f"there is no backup in {directory.folder}: `memento backup` takes one")
        raise typer.Exit(NOTHING_FOUND)
    if problems:
        note("delete what is damaged; `memento backup` takes a new one")
        raise typer.Exit(FAILED)


def _directory(db: str | None) -> BackupDirectory:
    from memento.backup import BackupDirectory

    return BackupDirectory(configured(db).db_path)


def _described(one: Backup) -> dict[str, Any]:
    from memento.base.times import iso

    return {
        "name": one.name,
        "path": str(one.path),
        "time": iso(one.manifest.at),
        "kind": one.manifest.kind,
        "memories": one.manifest.counts.get("memories", 0),
        "schema": one.manifest.schema,
        "bytes": one.manifest.bytes,
        "file_bytes": one.path.stat().st_size,
        "content": one.manifest.content,
    }
