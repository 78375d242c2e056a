"""`forget` and `delete`: memories that are to be gone, from every place they are in."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from memento.cli.ending import NOTHING_FOUND, PARTIAL
from memento.cli.narrowing import Narrowing, filters
from memento.cli.output import AsJson, Db, configured, is_terminal, note, one_line, print_json, say, wants_json
from memento.counted import counted
from memento.errors import UsageError

if TYPE_CHECKING:
    from memento.forgetting.erasing import Receipt
    from memento.forgetting.probes import Probe
    from memento.memory import Memory
    from memento.store import MemoryStore

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(forget)
    app.command()(delete)


def forget(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID...]", help="Ids, or beginnings that fit one memory each.")
    ] = None,
    query: Annotated[str, typer.Option("--query", metavar="TEXT", help="What recall finds for it.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be forgotten.")] = False,
    db: Db = None,
    json_: AsJson = None,
    **within: Unpack[Narrowing],
) -> None:
    """Forget memories everywhere, and prove it.

    Those that are named, and all that the other options fit together, leave rows, indexes, caches, journal, spool and
    backups; then every byte is searched for them. Ingestion does not bring them back.

    Exit code 3: nothing fits; 4: a file still holds a piece.
    """
    from memento.forgetting.selection import select
    from memento.store import MemoryStore

    with MemoryStore(config=configured(db)) as store:
        chosen = select(store, ids or (), query, **filters(within))
        if dry_run:
            _list(chosen, wants_json(json_))
        if not chosen:
            note("nothing is stored that fits")
            raise typer.Exit(NOTHING_FOUND)
        if dry_run:
            return
        if not (yes or _confirmed(chosen)):
            note("nothing was forgotten")
            return
        receipt = _forget(store, chosen)
    if wants_json(json_):
        print_json(receipt.as_dict())
    else:
        _print(receipt)
    if receipt.left:
        raise typer.Exit(PARTIAL)


def delete(
    memory: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids, or beginnings that fit one memory each.")],
    db: Db = None,
) -> None:
    """Forget memories by id, without asking (see `forget`).

    Exit code 3: there is none of some id.
    """
    from memento.store import MemoryStore

    missing = 0
    with MemoryStore(config=configured(db)) as store:
        for one in memory:
            if found := store.get(one):
                receipt = _forget(store, [found])
                say(f"forgot {one}")
                for place in receipt.left:
                    note(f"still in {place}")
            else:
                missing += 1
                note(f"there is no memory {one}")
    if missing:
        raise typer.Exit(NOTHING_FOUND)


def _forget(store: MemoryStore, chosen: Sequence[Memory]) -> Receipt:
    from memento.forgetting.erasing import forget as erase
    from memento_ingest.hooks.spool import files, scrub

    def scrub_spool(probes: Sequence[Probe]) -> int:
        patterns = [pattern for probe in probes for pattern in probe.patterns]
        return sum(scrub(path, patterns) for path in files(store.config.home))

    return erase(store, chosen, scrub_spool)


def _list(chosen: Sequence[Memory], as_json: bool) -> None:
    if as_json:
        print_json([memory.as_dict() for memory in chosen])
        return
    for line in _lines(chosen):
        say(line)


def _lines(chosen: Sequence[Memory]) -> Iterator[str]:
    for memory in chosen[:_SHOWN]:
        yield f"{memory.id[:8]}  {memory.time[:10] or '-':<10}  {one_line(memory.text)[:90]}"
    if len(chosen) > _SHOWN:
        yield f"... and {len(chosen) - _SHOWN:,} more"


def _confirmed(chosen: Sequence[Memory]) -> bool:
    """Show what it is about, and ask on a terminal. Raises UsageError elsewhere."""
    for line in _lines(chosen):
        note(line)
    if not is_terminal(sys.stdin):
        raise UsageError(f"{counted(len(chosen), 'memory')} would be forgotten: say --yes")
    return typer.confirm(f"Forget {counted(len(chosen), 'memory')} for good?")


def _print(receipt: Receipt) -> None:
    say(f"forgot {counted(len(receipt.ids), 'memory')}")
    places = {"journal": receipt.journal, "quarantine": receipt.quarantine, "spool": receipt.spool}
    say("also taken out: " + (", ".join(f"{name} {n:,}" for name, n in places.items() if n) or "nothing"))
    say(f"backups: {receipt.backups}")
    say(f"searched every byte of the files ({len(receipt.searched):,}) for pieces of the texts ({receipt.probes:,})")
    for place in receipt.left:
        note(f"still in {place}")
