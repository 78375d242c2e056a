"""Scrubbing: today's redaction rules over what was stored under yesterday's, and the receipt that says where.

Secrets go out of rows (text, speaker, project, tags, meta, reasons), the full-text index, vectors and their cache, the
quarantine, titles, the journal and the hooks' spool, and out of the file's free pages. Backups are replaced by a new
one. Rows keep their ids: a source that is read again meets them, and is redacted by the same rules.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from memento.backup import BackupDirectory
from memento.backup.erasure import replace_all
from memento.base.counted import counted
from memento.errors import StoreError
from memento.memory import Memory
from memento.search.store_index import vector_folder
from memento.storage import compaction, curation, erasure, meta, repairs, rows
from memento.store import MemoryStore
from memento.writes import journal
from memento_policies import Policy

Redact = Callable[[str], str]

_TEXTS: Final = ("text", "speaker", "project", "session_id", "source")
_JSON: Final = ("tags", "meta", "why")


@dataclass(slots=True)
class Receipt:
    """What was found, and where it was taken out."""

    dry_run: bool
    secrets: Counter[str] = field(default_factory=Counter)
    """How many, by kind, in the memories' texts."""
    memories: list[str] = field(default_factory=list)
    """Ids of the rows that held one; they wait for a new embedding."""
    beside: Counter[str] = field(default_factory=Counter)
    """Texts beside the memories, by table. A source among them is read again from its beginning."""
    journal: int = 0
    spool: int = 0
    backups: str = "not looked at"

    @property
    def found(self) -> bool:
        """True when there was anything to take out."""
        return bool(self.memories or self.beside or self.journal or self.spool)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON-serialisable form."""
        return {**asdict(self), "secrets": dict(self.secrets), "beside": dict(self.beside)}


def scrub(
    store: MemoryStore,
    *,
    dry_run: bool = False,
    keep_backups: bool = False,
    scrub_spool: Callable[[Redact], int] = lambda _: 0,
) -> Receipt:
    """Apply the rules in force to everything that is stored. Running it again changes nothing.

    `scrub_spool` does the same for the hooks' spool. Raises PolicyError, StoreError, OSError.
    """
    policy, receipt = store.policy, Receipt(dry_run)
    with store.database.read() as connection:
        changed = {
            memory.id: found for memory in rows.all_memories(connection) if (found := _changes(memory, policy, receipt))
        }
        redacted = ((place, policy.redact(place.text).text) for place in curation.stored_texts(connection))
        beside = [(place, text) for place, text in redacted if text != place.text]
    receipt.memories, receipt.beside = list(changed), Counter(place.table for place, _ in beside)
    if dry_run:
        return receipt
    if changed or beside:
        _rewrite(store, changed, beside)

    def redact(text: str) -> str:
        return policy.redact(text).text

    receipt.journal = journal.redact(journal.journal_path(store.path), redact)
    receipt.spool = scrub_spool(redact)
    problem = compaction.compact(store.database) if changed or beside else ""  # free pages hold what rows held before
    receipt.backups = _renew_backups(store, receipt, keep_backups)
    if problem:
        raise StoreError(
            f"the secrets are out of the rows, but free pages of {store.path} may hold them still ({problem}): "
            "`memento forget --finish` writes the file anew"
        )
    return receipt


def _rewrite(
    store: MemoryStore, changed: Mapping[str, Mapping[str, str]], beside: Sequence[tuple[curation.StoredText, str]]
) -> None:
    """Put the texts without their secrets in the place of those with them, in one transaction."""
    with store.database.write(durable=True) as connection, erasure.overwriting(connection, words=False):
        for memory, columns in changed.items():
            curation.rewrite_row(connection, memory, columns)
        for place, text in beside:
            curation.replace_stored_text(connection, place, text)
        repairs.clear_query_cache(connection)
        meta.add_to_counter(connection, meta.DELETIONS, 1)
    shutil.rmtree(vector_folder(store.path), ignore_errors=True)  # the next recall makes it from the rows


def _changes(memory: Memory, policy: Policy, receipt: Receipt) -> Mapping[str, str]:
    """Return the columns of a row that hold a secret, without it."""
    columns: dict[str, str] = {}
    links: list[str] = []
    for name in _TEXTS:
        redaction = policy.redact(getattr(memory, name))
        if redaction.counts:
            columns[name] = redaction.text
            links += redaction.links
            receipt.secrets.update(redaction.counts)
    for name in _JSON:
        value = getattr(memory, name)
        plain = json.dumps(list(value) if name == "tags" else dict(value), ensure_ascii=False)
        redaction = policy.redact(plain)
        if redaction.counts:
            columns[name] = _whole(redaction.text, name)
            receipt.secrets.update(redaction.counts)
    if links:
        meta = json.loads(columns["meta"]) if "meta" in columns else dict(memory.meta)
        meta["secrets"] = list(dict.fromkeys((*meta.get("secrets", ()), *links)))
        columns["meta"] = json.dumps(meta, ensure_ascii=False, separators=(",", ":"))
    return columns


def _whole(text: str, column: str) -> str:
    """Return redacted JSON if it is still JSON; a secret that reached over its punctuation takes all with it."""
    try:
        json.loads(text)
    except ValueError:
        return "[]" if column == "tags" else "{}"
    return text


def _renew_backups(store: MemoryStore, receipt: Receipt, keep: bool) -> str:
    shelf = BackupDirectory(store.path)
    backups = shelf.all()
    if not backups:
        return "there are none"
    if not receipt.found:
        return "nothing was found, so they were left alone"
    if keep:
        days = counted(store.config.settings.storage.backup_retention_days, "day")
        return f"{counted(len(backups), 'is kept and holds', 'are kept and hold')} it still, for {days} at most"
    replace_all(store.database, shelf)
    return f"{counted(len(backups), 'was', 'were')} removed and a new one taken"
