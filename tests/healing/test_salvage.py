"""Salvage from a damaged file: what was forgotten stays forgotten, and no file that was set aside is overwritten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from memento.backup import BackupDirectory, create
from memento.base.identity import memory_id
from memento.config import load_config
from memento.memory import NewMemory
from memento.restore import rollback
from memento.restore.healing import heal
from memento.storage import salvage, snapshot, swap, tombstones
from memento.storage.capture import Batch
from memento.store import MemoryStore
from memento.writes.journal import journal_path

Rows = Callable[[int, int], list[NewMemory]]
PAGE = 4096


def texts(store: MemoryStore) -> set[str]:
    return {memory.text for memory in store.get_recent(10_000)}


def leaves(path: Path, table: str) -> list[int]:
    """Return the byte offsets of a table's leaf pages."""
    with snapshot.closing(apsw.Connection(str(path))) as connection:
        sql = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path"
        return [(int(str(number)) - 1) * PAGE for (number,) in connection.execute(sql, (table,))]


def damage(path: Path, *offsets: int) -> None:
    with path.open("r+b") as file:
        for offset in offsets:
            file.seek(offset)
            file.write(b"\xff" * PAGE)


def test_what_was_forgotten_stays_forgotten_where_only_the_damaged_file_knows_of_it(
    store: MemoryStore, rows: Rows, open_store: Callable[[], MemoryStore]
) -> None:
    """The backup is older, the journal is lost, and the source is read again after the salvage."""
    create(store.database, "hourly", BackupDirectory(store.path), retention_days=7)
    told = rows(0, 200)
    assert store.delete(told[7].id)
    store.close()
    journal_path(store.path).unlink()
    damage(store.path, leaves(store.path, "memories")[0])
    assert heal(store.path, load_config())
    healed = open_store()
    healed.commit(Batch(None, [*told, replace(told[7], id=memory_id("test", "the same text in another transcript"))]))
    assert texts(healed) == {one.text for one in told} - {told[7].text}


def test_tombstones_off_the_damaged_pages_are_all_salvaged(store: MemoryStore) -> None:
    told = [memory_id("test", f"forgotten {number}") for number in range(3000)]
    with store.database.write() as connection:
        tombstones.add_tombstones(connection, told)
        tombstones.add_tombstones(connection, (f"text:{one}" for one in told[:500]))
    store.close()
    pages = leaves(store.path, "tombstones")
    assert len(pages) > 20
    per_page = 3500 / len(pages)
    damage(store.path, pages[3], pages[9], pages[-2])
    damaged = salvage.DamagedDatabase(store.path)
    try:
        found = damaged.forgotten()
    finally:
        damaged.close()
    assert set(found) < {*told, *(f"text:{one}" for one in told[:500])}
    assert len(found) == len(set(found)) >= 3500 - 3 * 2 * per_page


def test_two_files_damaged_in_the_same_second_are_both_kept(
    store: MemoryStore, open_store: Callable[[], MemoryStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    create(store.database, "hourly", BackupDirectory(store.path), retention_days=7)
    monkeypatch.setattr(rollback, "now_ms", lambda: 1_780_000_000_500)
    kept = []
    for number in (1, 2, 3):
        damaged = f"damage number {number}".encode().ljust(200)
        store.close()
        with store.path.open("r+b") as file:
            file.write(damaged)
        healing = heal(store.path, load_config())
        assert healing
        kept.append(Path(healing.aside))
        assert [path.read_bytes()[:200].rstrip()[-1:] for path in kept] == [b"1", b"2", b"3"][:number]
        store = open_store()
    assert [path.name.removeprefix(store.path.name) for path in kept] == [
        ".damaged-20260528T202640Z",
        ".damaged-20260528T202640Z-2",
        ".damaged-20260528T202640Z-3",
    ]


def test_a_file_that_was_set_aside_is_never_overwritten(store: MemoryStore) -> None:
    """Whatever named it: the swap itself refuses."""
    told = texts(store)
    store.close()
    aside = store.path.with_name("aside")
    aside.write_bytes(b"of an earlier day")
    swap.incoming(store.path).write_bytes(b"new")
    before = store.path.read_bytes()
    with pytest.raises(FileExistsError):
        swap.put_in_place(store.path, aside)
    assert (aside.read_bytes(), store.path.read_bytes()) == (b"of an earlier day", before)
    swap.incoming(store.path).unlink()
    with MemoryStore(store.path) as again:
        assert texts(again) == told
