"""`ingest` and `why`: transcripts into the store, and what was decided about each message."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from memento.cli.output import AsJson, Db, configured, console, note, print_json, wants_json
from memento.errors import ModelError

if TYPE_CHECKING:
    from memento.memory import NewMemory
    from memento.store import MemoryStore
    from memento_ingest.report import Report


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(ingest)
    app.command()(why)


def ingest(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Files, folders, globs, or - for standard input.")
    ],
    format_: Annotated[
        str, typer.Option("--format", metavar="NAME", help="The format, where it cannot be told.")
    ] = "auto",
    since: Annotated[str | None, typer.Option(metavar="WHEN", help="Only messages from then on: 7d or a date.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and judge, write nothing.")] = False,
    embed: Annotated[bool, typer.Option(help="Embed what is new before returning.")] = True,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print every message kept, and why.")] = False,
    db: Db = None,
    json_: AsJson = None,
) -> None:
    """Read transcripts into the store. What was read before is not stored again; what grew is read from where it ended.

    Exit code 1: some files could not be read (they are listed); 3: nothing could be read at all.
    """
    from memento.store import MemoryStore
    from memento.times import parse_when
    from memento_ingest.batch_ingest import Ingestion, Options
    from memento_policies import load_policy

    config = configured(db)
    options = Options(format_, None if since is None else parse_when(since))
    store = None if dry_run else MemoryStore(config=config)
    try:
        policy = store.policy if store else load_policy(config.policy_dir)
        with _progress("reading", of_bytes=True) as bar:
            run = Ingestion(policy, options, store, bar.advance, _print_kept if verbose else None)
            report = run.run(paths, bar.total)
        if store and embed:
            _embed(store, report)
    finally:
        if store:
            store.close()
    if wants_json(json_):
        print_json(report.as_dict())
    else:
        _print_report(report, dry_run)
    if report.problems:
        raise typer.Exit(1 if report.sources or report.unchanged else 3)


def why(
    what: Annotated[str, typer.Argument(metavar="ID|FILE:LINE", help="A memory, or a line of a transcript.")],
    format_: Annotated[str, typer.Option("--format", metavar="NAME", help="The transcript's format.")] = "auto",
    db: Db = None,
    json_: AsJson = None,
) -> None:
    """Explain a decision: why a memory was kept, or what became of a line of a transcript."""
    from memento.store import MemoryStore
    from memento_ingest.explain import explain_line, explain_memory, is_place

    with MemoryStore(config=configured(db)) as store:
        explained = explain_line(store, what, format_) if is_place(what) else explain_memory(store, what)
    if not explained:
        note(f"there is no memory {what}, and it is not FILE:LINE either")
        raise typer.Exit(3)
    if wants_json(json_):
        print_json([one.as_dict() for one in explained])
        return
    for one in explained:
        typer.echo("\n".join(one.lines()))


class Bar(NamedTuple):
    """A progress bar's two handles."""

    advance: Callable[[int], None]
    total: Callable[[int], None]


@contextmanager
def _progress(what: str, *, of_bytes: bool) -> Iterator[Bar]:
    """Show progress on a terminal while the work lasts; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield Bar(lambda _: None, lambda _: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    counted = DownloadColumn() if of_bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), counted, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=None)
        yield Bar(lambda amount: bars.advance(task, amount), lambda total: bars.update(task, total=total))


def _embed(store: MemoryStore, report: Report) -> None:
    with _progress("embedding", of_bytes=False) as bar:
        bar.total(store.pending())
        started = time.monotonic()
        try:
            report.embedded = store.embed_pending(progress=bar.advance)
        except ModelError as error:
            report.notes.append(f"stored, and found by words only for now: {error}")
        report.seconds_embedding = time.monotonic() - started


def _print_kept(memory: NewMemory) -> None:
    text = " ".join(memory.text.split())[:100]
    reason = memory.why.get("reason", "")
    typer.echo(f"  kept {memory.importance:.2f} {memory.role:<9} {reason:<16} {text}", err=True)


def _print_report(report: Report, dry_run: bool) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _report_lines(report, dry_run):
        table.add_row(name, value)
    console().print(table)
    for path, problem in report.problems:
        note(f"{path}: {problem}")
    for text in report.notes:
        note(text)


def _report_lines(report: Report, dry_run: bool) -> Iterator[tuple[str, str]]:
    unchanged = f", {report.unchanged:,} unchanged" if report.unchanged else ""
    yield "sources", f"{report.sources:,} read{unchanged}"
    yield "messages", f"{report.seen:,} seen, {report.kept:,} kept"
    met = {"new": report.stored, "grown": report.extended, "known": report.duplicates, "forgotten": report.forgotten}
    yield ("would store" if dry_run else "stored"), _counts(met) or "nothing"
    if report.skipped:
        yield "skipped", _counts(report.skipped)
    if report.unknown_types:
        yield "unknown types", _counts(report.unknown_types)
    if report.quarantined:
        yield "quarantined", _counts(report.quarantined) + ("" if dry_run else " (memento quarantine lists them)")
    yield (
        "read",
        f"{report.bytes_read / 1e6:,.2f} MB in {report.seconds:.2f} s ({report.megabytes_per_second:,.1f} MB/s)",
    )
    if report.embedded:
        yield "embedded", f"{report.embedded:,}"
    if report.ignored:
        yield "ignored", f"{report.ignored:,} files that are no transcripts by their name"


def _counts(counts: dict[str, int] | Any) -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count:,}" for name, count in ordered if count)
