"""`consolidate`, `audit` and `scrub`: looking after what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from memento.base.counted import counted
from memento_app.cli.output import AsJson, Db, configured, note, one_line, print_json, say, wants_json

if TYPE_CHECKING:
    from memento.curation.consolidation import Plan
    from memento.curation.scrubbing import Receipt, Redact
    from memento.store import MemoryStore

_DOING = {
    "clamp": "time was ahead of the clock, set to the time of storing",
    "instruct": "recognised as a standing instruction",
    "same": "said again, the newest stands for it",
    "outdated": "superseded by a newer statement",
    "promote": "promoted to knowledge",
    "demote": "knowledge no more: reversed, or no rule promotes it",
    "forget": "forgotten by a rule",
    "unmark": "not superseded any more",
    "fade": "faded, recalled behind others",
    "revive": "not faded any more",
}
_SHOWN = 50

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, change nothing.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(consolidate)
    app.command()(audit)
    app.command()(scrub)


def consolidate(
    dry_run: DryRun = False,
    explain: Annotated[bool, typer.Option("--explain", help="Print every step and its reason.")] = False,
    db: Db = None,
    json_: AsJson = None,
) -> None:
    """Mark what is repeated, outdated, faded; promote what matters.

    Memories are deleted only by rules that you wrote.
    """
    from memento.curation.consolidation import consolidate as run
    from memento.store import MemoryStore

    with MemoryStore(config=configured(db)) as store:
        found = run(store, dry_run=dry_run)
    if wants_json(json_):
        print_json({**found.as_dict(), "dry_run": dry_run})
    else:
        _print_plan(found, dry_run, explain)


def audit(db: Db = None, json_: AsJson = None) -> None:
    """Measure how much is repeated, outdated, junk or a secret.

    Also loops and what has gone stale, each with examples.
    """
    from memento.curation.auditing import audit as run
    from memento.store import MemoryStore

    with MemoryStore(config=configured(db)) as store:
        rates = run(store)
    if wants_json(json_):
        print_json([rate.as_dict() for rate in rates])
        return
    for rate in rates:
        say(f"{rate.name:<11} {rate.memories:>8,} {rate.share:>7.1%}  {rate.meaning}")
        for example in rate.examples:
            say(f"{'':30}{example}")


def scrub(
    dry_run: DryRun = False,
    keep_backups: Annotated[
        bool, typer.Option("--keep-backups", help="Leave backups as they are, with what was found.")
    ] = False,
    db: Db = None,
    json_: AsJson = None,
) -> None:
    """Apply today's redaction rules to all that is stored.

    Prints where secrets were taken out.
    """
    from memento.curation.scrubbing import scrub as run
    from memento.store import MemoryStore

    with MemoryStore(config=configured(db)) as store:
        receipt = run(
            store, dry_run=dry_run, keep_backups=keep_backups, scrub_spool=lambda redact: _spool(store, redact)
        )
    if wants_json(json_):
        print_json(receipt.as_dict())
    else:
        _print_receipt(receipt)


def _spool(store: MemoryStore, redact: Redact) -> int:
    from memento_ingest.events.spool import files, rewrite

    def clean(line: bytes) -> bytes:
        text = line.decode("utf-8", "surrogateescape")
        redacted = redact(text)
        return redacted.encode("utf-8", "surrogateescape") if redacted != text else line

    return sum(rewrite(path, clean) for path in files(store.config.home))


def _print_plan(found: Plan, dry_run: bool, explain: bool) -> None:
    say(counted(found.memories, "memory") + (", nothing was changed (dry run)" if dry_run else ""))
    for doing, count in found.counts.items():
        say(f"  {count:>6,}  {_DOING[doing]}")
    say(f"  {found.faded:>6,}  faded in all; they stay")
    for step in found.steps if explain else ():
        by = f" by {step.by[:8]}" if step.by else ""
        say(f"{step.doing:<9} {step.id[:8]}{by}: {step.why}: {one_line(step.text)[:80]}")


def _print_receipt(receipt: Receipt) -> None:
    would = "would be" if receipt.dry_run else "was" if len(receipt.memories) == 1 else "were"
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in receipt.secrets.most_common())
    say(f"{counted(len(receipt.memories), 'memory')} {would} redacted" + (f" ({kinds})" if kinds else ""))
    for table, count in receipt.beside.items():
        say(f"  {table:<11} {count:,}")
    if not receipt.dry_run:
        say(f"  journal     {counted(receipt.journal, 'line')}")
        say(f"  spool       {counted(receipt.spool, 'record')}")
        say(f"  backups     {receipt.backups}")
    for memory in receipt.memories[:_SHOWN]:
        note(f"redacted {memory}" if not receipt.dry_run else f"holds a secret: {memory}")
