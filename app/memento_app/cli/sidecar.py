"""`watch`, `sources` and `status`: the background process, what it follows, and what became of it all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memento.base.counted import counted
from memento.base.home import expand_user
from memento.errors import UsageError
from memento_app.cli.ending import FAILED, NOTHING_FOUND, PARTIAL
from memento_app.cli.output import AsJson, Db, configured, console, note, print_json, say, wants_json

if TYPE_CHECKING:
    from memento.base.worker_thread import WorkerState
    from memento.forgetting.receipt import ForgetReceipt
    from memento.health.healings import Healing
    from memento.storage.accounts import SourceAccount
    from memento.storage.ignored import Kind
    from memento.store import MemoryStore
    from memento_ingest.unread import Unread, Waiting

_MOST_NAMED = 10
"""Files that a line of text names."""


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(watch)
    app.command()(sources)
    app.command()(status)
    app.command()(ignore)


def watch(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH...]", help="Folders and files. [default: every agent's places]")
    ] = None,
    log: Annotated[
        str | None, typer.Option("--log", metavar="FILE", help="Write what it says there too; rotated at 1 MiB.")
    ] = None,
    db: Db = None,
) -> None:
    """Follow transcripts live until stopped.

    First what is there, then every change. One process per store.
    """
    from memento_app.mcp.http import answer
    from memento_app.service.log import ServiceLog
    from memento_ingest.sidecar.sidecar import Sidecar

    written = ServiceLog(expand_user(log)) if log else None

    def say_and_log(text: str) -> None:
        note(f"{time.strftime('%H:%M:%S')} {text}")
        if written:
            written(text)

    followed = [expand_user(path) for path in paths or ()]
    for path in followed:
        if not path.exists():
            note(f"{path} is not there yet: it is followed when it appears")
    try:
        Sidecar(configured(db), followed, {"storage.db_path": db}, say_and_log, {"/mcp": answer}).run()
    except Exception as error:  # a service manager shows nobody what is printed
        if written:
            written(f"ended: {str(error) or type(error).__name__}")
        raise


def sources(db: Db = None, json_: AsJson = None) -> None:
    """List the agents found on this machine.

    For each the place of its transcripts, and how far it has been read.

    Exit code 3: there is none.
    """
    from memento.store import MemoryStore
    from memento_ingest.discovery import readable
    from memento_ingest.redacting import stored_path
    from memento_ingest.sidecar.places import agents_places, files_of
    from memento_ingest.unread import read_of

    found: list[dict[str, Any]] = []
    with MemoryStore(config=configured(db)) as store:
        silent, unknown = set(store.without_messages()), set(store.unrecognised())
        known = {one.path: one for one in store.progress()}
        for place in agents_places(store.projects()):
            if not Path(place.root).exists():
                continue
            files = {stored_path(readable(path), store.policy): _size(path) for path in files_of(place)}
            read = [read_of(known[path], size) for path, size in files.items() if path in known]
            counts = {"files": len(files), "bytes": sum(files.values())}
            counts |= {"files_read": len(read), "bytes_read": sum(read)}
            counts |= {"without_messages": len(silent & files.keys()), "unrecognised": len(unknown & files.keys())}
            found.append({"agent": place.agent, "place": str(place.root), **counts})
    if wants_json(json_):
        print_json(found)
    for one in () if wants_json(json_) else found:
        progress = f"{one['files_read']:,} of {counted(one['files'], 'file')}, {one['bytes_read'] / 1e6:,.1f} of "
        say(f"{one['agent']:<12} {progress}{one['bytes'] / 1e6:,.1f} MB read  {one['place']}")
        if one["without_messages"]:
            note(f"{one['place']}: {counted(one['without_messages'], 'file')} without a message (`memento status`)")
        if one["unrecognised"]:
            note(f"{one['place']}: {counted(one['unrecognised'], 'file')} that no format recognises (`memento status`)")
    if not found:
        note("no agent's transcripts were found in their usual places; name a folder: `memento watch PATH`")
        raise typer.Exit(NOTHING_FOUND)


def status(
    limit: Annotated[
        int, typer.Option("--limit", "-k", metavar="N", min=1, max=10_000, help="How many sources, latest read first.")
    ] = 100,
    offset: Annotated[
        int, typer.Option("--offset", metavar="N", min=0, help="How many of them to leave out first: the next page.")
    ] = 0,
    db: Db = None,
    json_: AsJson = None,
) -> None:
    """Say whether the sidecar runs, and what became of the sources.

    In all and of each: what was kept, skipped, quarantined and is still unread.

    Exit code 1: a source is stalled, some of it has waited for over a minute; or a
    worker of the sidecar is broken.
    """
    from memento.store import MemoryStore
    from memento_ingest.sidecar.supervision import failed_workers
    from memento_ingest.unread import waiting_in

    with MemoryStore(config=configured(db)) as store:
        healing, workers = store.healing(), failed_workers(store.path)
        waiting = waiting_in(store.progress(), store.source, thorough=True)
        found = _status(store, workers, healing, waiting, limit, offset)
    if wants_json(json_):
        print_json(found)
    else:
        _print_status(found)
    for worker in workers:
        note(worker.text)
    if healing:
        note(f"{healing.text}. {healing.advice}")
    for one in waiting.examples:
        note(f"stalled: {one} not read for over a minute")
    if waiting.stalled > len(waiting.examples):
        note(f"stalled: {waiting.stalled - len(waiting.examples):,} more")
    if waiting.stalled or any(worker.broken for worker in workers):
        raise typer.Exit(FAILED)


def _status(
    store: MemoryStore,
    workers: Sequence[WorkerState],
    healing: Healing | None,
    waiting: Waiting,
    limit: int,
    offset: int,
) -> dict[str, Any]:
    """Return the JSON-serialisable form, with the sources of one page."""
    import msgspec

    from memento_ingest.sidecar.lock import holder
    from memento_ingest.unread import unread_of

    totals = store.capture_totals()
    accounts = store.accounts(limit, offset)
    return {
        "sidecar": holder(store.path),
        "workers": [msgspec.structs.asdict(worker) for worker in workers],
        "waiting_for_embedding": store.pending(),
        "restored": healing.text if healing else None,
        "unrecognised": [path for path in store.unrecognised() if Path(path).exists()],
        "without_messages": store.without_messages(),
        **asdict(totals),
        "unread": waiting.size,
        "unread_rows": waiting.rows,
        "stalled": waiting.stalled,
        "offset": offset,
        "next": offset + limit if offset + limit < totals.total else None,
        "sources": [_described(one, unread_of(one, store.source, thorough=True)) for one in accounts],
    }


def ignore(
    session: Annotated[str | None, typer.Option("--session", metavar="ID", help="Leave this session out.")] = None,
    project: Annotated[
        str | None, typer.Option("--project", metavar="DIR", help="Leave this folder's sessions out.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Capture it again.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Also delete what is stored of it.")] = False,
    db: Db = None,
    json_: AsJson = None,
) -> None:
    """Keep a session or a project out of the memory.

    Without an option it lists what is kept out.
    A single message stays out when it holds #nomemory.

    Exit code 4: a file still holds a piece of what was forgotten.
    """
    from memento.store import MemoryStore

    left: list[str] = []
    wanted: list[tuple[Kind, str]] = [("session", session)] if session else []
    if project:
        wanted.append(("project", str(expand_user(project).absolute())))
    if (remove or forget) and not wanted:
        raise UsageError("name what it is about: --session or --project")
    with MemoryStore(config=configured(db)) as store:
        for kind, value in wanted:
            if not remove:
                store.ignore(kind, value)
                forgotten = _forget_all(store, kind, value) if forget else None
                count = f", {len(forgotten.ids)} forgotten" if forgotten else ""
                left += forgotten.left if forgotten else []
                note(f"{kind} {value} is left out from now on{count}")
            elif store.unignore(kind, value):
                note(f"{kind} {value} is captured again; its files are read anew by the next `memento ingest`")
            else:
                note(f"{kind} {value} was not ignored")
                raise typer.Exit(NOTHING_FOUND)
        kept_out = store.ignored()
    if wants_json(json_):
        print_json({"sessions": sorted(kept_out.sessions), "projects": sorted(kept_out.projects)})
    elif not wanted:
        for value in (*sorted(kept_out.sessions), *sorted(kept_out.projects)):
            say(value)
        if not (kept_out.sessions or kept_out.projects):
            note("nothing is kept out")
    for place in left:
        note(f"still in {place}")
    if left:
        raise typer.Exit(PARTIAL)


def _forget_all(store: MemoryStore, kind: Kind, value: str) -> ForgetReceipt:
    """Forget what is stored of an ignored session or project, while nothing more of it is let in."""
    from memento.forgetting import erasure
    from memento_ingest.events.forgetting import spool_of

    sessions = [value] if kind == "session" else []
    return erasure.forget(store, store.stored_of(kind, value), spool_of(store), sessions=sessions)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # deleted a moment ago
        return 0


def _described(account: SourceAccount, unread: Unread) -> dict[str, Any]:
    return {
        "path": account.path,
        "format": account.format,
        "seen": account.read,
        "kept": account.stored,
        "skipped": dict(account.skipped),
        "unknown_types": dict(account.unknown_types),
        "quarantined": account.quarantined,
        "without_messages": account.lacks_messages,
        "bytes": account.offset + account.open_bytes,
        "unread": unread.size,
        "unit": unread.unit,
        "stalled": unread.stalled,
        "last_event": account.last_event or None,
        "last_written": unread.written,
        "last_read": account.last_read,
    }


def _print_status(found: dict[str, Any]) -> None:
    process = found["sidecar"]
    say(f"sidecar: {f'running, process {process}' if process else 'not running (memento watch starts it)'}")
    waiting = f"{found['waiting_for_embedding']:,} waiting for their embedding"
    say(f"in the store: {counted(found['memories'], 'memory')}, {waiting}")
    _print_sources(found["sources"])
    shown, total = len(found["sources"]), found["total"]
    if shown < total:
        more = f"; `memento status --offset {found['next']}` shows the next" if found["next"] else ""
        say(f"{shown:,} of {counted(total, 'source')} from {found['offset'] + 1:,} on{more}")
    if found["unknown_types"]:
        counts = ", ".join(f"{name} {count:,}" for name, count in found["unknown_types"].items())
        say(f"records of types that this version does not know: {counts}")
    for paths, problem in (
        (found["unrecognised"], "no format recognises"),
        (found["without_messages"], "no message was found in the records of"),
    ):
        if paths:
            more = f", and {len(paths) - _MOST_NAMED:,} more (--json lists them)" if len(paths) > _MOST_NAMED else ""
            say(f"{problem} {counted(len(paths), 'file')}: {', '.join(paths[:_MOST_NAMED])}{more}")


def _print_sources(described: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from memento.base.times import local

    if not described:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("kept", "skipped", "quarantined", "unread", "last event"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("source", overflow="fold")
    for one in described:
        unread = counted(one["unread"], "row") if one["unit"] == "rows" and one["unread"] else f"{one['unread']:,}"
        table.add_row(
            f"{one['kept']:,}",
            f"{sum(one['skipped'].values()):,}",
            f"{one['quarantined']:,}",
            unread + (" !" if one["stalled"] else ""),
            local(one["last_event"] or 0) or "-",
            one["path"],
        )
    console().print(table)


def tell_sidecar(database: Path) -> bool:
    """Let a running sidecar read its settings again; False when none runs."""
    import os
    import signal

    from memento_ingest.sidecar.lock import holder

    process = holder(database)
    if process is None or not hasattr(signal, "SIGHUP"):
        return False
    os.kill(process, signal.SIGHUP)
    return True
