"""A damaged store mends itself: rebuilt where that is enough, else restored, and nothing that still exists is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest

from memento.backup import BackupDirectory, create
from memento.config import load_config
from memento.errors import StoreCorrupt, StoreRestored
from memento.memory import NewMemory
from memento.restore.healing import heal
from memento.storage import snapshot
from memento.storage.capture import Batch
from memento.storage.sources import SourceState
from memento.store import MemoryStore

if TYPE_CHECKING:
    from memento.health.healings import Healing

Rows = Callable[[int, int], list[NewMemory]]
PAGE = 4096


def back_up(store: MemoryStore) -> None:
    create(store._database, "hourly", BackupDirectory(store.path), retention_days=7)


def texts(store: MemoryStore) -> set[str]:
    return {memory.text for memory in store.get_recent(10_000)}


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def closed(store: MemoryStore) -> Path:
    store.close()
    return store.path


def last(store: MemoryStore) -> Healing | None:
    from memento.health import healings as record

    with store._database.read() as connection:
        return record.read_last(connection)


def page_of(path: Path, table: str) -> int:
    """Return the byte offset of a leaf page of the table."""
    with snapshot.closing(apsw.Connection(str(path))) as connection:
        pages = connection.execute(
            "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'", (table,)
        ).fetchall()
    return (int(str(pages[len(pages) // 2][0])) - 1) * PAGE


def test_a_damaged_header_is_restored_when_the_store_opens(
    store: MemoryStore, open_store: Callable[[], MemoryStore]
) -> None:
    back_up(store)
    store.remember("Said after the backup.", embed=False)
    wanted = texts(store)
    overwrite(closed(store), 0, b"\0" * 200)
    healed = open_store()
    assert texts(healed) == wanted
    found = last(healed)
    assert found
    assert found.replayed == 1
    assert "Said after" not in Path(found.aside).read_text("latin-1")[:200]
    assert Path(found.aside).stat().st_size > 0


def test_rows_are_taken_over_from_the_damaged_file(
    store: MemoryStore, rows: Rows, open_store: Callable[[], MemoryStore]
) -> None:
    back_up(store)
    store.commit(Batch(None, rows(200, 300)))
    wanted = texts(store)
    path = closed(store)
    overwrite(path, page_of(path, "memories"), b"\xff" * PAGE)
    healing = heal(path, load_config())
    assert healing
    assert healing.unreadable > 0
    left = texts(open_store())
    assert len(wanted - left) <= healing.unreadable
    assert {memory.text for memory in rows(0, 200)} <= left


@pytest.mark.parametrize("table", ["memories_fts_data", "memory_tags", "memories_time"])
def test_what_is_derived_is_rebuilt(store: MemoryStore, table: str, open_store: Callable[[], MemoryStore]) -> None:
    back_up(store)
    with store._database.write() as connection:
        if table == "memory_tags":
            connection.execute("DELETE FROM memory_tags WHERE num % 3 = 0")
        elif table == "memories_fts_data":
            connection.execute("DELETE FROM memories_fts_docsize WHERE id = 5")
        else:  # an index that says something else than its table
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute(
                "UPDATE sqlite_schema SET sql = replace(sql, 'timestamp)', 'ingested_at)') WHERE name = 'memories_time'"
            )
    wanted = texts(store)
    healing = heal(closed(store), load_config())
    assert healing
    assert table == "memories_time" or not healing.aside, healing
    again = open_store()
    assert texts(again) == wanted
    assert heal(again.path, load_config()) is None
    assert len(again.recall("rule 77 pier", 3)) == 3


def test_damaged_embeddings_are_made_again(store: MemoryStore) -> None:
    with store._database.write() as connection:
        connection.execute("UPDATE memories SET embedding = zeroblob(64) WHERE num IN (3, 9)")
    healing = heal(store.path, load_config())
    assert healing
    assert not healing.aside
    assert store.pending() == 2
    assert store.embed_pending() == 2
    assert heal(store.path, load_config()) is None


def test_a_flipped_bit_in_a_row_is_found_and_undone(store: MemoryStore, open_store: Callable[[], MemoryStore]) -> None:
    back_up(store)
    path = closed(store)
    content = path.read_bytes()
    where = content.index(b"moor at pier 123")
    overwrite(path, where, b"moor at pier 124")
    healing = heal(path, load_config())
    assert healing
    assert "1 row is not what was written" in healing.why
    assert "Rule number 123 of the harbour: moor at pier 123." in texts(open_store())


def test_without_a_backup_it_is_told_and_left_alone(store: MemoryStore, open_store: Callable[[], MemoryStore]) -> None:
    overwrite(closed(store), 0, b"\0" * 200)
    before = store.path.read_bytes()
    with pytest.raises(StoreCorrupt, match="is damaged"):
        open_store()
    assert store.path.read_bytes() == before


def test_a_store_that_was_emptied_is_restored(store: MemoryStore, open_store: Callable[[], MemoryStore]) -> None:
    back_up(store)
    wanted = texts(store)
    os.truncate(closed(store), 0)
    assert texts(open_store()) == wanted


def test_a_damaged_backup_is_passed_over(store: MemoryStore, rows: Rows, open_store: Callable[[], MemoryStore]) -> None:
    back_up(store)
    store.commit(Batch(None, rows(200, 10)))
    back_up(store)
    newest = BackupDirectory(store.path).all()[0].path
    newest.write_bytes(newest.read_bytes()[:-50])
    overwrite(closed(store), 0, b"\0" * 200)
    assert {memory.text for memory in rows(0, 200)} <= texts(open_store())


def test_stale_logs_are_not_replayed_into_the_restored_file(
    store: MemoryStore, open_store: Callable[[], MemoryStore]
) -> None:
    back_up(store)
    wanted = texts(store)
    path = closed(store)
    for suffix in ("-wal", "-shm", "-journal"):
        Path(f"{path}{suffix}").write_bytes(os.urandom(3 * PAGE))
    overwrite(path, 0, b"\0" * PAGE)
    assert texts(open_store()) == wanted


def test_damage_met_while_reading_heals_the_store_that_is_open(store: MemoryStore, rows: Rows) -> None:
    back_up(store)
    state = SourceState("a transcript", "test", offset=10)
    store.commit(Batch(state, rows(200, 5)))
    store._database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    overwrite(store.path, page_of(store.path, "memories"), b"\xff" * PAGE)
    store._database.connection.execute("PRAGMA shrink_memory; PRAGMA cache_size = 0")
    with pytest.raises(StoreRestored, match="Repeat what was interrupted"):
        store.get_recent(10_000)
    assert {memory.text for memory in rows(0, 200)} <= texts(store)
    assert store.source("a transcript") is None, "the offset went back with the rows"
    with pytest.raises(StoreRestored, match="read again"):
        store.commit(Batch(state, rows(300, 1)))
    assert store.take_up_restored()
    store.commit(Batch(state, rows(300, 1)))
    assert len(store.recall("rule 77 pier", 3)) == 3


OTHER = """
import sys
from memento.store import MemoryStore
store = MemoryStore()
print(store.stats().memories, flush=True)
sys.stdin.readline()
store.remember("Written by the other process.", embed=False)
print(store.stats().memories, flush=True)
store.close()
"""


def test_another_process_goes_on_in_the_restored_file(
    store: MemoryStore, open_store: Callable[[], MemoryStore]
) -> None:
    back_up(store)
    other = subprocess.Popen([sys.executable, "-c", OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdin
    assert other.stdout
    assert other.stdout.readline() == "200\n"
    with store._database.write() as connection:
        connection.execute("UPDATE memories SET importance = 0.123 WHERE num = 7")
    assert heal(store.path, load_config())
    before = open_store()
    before.remember("Written after the restore.", embed=False)
    out, _ = other.communicate("go\n", timeout=60)
    assert out == "202\n"
    assert {"Written by the other process.", "Written after the restore."} < texts(store)
    assert texts(store) == texts(before)


def test_two_that_find_the_damage_restore_once(store: MemoryStore) -> None:
    back_up(store)
    overwrite(closed(store), 0, b"\0" * 200)
    results: list[Healing | None] = []
    threads = [threading.Thread(target=lambda: results.append(heal(store.path, load_config()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result is None for result in sorted(results, key=lambda one: one is None)] == [False, True, True]
    assert len(list(store.path.parent.glob("*.damaged-*"))) == 1


HEAL = """
from memento.store import MemoryStore
MemoryStore().close()
"""


@pytest.mark.parametrize(
    "point",
    [
        "rollback.prepared",
        "swap.begun",
        "publish.synced",
        "publish.renamed",
        "swap.aside",
        "swap.cleared",
        "swap.placed",
        "rollback.swapped",
    ],
)
def test_killed_while_restoring(store: MemoryStore, point: str, open_store: Callable[[], MemoryStore]) -> None:
    back_up(store)
    store.remember("Said after the backup.", embed=False)
    wanted = texts(store)
    overwrite(closed(store), 0, b"\0" * 200)
    environment = {**os.environ, "MEMENTO_KILL_AT": point}
    done = subprocess.run([sys.executable, "-c", HEAL], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert texts(open_store()) == wanted
    assert heal(store.path, load_config()) is None
    assert len(list(store.path.parent.glob("*.damaged-*Z"))) == 1
    assert not list(store.path.parent.glob("*.incoming*")) + list(store.path.parent.glob("*.swap"))


def test_a_text_that_is_no_text_any_more(store: MemoryStore, open_store: Callable[[], MemoryStore]) -> None:
    back_up(store)
    wanted = texts(store)
    path = closed(store)
    overwrite(path, path.read_bytes().index(b"Rule number 55 of"), b"\xf0\x28\x8c\x28\xff\xfe")
    damaged = open_store()
    with pytest.raises(StoreRestored):
        damaged.get_recent(10_000)
    assert texts(damaged) == wanted


def test_a_file_that_lost_its_tail(store: MemoryStore, open_store: Callable[[], MemoryStore]) -> None:
    back_up(store)
    wanted = texts(store)
    path = closed(store)
    os.truncate(path, path.stat().st_size // 2 // PAGE * PAGE + 100)
    assert heal(path, load_config())
    assert texts(open_store()) == wanted


def test_what_overflows_a_page_of_another_table(store: MemoryStore, open_store: Callable[[], MemoryStore]) -> None:
    back_up(store)
    state = {str(number): "x" * 100 for number in range(1_000)}
    store.commit(Batch(SourceState("a transcript", "test", offset=10, state=state)))
    path = closed(store)
    os.truncate(path, path.stat().st_size - 700)
    assert heal(path, load_config())
    assert len(texts(open_store())) == 200


@pytest.mark.parametrize("found_by", ["heal", "reading"])
def test_a_page_of_zeros_in_the_state_of_a_source(
    store: MemoryStore, open_store: Callable[[], MemoryStore], found_by: str
) -> None:
    back_up(store)
    state = {str(number): "x" * 100 for number in range(1_000)}
    store.commit(Batch(SourceState("a transcript", "test", offset=10, state=state)))
    path = closed(store)
    overwrite(path, path.stat().st_size - PAGE, bytes(PAGE))  # the last it overflows to: SQLite sees nothing
    if found_by == "heal":
        assert heal(path, load_config())
    damaged = open_store()
    if found_by == "reading":
        with pytest.raises(StoreRestored):
            damaged.source("a transcript")
    assert damaged.source("a transcript") is None
    assert len(texts(damaged)) == 200


def test_opening_while_another_process_restores(
    store: MemoryStore, open_store: Callable[[], MemoryStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damage is met; by the time this process may heal, the other one has."""
    import memento.restore.opener as opening

    back_up(store)
    known, path, config = texts(store), closed(store), store.config
    overwrite(path, 0, b"\0" * 100)

    def late(path: Path, _config: object) -> str:
        assert heal(path, config) is not None
        return ""  # as where another process had healed it

    monkeypatch.setattr(opening, "_heal", late)
    assert texts(open_store()) == known
