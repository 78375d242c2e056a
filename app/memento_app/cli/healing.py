"""`doctor` and `restore`: what is wrong with the store, and going back to a backup."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from memento.base.counted import counted
from memento.errors import StoreCorrupt, StoreError, UsageError
from memento_app.cli.ending import FAILED, NOTHING_FOUND, PARTIAL
from memento_app.cli.output import AsJson, Db, configured, note, print_json, say, wants_json

if TYPE_CHECKING:
    from pathlib import Path

    from memento.backup import Backup
    from memento.config import Config
    from memento.health import Finding
    from memento.writes.admission import Admission


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(doctor)
    app.command()(restore)


def doctor(db: Db = None, json_: AsJson = None) -> None:
    """Examine the store and all it needs, and say what to do.

    Nothing is changed.

    Exit code 1: something is broken; 4: all works, and something could be better.
    """
    found = _examined(configured(db))
    if wants_json(json_):
        print_json([finding.as_dict() for finding in found])
    else:
        _print_findings(found)
    levels = {finding.level for finding in found}
    if code := FAILED if "broken" in levels else PARTIAL if "advice" in levels else 0:
        raise typer.Exit(code)


def restore(
    backup: Annotated[
        str | None, typer.Argument(metavar="[BACKUP]", help="Its name in `memento backup list`, or a file.")
    ] = None,
    latest: Annotated[bool, typer.Option("--latest", help="The newest one that is sound.")] = False,
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="The newest from before then.")] = None,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Without a backup: begin anew with what can be read.")
    ] = False,
    keep_trust: Annotated[
        bool, typer.Option("--keep-trust", help="The file is my own, from another machine: restore all of it.")
    ] = False,
    db: Db = None,
) -> None:
    """Put a backup in the place of the store.

    The file as it was is kept beside it. The journal is replayed, and the sources are
    read again from where the backup left them. Of a file that is not this store's own
    only the memories are restored, and count as imported.
    """
    from memento.base.durable import locked, make_private_folder
    from memento.health.checks import Remedy
    from memento.restore.rollback import roll_back
    from memento.storage.header import refuse_foreign_file
    from memento_ingest.sidecar.lock import holder

    if sum((backup is not None, latest, at is not None, salvage)) != 1:
        raise UsageError("name one: a BACKUP of `memento backup list`, --latest, --at TIME, or --salvage")
    config = configured(db)
    path = config.db_path
    refuse_foreign_file(path)
    if process := holder(path):
        raise StoreError(f"a sidecar (process {process}) uses {path}: stop it first")
    chosen = [] if salvage else _chosen(path, backup, at)
    admission = None if keep_trust else _admission(config, chosen)
    if salvage and not path.exists():
        raise StoreError(f"there is no store {path} to salvage: `memento ingest` or `memento watch` makes one")
    found = _examined(config, integrity_only=True) if path.exists() else []
    damage = [finding.text for finding in found if finding.remedy not in (Remedy.NONE, Remedy.VECTORS)]
    why, take_over = (damage[0] if damage else ""), salvage or bool(damage)
    make_private_folder(path.parent)
    with locked(path.with_name(path.name + ".heal.lock")):
        done = roll_back(path, why, chosen, take_over=take_over, admission=admission)
    note(done.text)
    if done.aside:
        note(f"the file as it was is {done.aside}")
    if admission:
        left = f", {counted(admission.left_out.total(), 'row')} were left out" if admission.left_out else ""
        note(f"the backup is not proven to be of this store: its memories count as imported{left}. "
             "If it is yours: `memento restore FILE --keep-trust`")  # fmt: skip


def _admission(config: Config, chosen: list[Backup]) -> Admission | None:
    """Return the gate for a backup from elsewhere; None where it is the store's own."""
    from memento.backup import BackupDirectory
    from memento.base.link_key import load_key
    from memento.storage import ignored
    from memento.storage.database import Database
    from memento.writes.admission import Admission
    from memento_policies import load_policy

    path = config.db_path
    if all(map(BackupDirectory(path).is_own, chosen)):
        return None
    out = ignored.Ignored()
    if path.exists():
        with suppress(StoreError):  # a damaged one tells nothing
            database = Database(path)
            with database.read() as connection:
                out = ignored.load(connection)
            database.close()
    return Admission(load_policy(config.policy_dir, load_key(path.parent)), out, keeps_trust=False)


def _chosen(path: Path, name: str | None, at: str | None) -> list[Backup]:
    """Return the backups to try, best first. Raises UsageError when none fits, Exit when there is none at all."""
    from memento.backup import BackupDirectory
    from memento.base.times import parse_when

    directory = BackupDirectory(path)
    if name is not None:
        return [directory.find(name)]
    until = None if at is None else parse_when(at)
    backups = directory.all()
    if not backups:
        note(
            f"there is no backup in {directory.folder}: name a file, or begin anew with what can be read of the store "
            "by `memento restore --salvage`"
        )
        raise typer.Exit(NOTHING_FOUND)
    found = [one for one in backups if until is None or one.manifest.at <= until]
    if not found:
        raise UsageError(f"no backup in {directory.folder} is that old: `memento backup list` names them")
    return found


def _examined(config: Config, *, integrity_only: bool = False) -> list[Finding]:
    from memento.health import ENVIRONMENT_CHECKS, INTEGRITY_CHECKS, CheckContext, run_checks
    from memento.health.checks import Remedy, broken_finding
    from memento.health.integrity_checks import RESTORE_ADVICE
    from memento.restore.emptied_file import refuse_emptied
    from memento.storage.database import Database
    from memento_ingest.sidecar.checks import CAPTURE

    path = config.db_path
    if not path.exists():
        raise StoreError(f"there is no store {path} yet: `memento ingest` or `memento watch` makes it")
    try:
        refuse_emptied(path)
        database = Database(path)
    except StoreCorrupt as error:
        return [broken_finding(str(error), RESTORE_ADVICE, Remedy.RESTORE, "store")]
    except StoreError as error:  # of a newer version, not ours to read, in use: the file itself may be whole
        return [broken_finding(str(error), check="store")]
    try:
        return run_checks(
            CheckContext(database, config),
            INTEGRITY_CHECKS if integrity_only else [*INTEGRITY_CHECKS, *ENVIRONMENT_CHECKS, *CAPTURE],
        )
    finally:
        database.close()


def _print_findings(found: list[Finding]) -> None:
    for finding in found:
        mark = {"ok": "ok", "advice": "--", "broken": "!!"}[finding.level]
        say(f"{mark}  {finding.check:<11} {finding.text}".rstrip())
        remedy = f"by itself, {finding.remedy.value}" if finding.remedy.value else ""
        for line in filter(None, (finding.advice, remedy)):
            say(f"    {'':<11} {line}")
