"""Erasure of forgotten memories from every file, with a receipt of where they were.

The rows, their derived data, the tombstones and the journal's line change first, in one transaction. After a kill or a
failure later on, the memories are forgotten but not yet overwritten everywhere: a note in the store records that, and
`finish` (`memento forget --finish`) can be repeated until everything is done.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import apsw

from memento.backup import BackupDirectory
from memento.backup.erasure import erase_from_all, replace_all
from memento.base.counted import counted
from memento.errors import StoreError
from memento.forgetting.probes import MIN_LENGTH, Probe, text_probes, value_probes
from memento.forgetting.receipt import FINISH, ForgetReceipt
from memento.forgetting.spool import NO_SPOOL, Spool
from memento.forgetting.verification import verify
from memento.memory import Memory
from memento.search.store_index import vector_folder
from memento.storage import compaction, erasure, meta, repairs, tombstones, transfer
from memento.storage.erasure import Erased
from memento.store import MemoryStore
from memento.writes import journal

_MAX_NAMED: Final = 20
"""Maximum number of transcripts that a receipt names."""
_ROWS: Final = 100
"""Maximum number of ids to search for in replaced database files."""


def forget(
    store: MemoryStore, memories: Sequence[Memory], spool: Spool = NO_SPOOL, *, sessions: Sequence[str] = ()
) -> ForgetReceipt:
    """Forget memories, the titles of their sessions, and those of `sessions`.

    Raises StoreError if the store cannot be written: then nothing was forgotten, or the next start replays it from the
    journal.
    """
    keys = [key for memory in memories for key in tombstones.memory_keys(memory.id, memory.text, memory.session_id)]
    keys = list(dict.fromkeys((*keys, *map(tombstones.title_key, sessions))))
    erased = _erase(store, keys)
    receipt = ForgetReceipt([memory.id for memory in memories], titles=len(erased.titles), quarantine=erased.quarantine)
    wanted = [*text_probes(memories, erased.titles), *_unique_probes(store, value_probes(memories))]
    _erase_elsewhere(store, receipt, spool=spool, probes=wanted, texts=_ForgottenTexts(store, memories, sessions))
    return receipt


def finish(store: MemoryStore, spool: Spool = NO_SPOOL) -> ForgetReceipt:
    """Repeat the erasure from all files but the rows, for everything that was ever forgotten."""
    receipt = ForgetReceipt([])
    _erase_elsewhere(store, receipt, spool=spool, probes=[], texts=_ForgottenTexts(store))
    return receipt


def is_unfinished(store: MemoryStore) -> bool:
    """Tell whether an earlier forgetting was interrupted, or could not reach every file."""
    with store.database.read() as connection:
        return bool(meta.read_note(connection, meta.FORGETTING))


class _ForgottenTexts:
    """Forgotten texts, to compare lines of the journal and of the spool with.

    `memories` and `sessions` are those forgotten now. Earlier ones are known by their tombstones only.
    """

    def __init__(self, store: MemoryStore, memories: Sequence[Memory] = (), sessions: Sequence[str] = ()) -> None:
        with store.database.read() as connection:
            self.keys = list(transfer.all_tombstones(connection))
        self._buried = frozenset(self.keys)
        self.ids = frozenset(key for key in self.keys if ":" not in key)
        self.texts = [memory.text for memory in memories]
        self._pieces = {piece for text in self.texts for piece in tombstones.pieces(text)}
        short = [text for text in self.texts if tombstones.MIN_UNIQUE_LENGTH <= len(text) < tombstones.PIECE_LENGTH]
        named = [session for session in sessions if len(session) >= MIN_LENGTH]
        brief = [memory for memory in memories if memory.session_id and len(memory.text) < tombstones.MIN_UNIQUE_LENGTH]
        self._said = {(_quoted(memory.text), _quoted(memory.session_id)) for memory in brief}
        self._whole = [pattern for text in (*short, *named) for pattern in Probe(text).patterns]

    def occur_in(self, line: bytes) -> bool:
        """Tell whether a part of them occurs in a line."""
        if any(pattern in line for pattern in self._whole):
            return True
        if any(text in line and session in line for text, session in self._said):
            return True
        text = line.decode("utf-8", "replace")
        if not self.texts:  # earlier texts are known by their tombstones only
            return tombstones.matches_any(text, self._buried)
        return tombstones.holds_piece(text, self._pieces)


def _quoted(text: str) -> bytes:
    """Return a text as a complete JSON string, to find a short text only as a whole."""
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _erase(store: MemoryStore, keys: Sequence[str]) -> Erased:
    """Erase the rows. Full-text postings are left to `compaction`, since overwriting each one would block other writers
    for minutes.
    """
    erased = Erased()

    def entries(connection: apsw.Connection) -> list[journal.Entry]:
        nonlocal erased
        meta.write_note(connection, meta.FORGETTING, "unfinished")
        with erasure.overwriting(connection, words=False):
            erased = erasure.erase(connection, keys)
            repairs.clear_query_cache(connection)
        return [journal.Forget(list(keys))]

    try:
        journal.write(store.database, entries)
    except StoreError:  # the journal or the sync failed, but the rows may be gone
        if not _is_erased(store, keys):
            raise
    return erased


def _is_erased(store: MemoryStore, keys: Sequence[str]) -> bool:
    with store.database.read() as connection:
        return erasure.has_tombstones(connection, keys)


def _unique_probes(store: MemoryStore, found: Sequence[Probe]) -> list[Probe]:
    """Return the probes that occur nowhere in the store any more."""
    with store.database.read() as connection:
        return [probe for probe in found if not erasure.count_holders(connection, probe.text, anywhere=True)]


def _handle_transcripts(store: MemoryStore, receipt: ForgetReceipt) -> None:
    """Drop the sources of deleted transcripts in forgotten projects; report existing ones, whose paths are kept so that
    they are not read again.
    """
    home = store.config.home.absolute()  # agents keep transcripts of all projects beside it
    with store.database.read() as connection:
        paths = erasure.sources_in_forgotten(connection, home.parents)
    if gone := [path for path in paths if not Path(path).exists()]:
        with store.database.write() as connection, erasure.overwriting(connection, words=False):
            for path in gone:
                erasure.drop_source(connection, path)
    there = [path for path in paths if path not in gone]
    receipt.left += [
        f"{path}: a transcript in a project that was forgotten; it holds what it held, and the store keeps its path so "
        f"as not to read it again. Delete it, {FINISH}"
        for path in there[:_MAX_NAMED]
    ]
    if len(there) > _MAX_NAMED:
        receipt.left.append(f"{store.path}: paths of {len(there) - _MAX_NAMED:,} more transcripts like that")


def _erase_elsewhere(
    store: MemoryStore, receipt: ForgetReceipt, *, spool: Spool, probes: Sequence[Probe], texts: _ForgottenTexts
) -> None:
    """Erase forgotten texts from every other file, and search all files for them."""
    try:
        _handle_transcripts(store, receipt)
    except StoreError as error:
        receipt.left.append(f"{store.path}: paths of transcripts could not be looked at ({error}); {FINISH}")
    try:
        receipt.journal = journal.scrub(journal.journal_path(store.path), texts.ids, texts.occur_in)
    except OSError as error:
        receipt.add_failure(journal.journal_path(store.path), error)
    for path in spool.files():
        try:
            receipt.spool += spool.scrub(path, texts.occur_in)
        except OSError as error:
            receipt.add_failure(path, error)
    shutil.rmtree(vector_folder(store.path), ignore_errors=True)  # the next recall makes it from the rows that are left
    if problem := compaction.compact(store.database):
        receipt.left.append(f"{store.path}: its free pages may hold deleted text ({problem}); {FINISH}")
    _forget_in_backups(store, receipt, texts)
    verify(store, receipt, probes=probes, spool=spool, ids=(receipt.ids or sorted(texts.ids))[:_ROWS])
    if not receipt.left:
        try:
            with store.database.write(derived=True) as connection:
                meta.delete_note(connection, meta.FORGETTING)
        except StoreError as error:
            receipt.left.append(f"{store.path}: that all is done could not be noted ({error}); {FINISH}")


def _forget_in_backups(store: MemoryStore, receipt: ForgetReceipt, texts: _ForgottenTexts) -> None:
    directory, settings = BackupDirectory(store.path), store.config.settings.storage
    backups = [*(backup.path for backup in directory.all()), *directory.unreadable()]
    if not backups:
        receipt.backups = "there are none"
        return
    if settings.forget_backups == "keep":
        days = counted(settings.backup_retention_days, "day")
        receipt.backups = f"{counted(len(backups), 'is', 'are')} kept, for {days} at most (storage.forget_backups)"
        return
    try:
        if settings.forget_backups == "expire":
            replace_all(store.database, directory)
            receipt.backups = f"{counted(len(backups), 'was', 'were')} removed and a new one taken"
            _report_kept(receipt, dict.fromkeys(directory.unreadable(), "it cannot be read as a backup"))
            return
        with directory.locked():
            done = erase_from_all(directory, texts.keys, texts.texts)
    except (OSError, StoreError) as error:
        reason = str(getattr(error, "strerror", None) or error)
        receipt.backups = f"none of {len(backups)} could be rewritten ({reason}); all are kept"
        _report_kept(receipt, dict.fromkeys(backups, reason))
        return
    receipt.backups = f"{done.rewritten} of {len(backups)} held something and were rewritten without it"
    if done.kept:
        receipt.backups += f"; {counted(len(done.kept), 'is', 'are')} kept as they were"
    _report_kept(receipt, done.kept)


def _report_kept(receipt: ForgetReceipt, kept: dict[Path, str]) -> None:
    for path, reason in kept.items():
        receipt.left.append(
            f"{path}: kept as it is, since it could not be rewritten ({reason}); it may hold what was forgotten. "
            f"Remove the cause or, if you can do without this backup, the file, {FINISH}"
        )
