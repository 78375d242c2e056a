"""`forget` and `delete`: memories that are to be gone, from every place they are in."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Unpack

import typer

from memento.base.counted import counted
from memento.base.times import local_day
from memento.errors import UsageError
from memento_app.cli.ending import NOTHING_FOUND, PARTIAL
from memento_app.cli.narrowing import Narrowing, filters
from memento_app.cli.output import AsJson, Db, configured, is_terminal, note, one_line, print_json, say, wants_json

if TYPE_CHECKING:
    from memento.forgetting.receipt import ForgetReceipt
    from memento.forgetting.selection import Match
    from memento.store import MemoryStore

_SHOWN = 20
"""Memories that are shown of those that were named exactly."""


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(forget)
    app.command()(delete)


def forget(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID...]", help="Ids, or beginnings that fit one memory each.")
    ] = None,
    query: Annotated[
        str, typer.Option("--query", metavar="TEXT", help="What holds all of its words, or clearly says the same.")
    ] = "",
    min_score: Annotated[
        float | None,
        typer.Option(
            "--min-score", metavar="SCORE", min=0.0, max=1.0, help="How clearly it must say the same. [default: 0.6]"
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    all_matching: Annotated[
        bool, typer.Option("--all-matching", help="With --yes: all that the query matches, unseen.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be forgotten.")] = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="Do what an earlier forgetting could not: overwrite files, backups.")
    ] = False,
    db: Db = None,
    json_: AsJson = None,
    **within: Unpack[Narrowing],
) -> None:
    """Forget memories everywhere, and prove it.

    Those that are named, and all that the other options fit together, leave rows, indexes, caches, journal, spool and
    backups, with the titles of their sessions; then every byte is searched for them. Ingestion does not bring them
    back.

    Exit code 3: nothing fits; 4: a file still holds a piece.
    """
    from memento.forgetting import erasure
    from memento.forgetting.selection import matches
    from memento.narrowing import to_filter
    from memento.store import MemoryStore
    from memento_ingest.events.forgetting import spool_of

    named = filters(within)
    if finish and (ids or query or named or min_score is not None):
        raise UsageError("--finish goes alone: it is about everything that was forgotten before")
    if min_score is not None and not query:
        raise UsageError("--min-score is about what --query matches: give that too")
    narrows = not to_filter(named).empty  # an empty value names nothing
    if yes and query and not (narrows or all_matching or dry_run):
        raise UsageError("look at what the query matches first (--dry-run), then say --yes --all-matching")
    with MemoryStore(config=configured(db)) as store:
        if finish:
            _end(erasure.finish(store, spool_of(store)), json_)
            return
        chosen = matches(store, ids or (), query, min_score=min_score, **named)
        sessions = _sessions(store, query, dict(named))
        if dry_run:
            _list(chosen, bool(query), wants_json(json_))
        if not (chosen or sessions):
            _end_without(is_unfinished=erasure.is_unfinished(store))
        if dry_run:
            return
        if not (yes or _confirmed(chosen)):
            note("nothing was forgotten")
            return
        memories = [match.memory for match in chosen]
        receipt = erasure.forget(store, memories, spool_of(store), sessions=sessions)
    _end(receipt, json_)


def delete(
    memory: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids, or beginnings that fit one memory each.")],
    db: Db = None,
) -> None:
    """Forget memories by id, without asking (see `forget`).

    Exit code 3: there is none of some id; 4: a file still holds a piece.
    """
    from memento.forgetting import erasure
    from memento.store import MemoryStore
    from memento_ingest.events.forgetting import spool_of

    with MemoryStore(config=configured(db)) as store:
        found = {one: store.get(one) for one in memory}
        there = list({known.id: known for known in found.values() if known}.values())
        receipt = erasure.forget(store, there, spool_of(store)) if there else None
    for one, known in found.items():
        if known:
            say(f"forgot {one}")
        else:
            note(f"there is no memory {one}")
    for place in receipt.left if receipt else ():
        note(f"still in {place}")
    if None in found.values():
        raise typer.Exit(NOTHING_FOUND)
    if receipt and receipt.left:
        raise typer.Exit(PARTIAL)


def _sessions(store: MemoryStore, query: str, named: dict[str, Any]) -> list[str]:
    """Return the session whose title is to go even where no memory is left: one that alone was named."""
    session = named.get("session")
    if query or not session or named.keys() != {"session"}:
        return []
    return [session] if store.has_title(session) else []


def _list(chosen: Sequence[Match], scored: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {**match.memory.as_dict(), **({"by": match.by, "score": match.score} if scored else {})}
                for match in chosen
            ]
        )
        return
    for line in _lines(chosen):
        say(line)


def _lines(chosen: Sequence[Match]) -> Iterator[str]:
    for memory, by, score in chosen:
        why = f"  {score:.2f} by {by:<7}" if by in ("words", "meaning") else ""
        yield f"{memory.id[:8]}  {local_day(memory.timestamp) or '-':<10}{why}  {one_line(memory.text)[:90]}"


def _confirmed(chosen: Sequence[Match]) -> bool:
    """Show what it is about, all that a query matches, and ask on a terminal. Raises UsageError elsewhere."""
    is_guess = any(match.by in ("words", "meaning") for match in chosen)
    for line in _lines(chosen if is_guess else chosen[:_SHOWN]):
        note(line)
    if not is_guess and len(chosen) > _SHOWN:
        note(f"... and {len(chosen) - _SHOWN:,} more (--dry-run lists them)")
    if not is_terminal(sys.stdin):
        how = "--yes --all-matching" if is_guess else "--yes"
        raise UsageError(f"{counted(len(chosen), 'memory')} would be forgotten: say {how}")
    return typer.confirm(f"Forget {counted(len(chosen), 'memory')} for good?")


def _end_without(*, is_unfinished: bool) -> NoReturn:
    """Say that there is nothing to forget; raises typer.Exit."""
    note("nothing is stored that fits")
    if is_unfinished:
        note("an earlier forgetting is not finished: `memento forget --finish` finishes it")
    raise typer.Exit(NOTHING_FOUND)


def _end(receipt: ForgetReceipt, json_: bool | None) -> None:
    """Print the receipt; raises typer.Exit where something is left."""
    if wants_json(json_):
        print_json(receipt.as_dict())
    else:
        show(receipt)
    if receipt.left:
        raise typer.Exit(PARTIAL)


def show(receipt: ForgetReceipt) -> None:
    """Print a receipt for a person."""
    say(f"forgot {counted(len(receipt.ids), 'memory')}")
    places = {
        "titles": receipt.titles,
        "journal": receipt.journal,
        "quarantine": receipt.quarantine,
        "spool": receipt.spool,
    }
    say("also taken out: " + (", ".join(f"{name} {n:,}" for name, n in places.items() if n) or "nothing"))
    say(f"backups: {receipt.backups}")
    say(f"searched every byte of the files ({len(receipt.searched):,}) for pieces of the texts ({receipt.probes:,})")
    for place in receipt.left:
        note(f"still in {place}")
