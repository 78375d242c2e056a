"""`policy check`, `policy test` and `policy diff`: rules before they are in force, and what they would change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memento.base.counted import counted
from memento.errors import UsageError
from memento_app.cli.ending import NOTHING_FOUND
from memento_app.cli.group import Group
from memento_app.cli.ingestion import FormatName, exit_code
from memento_app.cli.output import AsJson, Db, configured, console, note, one_line, print_json, say, wants_json

if TYPE_CHECKING:
    from memento_ingest.trial import Differences, Judged
    from memento_policies import Policy

policy = Group(
    help="Check rules, try them on transcripts and on what is stored.", no_args_is_help=True, rich_markup_mode=None
)

Folder = Annotated[
    Path | None, typer.Option("--policies", metavar="FOLDER", help="Rules to use. [default: those in force]")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(policy, name="policy")


@policy.command()
def check(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="Rules to check. [default: those in force]")
    ] = None,
    json_: AsJson = None,
) -> None:
    """Validate the rules in force, or those in a folder.

    Exit code 1: they cannot be used, and why.
    """
    used = _folder(folder)
    loaded = _load(used)
    if wants_json(json_):
        print_json({"folder": str(used), "rules": loaded.counts})
        return
    rules = ", ".join(f"{count} {name}" for name, count in loaded.counts.items())
    say(f"sound: {rules} (shipped rules and {used})" if used.is_dir() else f"sound: {rules} (shipped rules)")


@policy.command("test")
def try_out(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Transcripts, or - for standard input.")],
    format_: FormatName = "auto",
    folder: Folder = None,
    json_: AsJson = None,
) -> None:
    """Print what would be decided about each message.

    Of every message of the transcripts: verdict, reasons, tags, importance.

    Exit code 1: some could not be read; 2: no FILE could be opened; 3: there is no message in them.
    """
    from memento_ingest.trial import judge_transcripts

    judged, report = judge_transcripts(_load(_folder(folder)), files, format_)
    for path, problem in report.problems:
        note(f"{path}: {problem}")
    if wants_json(json_):
        print_json([one.as_dict() for one in judged])
    elif judged:
        _print_judged(judged)
    if code := exit_code(report, files):
        raise typer.Exit(code)
    if not judged:
        note("there is no message in it")
        raise typer.Exit(NOTHING_FOUND)


@policy.command()
def diff(folder: Folder = None, db: Db = None, json_: AsJson = None) -> None:
    """Compare what is stored with what the rules decide now.

    With --policies: with rules that are not in force yet.
    """
    from memento.store import MemoryStore
    from memento_ingest.trial import differences

    config = configured(db)
    with MemoryStore(config=config) as store:
        found = differences(store, _load(_folder(folder)))
    if wants_json(json_):
        print_json(found.as_dict())
    else:
        _print_differences(found)


def _folder(named: Path | None) -> Path:
    """Return the folder of the rules to use. Raises UsageError where the one that was named is not there."""
    if named is not None and not named.is_dir():
        raise UsageError(f"there is no folder {named}")
    return named or configured(None).policy_dir


def _load(folder: Path) -> Policy:
    from memento_policies import load_policy

    return load_policy(folder)


def _print_judged(judged: list[Judged]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("", "role", "reason", "importance", "tags", "text"):
        table.add_column(name, overflow="fold" if name in ("tags", "text") else "ellipsis")
    for one in judged:
        verdict = "keep" if one.keep else "skip"
        table.add_row(
            verdict, one.role, one.reason, f"{one.importance:.2f}", " ".join(one.tags), one_line(one.text)[:160]
        )
    console().print(table)


def _print_differences(found: Differences) -> None:
    say(f"{counted(found.judged, 'stored memory')} judged again")
    for name, counts in (("would be skipped", found.skipped), ("would be kept", found.kept)):
        listed = ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common())
        say(f"  {name:<17} {sum(counts.values()):,}" + (f" ({listed})" if listed else ""))
    say(f"  other importance  {found.importance:,}")
    say(f"  other tags        {found.tags:,}")
    say(f"  with a secret     {found.secrets:,}" + (" (`memento scrub` removes them)" if found.secrets else ""))
    for one in found.examples:
        say(f"  {one.id[:8]}  {one.was} -> {one.now}: {one_line(one.text)[:100]}")
