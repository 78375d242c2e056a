"""The vector file: what it holds is what the database holds, whatever happened to either."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memento.config import load_config
from memento.memory import NewMemory
from memento.search.index.faiss_backend import FaissFlat
from memento.search.index.header import BLOCK, NAME, VectorFileUnusable, read_header
from memento.search.index.rows import MemoryRows
from memento.search.index.vector_file import VectorFile, locked
from memento.search.store_index import WITNESSES, vector_folder
from memento.storage import vectors
from memento.storage.database import DeadlineExceeded
from memento.storage.vectors import PendingText
from memento.store import MemoryStore

RowMaker = Callable[..., NewMemory]
MODEL, DIMENSIONS = "fake@1", 8


def damage(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 0x40
    path.write_bytes(raw)


def test_an_empty_store_makes_no_file(made: Any) -> None:
    assert len(made.check(made.open())) == 0
    assert not made.folder.exists()


def test_rows_are_appended_replaced_and_deleted(made: Any) -> None:
    writer, reader = made.open(), made.open()
    made.add("a", "b", "c", passages=2)
    made.check(writer)
    epoch = made.header.epoch
    made.check(reader)
    made.add("b", passages=3)
    made.add(*map(str, range(50)))
    made.check(reader)
    made.check(writer)
    made.delete("a", "7")
    assert made.check(writer).dead == 2 + 2 + 1
    made.check(reader)
    made.check(made.open())
    header = made.header
    assert header.epoch == epoch
    assert header.rows == 6 + 3 + 50
    file = VectorFile.open(made.folder, header.store, MODEL, DIMENSIONS)
    assert file.damaged_blocks() == 0
    rows = np.asarray(file.vectors).reshape(-1, DIMENSIONS)
    assert not rows[np.asarray(file.nums) < 0].any(), "what was deleted is not there any more"


def test_files_are_private(made: Any) -> None:
    os.umask(os.umask(0))
    made.add("a")
    made.open().current(MODEL, DIMENSIONS)
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.folder.iterdir()} == {0o600}


def test_opening_does_not_read_the_database_again(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made.add(*map(str, range(100)))
    made.check(made.open())
    read: list[int] = []
    since = vectors.written_since

    def watched(connection: Any, model: str, seq: int) -> Any:
        read.append(seq)
        return since(connection, model, seq)

    monkeypatch.setattr(vectors, "written_since", watched)
    assert len(made.open().current(MODEL, DIMENSIONS)) == 100
    assert read == []
    made.add("new")
    assert len(made.open().current(MODEL, DIMENSIONS)) == 101
    assert read == [100]


def _shorter(store: Any) -> None:
    path = store.header.vectors_path(store.folder)
    path.write_bytes(path.read_bytes()[:-1])


DAMAGES: dict[str, Callable[[Any], object]] = {
    "no folder": lambda store: shutil.rmtree(store.folder),
    "no header": lambda store: (store.folder / NAME).unlink(),
    "empty header": lambda store: (store.folder / NAME).write_bytes(b""),
    "header: first bit": lambda store: damage(store.folder / NAME, 0),
    "header: in the middle": lambda store: damage(store.folder / NAME, 60),
    "header: checksum": lambda store: damage(store.folder / NAME, -3),
    "no vectors": lambda store: store.header.vectors_path(store.folder).unlink(),
    "vectors too short": _shorter,
    "vectors: the newest": lambda store: damage(store.header.vectors_path(store.folder), -1),
    "no numbers": lambda store: store.header.nums_path(store.folder).unlink(),
    "numbers too short": lambda store: store.header.nums_path(store.folder).write_bytes(b"1234567"),
    "numbers: one bit": lambda store: damage(store.header.nums_path(store.folder), 17),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_damaged_is_made_again(made: Any, name: str) -> None:
    made.add(*map(str, range(60)), passages=2)
    made.check(made.open())
    epoch = made.header.epoch
    DAMAGES[name](made)
    made.check(made.open())
    assert made.header.epoch != epoch
    assert len(list(made.folder.glob("*.f32"))) == 1


def test_damage_among_old_vectors_is_found_by_reading_all(made: Any) -> None:
    made.add(*map(str, range(BLOCK + 100)))
    index = made.open()
    made.check(index)
    damage(made.header.vectors_path(made.folder), 10)
    file = VectorFile.open(made.folder, made.header.store, MODEL, DIMENSIONS)
    assert file.damaged_blocks() == 1
    index.rebuild(MODEL, DIMENSIONS)
    made.check(index)
    assert VectorFile.open(made.folder, made.header.store, MODEL, DIMENSIONS).damaged_blocks() == 0


def test_a_recall_notices_a_vector_that_is_no_unit_vector(store: MemoryStore) -> None:
    texts = [f"note {number} of the blue book" for number in range(WITNESSES + 10)]
    for text in texts:
        store.remember(text, embed=False)
    store.embed_pending()
    wanted = store.recall(texts[20], k=3).results
    folder = vector_folder(store.path)
    before = read_header(folder)
    raw = bytearray(before.vectors_path(folder).read_bytes())
    for number in range(64):
        raw[number * 4 + 3] |= 0x7C  # the first memory's exponents
    before.vectors_path(folder).write_bytes(raw)
    with MemoryStore(store.path, embedder=store._semantic._models._given) as again:
        found = again.recall(texts[20], k=3).results
        assert [one.dense for one in found] == pytest.approx([one.dense for one in wanted])
        assert read_header(folder).epoch != before.epoch


def test_another_backend_is_taken_up_at_once(store: MemoryStore) -> None:
    pytest.importorskip("faiss")
    store.remember("green tea")
    assert store.recall("green tea", k=1)[0].dense == pytest.approx(1)
    store.take_up(load_config({"recall.index": "faiss"}))
    assert store.index_status().backend == "faiss"
    assert store.recall("tea that is green", k=1)[0].dense is not None
    assert isinstance(store._semantic._index.current("words@1", 64).accelerator, FaissFlat)


def test_another_model_or_store_gets_its_own_file(made: Any, tmp_path: Path, row: RowMaker) -> None:
    made.add("a", "b")
    index = made.open()
    made.check(index)
    with made.database.write() as connection:
        stored = [PendingText(*one) for one in connection.execute("SELECT num, text FROM memories")]
        vectors.write(connection, "other@2", [(one, made.random(1).tobytes()) for one in stored])
    assert len(made.check(index, "other@2")) == 2
    assert made.header.model == "other@2"
    assert len(made.check(index)) == 0
    foreign = type(made)(tmp_path / "foreign.db", row)
    foreign.add("c", "d")
    foreign.check(foreign.open())
    shutil.rmtree(made.folder)
    shutil.copytree(foreign.folder, made.folder)
    made.check(made.open(), "other@2")
    foreign.database.close()


def test_a_restored_backup_does_not_meet_the_file_of_its_future(made: Any, row: RowMaker) -> None:
    path = made.database.path
    made.add(*map(str, range(100)))
    made.check(made.open())
    made.database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    backup = path.read_bytes()
    made.add(*(f"lost {n}" for n in range(100)))
    made.check(made.open())
    for rows_after in (0, 60, 150):
        made.database.close()
        path.write_bytes(backup)
        made = type(made)(path, row)
        made.add(*(f"after {n}" for n in range(rows_after)))
        made.check(made.open())
    made.database.close()


def test_a_number_that_is_used_again_means_the_new_memory(made: Any) -> None:
    made.add("a", "b")
    reader = made.open()
    made.check(reader)
    made.delete("b")
    made.add("c")
    made.check(reader)
    made.check(made.open())


def test_many_dead_rows_are_left_behind(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memento.search.store_index.COMPACT_DEAD", 10)
    index, reader = made.open(), made.open()
    made.add(*map(str, range(40)))
    made.check(index)
    made.check(reader)
    made.delete(*map(str, range(15)))
    assert made.check(index).dead == 0
    assert made.header.rows == 25
    made.check(reader)


def test_a_passed_deadline_keeps_what_was_written(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memento.search.store_index.BATCH", 10)
    made.add(*map(str, range(3_000)))
    append = VectorFile.append

    def slow(self: VectorFile, *arrays: Any) -> None:
        append(self, *arrays)
        time.sleep(0.002)

    monkeypatch.setattr(VectorFile, "append", slow)
    index, tries = made.open(), 0
    while True:
        try:
            index.current(MODEL, DIMENSIONS, time.monotonic() + 0.2)
        except DeadlineExceeded:
            tries += 1
            assert 0 < made.header.rows < 3_000
        else:
            break
    assert 1 <= tries < 10
    made.check(index)


def test_without_the_lock_or_the_right_to_write_it_answers_from_memory(made: Any, tmp_path: Path) -> None:
    made.add("a", "b")
    index = made.open()
    with locked(made.folder, 1):
        assert isinstance(made.check(index).rows, MemoryRows)
        made.add("c")
        made.check(index)
    index._retry_at = 0
    made.add("d")
    assert isinstance(made.check(index).rows, VectorFile)
    shutil.rmtree(made.folder)
    made.folder.write_text("in the way")
    assert isinstance(made.check(made.open()).rows, MemoryRows)


def test_a_full_disk_costs_the_file_and_not_the_answer(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made.add("a", "b")
    index = made.open()
    made.check(index)
    made.add("c")

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        made.check(index)
        made.check(made.open())
    made.check(made.open())


def test_whoever_forgets_takes_the_files_away_under_a_search(made: Any) -> None:
    made.add("a", "b")
    index = made.open()
    for more in ("c", "d"):
        found = index.current(MODEL, DIMENSIONS)
        shutil.rmtree(made.folder)
        assert len(found.search(made.random(1).tobytes(), 5)) == len(found)
        made.add(more)
    made.check(index)


def test_a_rebuild_waits_for_a_writer(made: Any) -> None:
    made.add("a", "b")
    index = made.open()
    made.check(index)
    holding = threading.Event()

    def write() -> None:
        with locked(made.folder, 1):
            holding.set()
            time.sleep(0.4)  # longer than a query waits

    writer = threading.Thread(target=write)
    writer.start()
    holding.wait()
    epoch = made.header.epoch
    index.rebuild(MODEL, DIMENSIONS)
    writer.join()
    assert made.header.epoch != epoch
    made.check(index)


WRITER = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import conftest as t
from memento.base.identity import memory_id
from memento.memory import NewMemory
def row(key, text):
    return NewMemory(memory_id("test", key), text, 1_750_000_000_000, "test")
store = t.EmbeddedStore(Path({path!r}), row)
index = store.open()
print("ready", flush=True)
for n in range({rounds}):
    store.add(f"{name} {{n}}", f"{name} {{n}} b", f"shared {{n % 7}}")
    if n % 5 == 4:
        store.delete(f"{name} {{n - 1}}")
    index.current("fake@1", 8)
store.database.close()
"""


def _writer(made: Any, name: str, rounds: int, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    code = WRITER.format(tests=str(Path(__file__).parent), path=str(made.database.path), name=name, rounds=rounds)
    environment = {**os.environ, **(environment or {})}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)


def test_processes_that_meet_agree(made: Any) -> None:
    writers = [_writer(made, name, 60) for name in ("one", "two")]
    index = made.open()
    while any(writer.poll() is None for writer in writers):
        index.current(MODEL, DIMENSIONS)
    assert [(writer.communicate(), writer.returncode)[1] for writer in writers] == [0, 0]
    made.check(index)
    made.check(made.open())
    assert made.header.rows > 200


def test_a_killed_writer_leaves_nothing_wrong(made: Any) -> None:
    for delay in np.linspace(0.02, 0.3, 6):
        writer = _writer(made, f"round {delay}", 10_000)
        assert writer.stdout
        writer.stdout.readline()
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        made.check(made.open())
    with pytest.raises(VectorFileUnusable):
        VectorFile.open(made.folder, "another", MODEL, DIMENSIONS)


@pytest.mark.parametrize("point", ["synced", "marked", "published", "synced:3", "marked:2", "published:3"])
def test_a_kill_at_every_step_leaves_nothing_wrong(made: Any, point: str) -> None:
    made.add(*(f"before {n}" for n in range(20)))
    made.check(made.open())
    writer = _writer(made, "killed", 100, {"MEMENTO_KILL_AT": f"vectors.{point}"})
    writer.communicate()
    assert writer.returncode == -signal.SIGKILL
    made.check(made.open())
    made.add("after", "before 3")
    made.check(made.open())
    assert VectorFile.open(made.folder, made.header.store, MODEL, DIMENSIONS).damaged_blocks() == 0
