"""Forgotten means gone from every byte of every file, and not coming back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from memento.backup import BackupDirectory, create
from memento.backup.archive import read_database
from memento.config import Config
from memento.errors import UsageError
from memento.forgetting.erasure import finish, forget
from memento.forgetting.selection import select
from memento.memory import NewMemory
from memento.restore.rollback import roll_back
from memento.storage.capture import Batch
from memento.storage.sources import Defect, LedgerKey, SourceState, Tally
from memento.store import MemoryStore
from memento.writes.journal import journal_path

Rows = Callable[[int, int], list[NewMemory]]
SECRET = "The lighthouse keeper hides the spare key under the third stone from the left, near the old anchor."


def policy(config: Config, forget_backups: Any) -> Config:
    storage = msgspec.structs.replace(config.settings.storage, forget_backups=forget_backups)
    return replace(config, settings=msgspec.structs.replace(config.settings, storage=storage))


def back_up(store: MemoryStore) -> None:
    create(store.database, "hourly", BackupDirectory(store.path), retention_days=7)


def everywhere(store: MemoryStore, piece: bytes = b"third stone from the left") -> list[str]:
    """Return the files in which a piece of the secret is found, once the store is closed."""
    store.close()
    found = [path.name for path in store.path.parent.rglob("*") if path.is_file() and piece in path.read_bytes()]
    return found + [one.name for one in BackupDirectory(store.path).all() if piece in b"".join(read_database(one.path))]


def plant(store: MemoryStore, rows: Rows) -> str:
    """Put the secret into every place that may hold it; return its id."""
    kept = store.remember(SECRET)
    back_up(store)
    template = rows(9_000, 1)[0]
    store.commit(Batch(None, [replace(template, text=SECRET[:70])]))
    store.commit(
        Batch(None, [replace(template, text="Nothing of that kind. " * 20)])
    )  # the earlier text goes to free pages
    state, sample = SourceState("a transcript", "test", offset=10), f"broken {SECRET} line"
    tally = {LedgerKey("quarantined", "broken_json"): Tally(1, 10)}
    store.commit(Batch(state, (), tally, [Defect(0, 10, "broken_json", sample)]))
    back_up(store)
    return kept


def test_every_byte_of_it_goes(store: MemoryStore, rows: Rows) -> None:
    kept = plant(store, rows)
    receipt = forget(store, select(store, [kept]))
    assert (receipt.journal, receipt.quarantine, receipt.left) == (1, 1, [])
    assert receipt.backups.startswith("2 of 2")
    assert len(receipt.searched) >= 4
    assert store.get(kept) is None
    assert all("lighthouse" not in one.text for one in store.recall("lighthouse keeper spare key", 10))
    with store.database.read() as connection:
        words = "SELECT count(*) FROM memories_fts WHERE memories_fts MATCH 'lighthouse'"
        assert connection.execute(words).get == 0
    assert everywhere(store) == []


def test_backups_still_prove_sound_and_do_not_bring_it_back(store: MemoryStore, rows: Rows) -> None:
    from memento.backup import prove

    kept = plant(store, rows)
    forget(store, select(store, [kept]))
    backups = BackupDirectory(store.path).all()
    assert len(backups) == 2
    for backup in backups:
        prove(backup, store.path.with_name("scratch"))
    path, config = store.path, store.config
    store.close()
    roll_back(path, "", backups[1:], take_over=False)
    with MemoryStore(path, config=config) as restored:
        assert restored.get(kept) is None
        assert restored.stats().memories == 200


@pytest.mark.parametrize(("what", "left"), [("expire", 1), ("keep", 2)])
def test_what_becomes_of_backups_is_a_setting(store: MemoryStore, rows: Rows, what: str, left: int) -> None:
    kept = plant(store, rows)
    store.config = policy(store.config, what)
    receipt = forget(store, select(store, [kept]))
    assert len(BackupDirectory(store.path).all()) == left
    assert bool(receipt.left) == (what == "keep")
    assert bool(everywhere(store)) == (what == "keep")


def test_what_others_hold_too_is_said(store: MemoryStore) -> None:
    kept = store.remember(SECRET)
    other = store.remember(f"He told me again: {SECRET}")
    receipt = forget(store, select(store, [kept]))
    assert any("1 other memories hold that piece" in place for place in receipt.left)
    assert store.get(other) is not None


def test_it_is_not_taken_in_again_under_another_id(store: MemoryStore, rows: Rows) -> None:
    template = replace(rows(9_000, 1)[0], text=SECRET)
    store.commit(Batch(None, [template]))
    forget(store, select(store, [template.id]))
    again = store.commit(Batch(None, [template, replace(template, id="ab" * 16)]))
    assert (again.stored, again.forgotten) == ((), 2)
    short = replace(template, id="cd" * 16, text="yes")
    store.commit(Batch(None, [short]))
    forget(store, select(store, [short.id]))
    assert store.commit(Batch(None, [replace(short, id="ef" * 16)])).stored == ("ef" * 16,)
    assert store.remember(SECRET), "saying it by hand takes it back"
    assert store.commit(Batch(None, [replace(template, id="12" * 16)])).stored


def test_what_can_be_named(store: MemoryStore, rows: Rows) -> None:
    late = [replace(row, timestamp=1_760_000_000_000, session_id="late") for row in rows(500, 3)]
    store.commit(Batch(None, late))
    assert len(select(store, session="late")) == 3
    assert len(select(store, before=1_755_000_000_000)) == 200
    assert select(store, session="late", before=1_755_000_000_000) == []
    assert len(select(store, role=late[0].role, since=1_755_000_000_000)) == 3
    assert select(store, query="number 501", before=1_755_000_000_000, session="late") == []
    assert {one.id for one in select(store, [late[0].id], query="number 501")} >= {late[0].id, late[1].id}
    with pytest.raises(UsageError, match="name what to forget"):
        select(store)
    with pytest.raises(UsageError, match="there is no memory"):
        select(store, ["ff" * 16])


def test_a_kill_after_the_rows_are_gone_loses_nothing_of_the_forgetting(store: MemoryStore, rows: Rows) -> None:
    kept = plant(store, rows)
    chosen = select(store, [kept])
    store.delete(kept)
    receipt = forget(store, chosen)
    assert receipt.left == []
    assert everywhere(store) == []
    assert journal_path(Path(store.path)).exists()


def test_a_file_that_was_set_aside_is_named_also_for_a_short_text(store: MemoryStore) -> None:
    kept = store.remember("pin 4711")
    aside = store.path.with_name(f"{store.path.name}.damaged-20260101T000000Z")
    with store.database.read() as connection:
        connection.execute("VACUUM INTO ?", (str(aside),))
    (left,) = forget(store, select(store, [kept])).left
    assert left.startswith(f"{aside}: ")
    assert "delete it when nothing in it is missed" in left
    aside.unlink()
    assert finish(store).left == []
    assert everywhere(store, b"pin 4711") == []
