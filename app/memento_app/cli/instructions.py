"""`instructions`: what the user said once about how to work."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memento.base.counted import counted
from memento.base.home import expand_user
from memento.errors import UsageError
from memento_app.cli.ending import NOTHING_FOUND
from memento_app.cli.group import Group
from memento_app.cli.narrowing import folder
from memento_app.cli.options import as_typer
from memento_app.cli.output import AsJson, Db, configured, console, note, one_line, print_json, say, wants_json

if TYPE_CHECKING:
    from memento.memory import Instruction

_SNIPPET = 400
"""Characters of an instruction that a table shows."""

instructions = Group(
    help="List standing instructions; edit, pin or export them.",
    invoke_without_command=True,
    subcommand_metavar="[COMMAND]",
    rich_markup_mode=None,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="Its id, or a beginning that fits one memory.")]
Limit = Annotated[int, typer.Option("--limit", "-k", metavar="N", help="How many, pinned ones first.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(instructions, name="instructions")


@instructions.callback()
@as_typer
def show(
    context: typer.Context,
    project: Annotated[
        str | None,
        typer.Option("--project", metavar="DIR", help="Those that hold there. [default: those of every project]"),
    ] = None,
    limit: Limit = 100,
    db: Db = None,
    json_: AsJson = None,
) -> None:
    """List standing instructions; edit, pin or export them.

    An instruction is what you said once about how to work: "always ...", "from now on ...", "I prefer ...". It holds in
    the project in which it was said, until a newer one supersedes it. `memento forget ID` takes one out.

    Exit code 3: there is none.
    """
    if context.invoked_subcommand is not None:
        return
    from memento.store import MemoryStore

    with MemoryStore(config=configured(db)) as store:
        found = store.instructions(folder(project) if project else project, limit=limit)
    if wants_json(json_):
        print_json([one.as_dict() for one in found])
    elif found:
        _print_table(found)
    if not found:
        note("no instruction is stored that holds: `memento remember --tag instruction TEXT` keeps one")
        raise typer.Exit(NOTHING_FOUND)


@instructions.command()
def edit(
    memory: Id,
    text: Annotated[list[str], typer.Argument(metavar="TEXT...", help="The new wording; `-` reads standard input.")],
    db: Db = None,
    json_: AsJson = None,
) -> None:
    """Put new words of yours in the place of an instruction.

    Exit code 3: there is no such memory.
    """
    from memento.store import MemoryStore

    words = " ".join(text) if text != ["-"] else sys.stdin.buffer.read().decode("utf-8", "replace") if sys.stdin else ""
    with MemoryStore(config=configured(db)) as store:
        new = store.reword(memory, words.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    _require(new is not None, memory)
    if wants_json(json_):
        print_json({"id": new})
    else:
        say(f"{memory} is superseded by {str(new)[:8]}")


@instructions.command()
def pin(
    memory: Id,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="It holds in every project.")] = False,
    db: Db = None,
) -> None:
    """Put an instruction before the others.

    Any memory of your own words becomes an instruction by it.

    Exit code 3: there is no such memory.
    """
    from memento.store import MemoryStore

    with MemoryStore(config=configured(db)) as store:
        _require(store.pin(memory, everywhere=everywhere), memory)
    say(f"pinned {memory}" + (" for every project" if everywhere else ""))


@instructions.command()
def unpin(memory: Id, db: Db = None) -> None:
    """Make a pinned instruction one like the others.

    Exit code 3: there is no such memory.
    """
    from memento.store import MemoryStore

    with MemoryStore(config=configured(db)) as store:
        _require(store.unpin(memory), memory)
    say(f"unpinned {memory}")


@instructions.command()
def export(
    path: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="AGENTS.md or the like. `-` is standard output. [default: -]"),
    ] = None,
    project: Annotated[
        str | None,
        typer.Option(
            "--project", metavar="DIR", help="Those that hold there. [default: the folder of FILE, or this one]"
        ),
    ] = None,
    limit: Limit = 100,
    db: Db = None,
) -> None:
    """Write instructions as a block for agents to read.

    Of FILE only what is between the block's markers changes; it is replaced in one step. Where no instruction holds,
    the block is taken out.

    Exit code 3: there is none.
    """
    from memento.store import MemoryStore
    from memento.transfer import agents_file

    target = expand_user(path) if path and path != "-" else None
    around = agents_file.resolved(target).parent if target is not None else Path(folder("."))
    if not around.is_dir():
        raise UsageError(f"{target}: there is no folder {around}: make it first")
    where = folder(project) if project else str(around)
    with MemoryStore(config=configured(db)) as store:
        found = store.instructions(where, limit=limit)
    if target is None and found:
        typer.echo(agents_file.instructions_block(found), nl=False)
    elif target is not None:
        changed = agents_file.write_block(target, found)
        note(f"{'wrote' if changed else 'nothing changed in'} {target}: {counted(len(found), 'instruction')}")
    if not found:
        note(f"no instruction holds in {where}: --project names another folder")
        raise typer.Exit(NOTHING_FOUND)


def _require(found: bool, memory: str) -> None:
    if not found:
        note(f"there is no memory {memory}")
        raise typer.Exit(NOTHING_FOUND)


def _print_table(found: Sequence[Instruction]) -> None:
    from rich.table import Table
    from rich.text import Text

    from memento.base.times import local_day

    table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for title in ("id", "when", "where", "what"):
        table.add_column(title, no_wrap=title != "what", overflow="fold", style="" if title == "what" else "dim")
    for one in found:
        memory, text = one.memory, one_line(one.text)
        what = Text(text[:_SNIPPET] + ("…" if len(text) > _SNIPPET else ""))
        if one.pinned:
            what.append("  #pinned", style="cyan")
        where = "everywhere" if one.everywhere or not memory.project else one_line(Path(memory.project).name)[:24]
        table.add_row(memory.id[:8], local_day(memory.timestamp) or "-", where, what)
    console().print(table)
