"""Backups: what they hold, what a kill leaves, what is kept, and that a damaged one is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import apsw
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from memento.backup import BackupDirectory, create, prove, unpack
from memento.errors import BackupDamaged, StoreCorrupt, StoreError, UsageError
from memento.memory import NewMemory
from memento.restore.rollback import roll_back
from memento.storage import snapshot
from memento.storage.capture import Batch
from memento.store import MemoryStore

if TYPE_CHECKING:
    from memento.backup import Backup
    from memento.storage.database import Database

HOUR, DAY = 3_600_000, 86_400_000
START = 1_770_000_000_000

Rows = Callable[[int, int], list[NewMemory]]


def database(store: MemoryStore) -> Database:
    return store._database


def backed_up(store: MemoryStore, kind: str = "hourly", at: int = START, days: int = 7) -> Backup:
    return create(database(store), kind, BackupDirectory(store.path), retention_days=days, now=at)


def test_two_backups_of_one_millisecond_are_two(store: MemoryStore) -> None:
    first, second = (backed_up(store) for _ in range(2))
    assert first.path != second.path
    assert {first.path, second.path} == {backup.path for backup in BackupDirectory(store.path).all()}


def test_a_backup_holds_what_the_store_held(store: MemoryStore, tmp_path: Path, rows: Rows) -> None:
    backup = backed_up(store)
    with database(store).read() as connection:
        held = snapshot.read_contents(connection)
    store.commit(Batch(None, rows(200, 5)))
    unpack(backup, tmp_path / "restored.db")
    with snapshot.closing(snapshot.open_copy(tmp_path / "restored.db")) as connection:
        assert snapshot.read_contents(connection) == held
    assert (backup.manifest.content, backup.manifest.counts["memories"], backup.manifest.schema) == (
        held.hash,
        200,
        held.schema,
    )


def test_any_zstd_can_restore_it(store: MemoryStore) -> None:
    import zstandard

    backup = backed_up(store)
    with backup.path.open("rb") as file:
        content = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
    assert content.startswith(b"SQLite format 3\0")
    assert len(content) == backup.manifest.bytes


def test_files_are_private(store: MemoryStore) -> None:
    mask = os.umask(0)
    try:
        backup = backed_up(store)
    finally:
        os.umask(mask)
    modes = {path.name: path.stat().st_mode & 0o777 for path in backup.path.parent.iterdir()}
    assert modes == {backup.path.name: 0o600, ".lock": 0o600}
    assert backup.path.parent.stat().st_mode & 0o777 == 0o700


def test_backups_beside_a_writer_are_whole(store: MemoryStore, tmp_path: Path, rows: Rows) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 1_000
        while not stop.is_set():
            store.commit(Batch(None, rows(number, 3)))
            number += 3

    writer = threading.Thread(target=write)
    writer.start()
    try:
        backups = [backed_up(store, "manual", START + number) for number in range(5)]
    finally:
        stop.set()
        writer.join()
    for backup in backups:
        prove(backup, tmp_path / "scratch.db")
        assert (backup.manifest.counts["memories"] - 200) % 3 == 0


TAKE = """
import sys
from pathlib import Path
from memento.backup import BackupDirectory, create
from memento.storage.database import Database
database = Database(Path(sys.argv[1]))
create(database, "manual", BackupDirectory(database.path), retention_days=7)
"""


@pytest.mark.parametrize(
    "point", ["backup.copied", "backup.checked", "backup.compressing", "publish.synced", "publish.renamed"]
)
def test_a_kill_leaves_a_whole_backup_or_none(store: MemoryStore, point: str, tmp_path: Path) -> None:
    environment = {**os.environ, "MEMENTO_KILL_AT": point}
    done = subprocess.run([sys.executable, "-c", TAKE, store.path], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    directory = BackupDirectory(store.path)
    left = directory.all()
    assert len(left) == (point == "publish.renamed")
    for backup in left:
        prove(backup, tmp_path / "scratch.db")
    backed_up(store, "manual")
    assert {path.name for path in directory.folder.iterdir()} == {".lock", *(one.path.name for one in directory.all())}


def test_what_is_kept_over_thirty_days(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = BackupDirectory(store.path)
    template = backed_up(store, "manual").path.read_bytes()
    for path in directory.folder.glob("*.zst"):
        path.unlink()
    for hour in range(30 * 24):
        at = START + hour * HOUR
        _copy_at(template, directory, "hourly", at)
        if hour % 24 == 0:
            _copy_at(template, directory, "daily", at)
        directory.prune(7)
        dailies = [one for one in directory.all() if one.manifest.kind == "daily"]
        assert min(7, hour // 24 + 1) <= len(dailies) <= 8
    kinds = [one.manifest.kind for one in directory.all()]
    assert kinds.count("hourly") == 6


@pytest.fixture
def template(store: MemoryStore, tmp_path: Path) -> bytes:
    """The bytes of a backup."""
    return create(
        database(store), "manual", BackupDirectory(store.path, tmp_path / "template"), retention_days=7
    ).path.read_bytes()


def _copy_at(template: bytes, directory: BackupDirectory, kind: str, at: int, sequence: int = 0) -> Path:
    """Write a backup as if it had been taken then: the content is the template's."""
    import msgspec

    from memento.backup import archive

    length = archive._HEADER.unpack(template[:8])[1]
    manifest = msgspec.json.decode(template[8 : 8 + length], type=archive.Manifest)
    changed = msgspec.structs.replace(manifest, kind=kind, at=at, sequence=sequence, database=directory.database.name)
    head, path = msgspec.json.encode(changed), directory.new_path(kind, at)
    path.write_bytes(archive._HEADER.pack(archive._MAGIC, len(head)) + head + template[8 + length :])
    return path


def test_the_last_good_backup_is_never_removed(store: MemoryStore) -> None:
    directory = BackupDirectory(store.path)
    good = backed_up(store, "daily", START)
    bad = backed_up(store, "daily", START + 9 * DAY, days=100)
    bad.path.write_bytes(bad.path.read_bytes()[:-200])
    directory.prune(0)
    assert good.path.exists()
    newest = [backed_up(store, "daily", START + day * DAY, days=2).path for day in (101, 110)]
    assert [one.path for one in directory.all()] == newest[::-1]


def test_what_was_taken_by_hand_stays(store: MemoryStore) -> None:
    taken = backed_up(store, "manual", START)
    for day in (100, 200, 300):
        backed_up(store, "daily", START + day * DAY)
    assert taken.path.exists()


def test_a_clock_set_to_next_year_makes_no_backup_old(store: MemoryStore) -> None:
    days = [backed_up(store, "daily", START + day * DAY).path for day in range(3)]
    days.append(backed_up(store, "migration", START + 3 * DAY).path)
    for hour in range(24):
        backed_up(store, "hourly", START + 400 * DAY + hour * HOUR)
    backed_up(store, "daily", START + 400 * DAY)
    backed_up(store, "daily", START + 401 * DAY)
    assert all(path.exists() for path in days)


@pytest.mark.parametrize("wrong", [-400 * DAY, 400 * DAY, -START])
def test_the_latest_is_the_one_taken_last(store: MemoryStore, wrong: int, rows: Rows, tmp_path: Path) -> None:
    """One backup is taken while the clock is wrong, before and after that it is right."""
    taken = []
    for number, at in enumerate((START, START + HOUR, START + wrong, START + 2 * HOUR)):
        store.commit(Batch(None, rows(1_000 + number, 1)))
        taken.append(backed_up(store, "hourly", at).path)
        assert BackupDirectory(store.path).all()[0].path == taken[-1]
    assert [one.path for one in BackupDirectory(store.path).all()] == taken[::-1]
    done = roll_back(store.path, "", BackupDirectory(store.path).all(), take_over=False)
    assert done.backup == taken[-1].name.removesuffix(".db.zst")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(("daily", "hourly", "migration")), st.integers(0, 2_000)), max_size=40))
def test_no_clock_makes_retention_remove_what_is_new(
    template: bytes, tmp_path: Path, taken: list[tuple[str, int]]
) -> None:
    """Whatever days the clock shows, in whatever order: the last seven of each kind that is counted are there."""
    with TemporaryDirectory(dir=tmp_path) as folder:
        directory = BackupDirectory(Path(folder) / "memory.db", Path(folder))
        days: list[tuple[int, Path]] = []
        others: list[tuple[int, Path]] = []
        for number, (kind, day) in enumerate(taken, 1):
            path = _copy_at(template, directory, kind, START + day * DAY, number)
            if kind == "daily":
                if days and days[-1][0] == day:
                    days.pop()  # a second one of a day takes the first one's place
                days.append((day, path))
            elif kind == "migration":
                others.append((len(days), path))
            directory.prune(7)
            assert path.exists()
            assert all(path.exists() for _, path in days[-7:])
            assert all(path.exists() for before, path in others if len(days) - before < 7)


def test_backups_of_a_version_that_did_not_count_come_before_all_others(template: bytes, store: MemoryStore) -> None:
    directory = BackupDirectory(store.path)
    directory.folder.mkdir(exist_ok=True)
    old = [_copy_at(template, directory, "manual", START + day * DAY) for day in (500, 400)]
    new = backed_up(store, "manual", START).path
    assert [one.path for one in directory.all()] == [new, *old]


@pytest.mark.parametrize("where", [0, 5, 100, -1, -300])
def test_damage_to_a_backup_is_told(store: MemoryStore, where: int, tmp_path: Path) -> None:
    backup = backed_up(store)
    content = bytearray(backup.path.read_bytes())
    content[where] ^= 0x10
    backup.path.write_bytes(content)
    with pytest.raises((BackupDamaged, UsageError)):
        prove(BackupDirectory(store.path).find(backup.name), tmp_path / "scratch.db")
    assert not (tmp_path / "scratch.db").exists()


def test_a_damaged_store_is_not_backed_up(store: MemoryStore) -> None:
    with database(store).write() as connection:
        connection.execute("UPDATE memories SET importance = 0.123 WHERE num = 7")
    with pytest.raises(StoreCorrupt, match="row 7 is not what was written"):
        backed_up(store)
    assert BackupDirectory(store.path).all() == []


def test_without_space_it_is_refused(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memento.backup.creation._SPARE", 10**18)
    with pytest.raises(StoreError, match=r"needs .* MB while it is made"):
        backed_up(store)


def test_the_log_is_part_of_the_copy(store: MemoryStore, tmp_path: Path) -> None:
    """A copy of the file alone would miss what only the write-ahead log holds."""
    backup = backed_up(store)
    unpack(backup, tmp_path / "restored.db")
    connection = apsw.Connection(str(tmp_path / "restored.db"))
    assert connection.execute("SELECT count(*) FROM memories").get == 200
    connection.close()
