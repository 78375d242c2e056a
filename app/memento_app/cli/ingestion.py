"""`ingest` and `why`: transcripts into the store, and what was decided about each message."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from memento.base.counted import counted
from memento.errors import ModelError
from memento_app.cli.ending import FAILED, NOTHING_FOUND, PARTIAL, USAGE
from memento_app.cli.output import (
    AsJson,
    Db,
    configured,
    console,
    note,
    one_line,
    print_json,
    say,
    wants_json,
)
from memento_app.cli.progress import progress_of

if TYPE_CHECKING:
    from memento.config import Config
    from memento.memory import NewMemory
    from memento.store import MemoryStore
    from memento_ingest.batch_ingest import Options
    from memento_ingest.report import Report

_RATED_FROM = 0.1
"""Seconds."""


FormatName = Annotated[
    str, typer.Option("--format", metavar="NAME", help="The transcript's format, where it cannot be told.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(ingest)
    app.command()(why)


def ingest(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Files, folders, globs, or - for standard input.")
    ],
    format_: FormatName = "auto",
    since: Annotated[str | None, typer.Option(metavar="WHEN", help="Only messages from then on: 7d or a date.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and judge, write nothing.")] = False,
    embed: Annotated[bool, typer.Option(help="Embed what is new before returning.")] = True,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print every message kept, and why.")] = False,
    db: Db = None,
    json_: AsJson = None,
) -> None:
    """Read transcripts into the store.

    What was read before is not stored again; what grew is read from where it ended.

    Exit code 1: some could not be read (they are named); 2: no PATH could be opened; 3: there is no transcript in it;
    4: of one many records were read, and no message was found in them.
    """
    from memento.base.times import parse_when
    from memento.store import MemoryStore
    from memento_ingest.batch_ingest import Options

    config = configured(db)
    options = Options(format_, None if since is None else parse_when(since))
    if dry_run:
        report = _ingested(config, None, paths, options, verbose)
    else:
        with MemoryStore(config=config) as store:
            report = _ingested(config, store, paths, options, verbose)
            if embed:
                _embed(store, report)
    if wants_json(json_):
        print_json(report.as_dict())
    else:
        _print_report(report, dry_run, verbose)
    if code := exit_code(report, paths):
        raise typer.Exit(code)


def _ingested(config: Config, store: MemoryStore | None, paths: list[str], options: Options, verbose: bool) -> Report:
    from memento_ingest.batch_ingest import Ingestion
    from memento_policies import load_policy

    policy = store.policy if store else load_policy(config.policy_dir)
    with progress_of("reading", of_bytes=True) as bar:
        run = Ingestion(policy, options, store, bar.advance, _print_kept if verbose else None)
        report = run.run(paths, bar.total)
    if report.quarantined and store:
        report.notes.append("`memento quarantine` lists what could not be read")
    return report


def exit_code(report: Report, paths: list[str]) -> int:
    """Return the code for what came of these paths; says so where there is no transcript in them."""
    if report.sources or report.unchanged:
        return FAILED if report.problems else PARTIAL if report.without_messages else 0
    if not report.problems:
        where = ", ".join(paths)
        if number := len(report.unrecognised):
            files = counted(number, "file")
            note(f"no transcript format recognises the {files} in {where}: name one with --format")
        else:
            note(f"there is no transcript in {where}")
    return USAGE if 0 < report.unopened == len(report.problems) else NOTHING_FOUND


def why(
    what: Annotated[str, typer.Argument(metavar="ID|FILE:LINE", help="A memory, or a line of a transcript.")],
    format_: FormatName = "auto",
    db: Db = None,
    json_: AsJson = None,
) -> None:
    """Explain why a memory was kept, or what became of a line.

    A line of a transcript is named as FILE:LINE, counted from 1.

    Exit code 3: there is none of this id, or the line has no end yet.
    """
    from memento.store import MemoryStore
    from memento_ingest.explain import explain_line, explain_memory, is_place

    with MemoryStore(config=configured(db)) as store:
        explained = explain_line(store, what, format_) if is_place(what) else explain_memory(store, what)
    if wants_json(json_):
        print_json([one.as_dict() for one in explained])
    if not explained:
        is_line = is_place(what)
        note(
            f"the record on {what} has no end yet" if is_line else f"there is no memory {what}, and it is no FILE:LINE"
        )
        raise typer.Exit(NOTHING_FOUND)
    for one in () if wants_json(json_) else explained:
        for line in one.lines():
            say(line)


def _embed(store: MemoryStore, report: Report) -> None:
    with progress_of("embedding", of_bytes=False) as bar:
        bar.total(store.to_embed())
        started = time.monotonic()
        try:
            report.embedded = store.embed_pending(progress=bar.advance)
        except ModelError as error:
            report.notes.append(f"stored, and found by words only for now: {error}")
        report.seconds_embedding = time.monotonic() - started


def _print_kept(memory: NewMemory) -> None:
    text = one_line(memory.text)[:100]
    reason = memory.why.get("reason", "")
    say(f"  kept {memory.importance:.2f} {memory.role:<9} {reason:<16} {text}", error=True)


def _print_report(report: Report, dry_run: bool, verbose: bool) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _report_lines(report, dry_run):
        table.add_row(name, value)
    if table.row_count:
        console().print(table)
    for path, problem in report.problems:
        note(f"{path}: {problem}")
    for path, name in report.without_messages:
        note(
            f"{path}: read as {name}, and no message was found in its records; name another format with --format, "
            "or report that this version of the agent is not understood"
        )
    if verbose:
        for path in report.unrecognised:
            note(f"{path}: no transcript format recognises it")
    for text in report.notes:
        note(text)


def _report_lines(report: Report, dry_run: bool) -> Iterator[tuple[str, str]]:
    if report.sources or report.unchanged:
        yield "sources", _counts({"read": report.sources, "unchanged": report.unchanged})
    if report.sources:
        yield from _message_lines(report, dry_run)
    if report.bytes_read:
        amount = f"{report.bytes_read / 1e6:,.2f} MB in {report.seconds:.2f} s"
        # A rate over a few milliseconds says nothing.
        rate = f" ({report.megabytes_per_second:,.1f} MB/s)" if report.seconds >= _RATED_FROM else ""
        yield "bytes", amount + rate
    if report.embedded:
        yield "embedded", f"{report.embedded:,}"
    if report.unrecognised:
        files = counted(len(report.unrecognised), "file")
        yield "no transcript", f"{files} that no format recognises (--verbose lists them)"
    if report.ignored:
        yield "ignored", f"{report.ignored:,} (no transcripts, by their names)"


def _message_lines(report: Report, dry_run: bool) -> Iterator[tuple[str, str]]:
    yield "messages", f"{report.seen:,} seen, {report.kept:,} kept"
    if dry_run:
        yield "would store", f"{report.stored:,} at most: a dry run does not look into the store"
    else:
        met = {"new": report.stored, "grown": report.extended, "known": report.duplicates}
        yield "stored", _counts({**met, "forgotten before": report.forgotten}) or "nothing"
    if report.skipped:
        yield "skipped", _counts(report.skipped)
    if report.unknown_types:
        yield "unknown types", _counts(report.unknown_types)
    if report.quarantined:
        yield "quarantined", _counts(report.quarantined)


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count:,}" for name, count in ordered if count)
