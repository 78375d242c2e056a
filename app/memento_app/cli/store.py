"""`stats`, `quarantine`, `export` and `import`: the store as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memento.base.counted import counted
from memento.base.home import expand_user
from memento.errors import UsageError
from memento_app.cli.ending import PARTIAL
from memento_app.cli.output import AsJson, Db, configured, console, note, print_json, say, wants_json

if TYPE_CHECKING:
    from memento.memory import CacheUse
    from memento.transfer.importer import Imported


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(stats)
    app.command()(quarantine)
    app.command()(export)
    app.command(name="import")(import_)


def stats(db: Db = None, json_: AsJson = None) -> None:
    """Show what the store holds."""
    from dataclasses import replace

    from memento.base.times import local_day
    from memento.store import MemoryStore
    from memento_ingest.server import client

    with MemoryStore(config=configured(db)) as store:
        figures = store.stats()
    warm = client.kept(Path(figures.path))  # a process that has answered queries has more to tell
    if warm is not None:
        figures = replace(figures, caches=warm.caches, tiers=warm.tiers)
    if wants_json(json_):
        print_json(figures.as_dict())
        return
    sessions = counted(figures.sessions, "session")
    _print_pairs(
        [
            ("store", f"{figures.path} ({figures.bytes / 1e6:.1f} MB)"),
            ("memories", f"{figures.memories:,} in {sessions}, {figures.embedded:,} embedded"),
            ("collections", _groups(figures.by_collection)),
            ("sources", _groups(figures.by_source)),
            ("roles", _groups(figures.by_role)),
            ("from, to", f"{local_day(figures.first) or '-'}, {local_day(figures.last) or '-'}"),
            ("files read", f"{figures.sources:,}"),
            ("skipped", counted(figures.skipped, "record")),
            ("quarantined", counted(figures.quarantined, "record") + " (`memento quarantine` lists them)"),
            ("tiers", _groups(figures.tiers)),
            ("caches", _uses(figures.caches) + ("" if warm else " (of this process: no sidecar answers)")),
            ("model", figures.model or "none: recall works by words only. Get one with `memento model pull`"),
        ]
    )


def quarantine(
    limit: Annotated[
        int, typer.Option("--limit", "-k", metavar="N", min=1, max=10_000, help="How many, the latest first.")
    ] = 20,
    db: Db = None,
    json_: AsJson = None,
) -> None:
    """List the records that could not be read, and why."""
    from memento.base.times import local
    from memento.store import MemoryStore

    with MemoryStore(config=configured(db)) as store:
        entries = store.quarantined(limit)
    if wants_json(json_):
        print_json([entry._asdict() for entry in entries])
    elif entries:
        for entry in entries:
            where = f"{counted(entry.length, 'byte')} at offset {entry.offset:,} of {entry.path}"
            say(f"{local(entry.at)}  {entry.reason:<15}  {where}")
    else:
        note("the quarantine is empty")


def export(
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]",
            help="A new .jsonl (.gz, .zst) or .json; `-`: lines on standard output. [default: a JSON array there]",
        ),
    ] = None,
    sources: Annotated[bool, typer.Option("--sources", help="Also how far each source was read.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    db: Db = None,
) -> None:
    """Write the store to a file.

    All of it to FILE.jsonl (.gz, .zst) or `-`; its memories alone as a JSON array to FILE.json. `memento import` reads
    them all.
    """
    from memento.store import MemoryStore
    from memento.transfer import lines
    from memento.transfer.exporter import export as write

    target = expand_user(path) if path and path != "-" else None
    if target and not (lines.is_export_name(target) or target.name.lower().endswith(".json")):
        raise UsageError(f"{target} has none of the endings {', '.join(lines.SUFFIXES)} and .json: name another file")
    is_array = path != "-" and (target is None or not lines.is_export_name(target))
    if sources and is_array:
        raise UsageError(f"--sources goes with `-`, or a file that ends with {', '.join(lines.SUFFIXES)}")
    with MemoryStore(config=configured(db)) as store:
        if not is_array:
            written = write(store, target, sources=sources, force=force)
            note(f"wrote {target or 'the export'}: {counted(written, 'memory')}")
            return
        if target:
            lines.refuse_target(target, store.path, force=force)
        array = store.export_json(target and target.resolve())
    if target is None:
        typer.echo(array.encode(), nl=False)
    else:
        note(f"wrote {target}")


def import_(
    path: Annotated[str, typer.Argument(metavar="FILE", help="What `memento export` wrote; `-`: standard input.")],
    keep_trust: Annotated[
        bool, typer.Option("--keep-trust", help="It is my own, from another machine: believe what it says of itself.")
    ] = False,
    db: Db = None,
    json_: AsJson = None,
) -> None:
    """Merge an export into the store.

    Doing it again changes nothing; what either side forgot stays out. Memories of a file that was not written in this
    store's folder count as imported, whoever they say spoke.

    Exit code 4: lines could not be read, or the file was cut off.
    """
    from memento.jobs.tasks import back_up_hourly
    from memento.store import MemoryStore
    from memento.transfer.importer import merge

    with MemoryStore(config=configured(db)) as store:
        done = merge(store, path if path == "-" else expand_user(path), keep_trust=keep_trust)
        if done.stored or done.extended:
            back_up_hourly(store)  # the file may be gone when it is needed again
    if wants_json(json_):
        print_json(done.as_dict())
    else:
        met = {"new": done.stored, "grown": done.extended, "known": done.known, "forgotten": done.forgotten}
        met |= {reason.replace("_", " "): count for reason, count in done.left_out.items()}
        say(", ".join(f"{name} {count:,}" for name, count in met.items() if count) or "nothing")
    for problem in done.unreadable:
        note(problem)
    _tell_of_trust(done)
    if not done.complete:
        note(f"{path} has no end: it was cut off. What it holds was imported")
    if done.unread or not done.complete:
        raise typer.Exit(PARTIAL)


def _tell_of_trust(done: Imported) -> None:
    """Say what a file was not believed, and how it would be."""
    what = [f"{counted(done.lowered, 'memory')} of it count as imported"] if done.lowered else []
    if left := done.left_out.get("untrusted", 0):
        what.append(
            f"{counted(left, 'line')} about ignored projects, sources, titles or forgotten memories were left out"
        )
    if what:
        note(f"the file is not proven to be of this store: {', and '.join(what)}. If it is yours: --keep-trust")


def _groups(groups: Any) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in groups.items()) or "-"


def _uses(caches: Mapping[str, CacheUse]) -> str:
    shown = {name.replace("_", " "): use for name, use in caches.items()}
    return "; ".join(f"{name} {use.entries:,} of {use.limit:,}, {use.hit_rate:.0%} hits" for name, use in shown.items())


def _print_pairs(pairs: list[tuple[str, str]]) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, value)
    console().print(table)
