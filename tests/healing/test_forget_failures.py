"""Whatever fails while something is forgotten: no backup is lost, what is left is said, and it can be ended."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from memento.backup import BackupDirectory, create, prove
from memento.backup.archive import read_database
from memento.errors import BackupDamaged
from memento.forgetting.erasure import finish, forget, is_unfinished
from memento.forgetting.selection import select
from memento.memory import NewMemory
from memento.store import MemoryStore

Rows = Callable[[int, int], list[NewMemory]]
MEMENTO = Path(sys.executable).with_name("memento")
SECRET = "The quartermaster keeps the second ledger behind the loose plank of the third cabin."
PIECE = b"loose plank of the third"


def back_up(store: MemoryStore, kind: str = "hourly") -> None:
    create(store.database, kind, BackupDirectory(store.path), retention_days=7)


def sound(store: MemoryStore) -> int:
    """Return how many backups there are; each must be sound."""
    backups = BackupDirectory(store.path).all()
    for backup in backups:
        prove(backup, store.path.with_name("scratch"))
    return len(backups)


def held(path: Path) -> list[str]:
    """Return the files of a store in which a piece of the secret is found."""
    found = [one.name for one in path.parent.rglob("*") if one.is_file() and PIECE in one.read_bytes()]
    return found + [one.name for one in BackupDirectory(path).all() if PIECE in b"".join(read_database(one.path))]


def test_backups_of_a_tagged_memory_are_rewritten(store: MemoryStore) -> None:
    kept = store.remember(SECRET, tags=["cabin", "ledger"])
    back_up(store)
    back_up(store, "manual")
    receipt = forget(store, select(store, [kept]))
    assert receipt.backups == "2 of 2 held something and were rewritten without it"
    assert (receipt.left, sound(store)) == ([], 2)
    store.close()
    assert held(store.path) == []


def test_a_backup_that_cannot_be_rewritten_is_kept_and_named(store: MemoryStore) -> None:
    kept = store.remember(SECRET, tags=["cabin"])
    for _ in range(3):
        back_up(store)
    sound_one, damaged, headless = (backup.path for backup in BackupDirectory(store.path).all())
    content = bytearray(damaged.read_bytes())
    content[-20] ^= 0xFF
    damaged.write_bytes(content)
    headless.write_bytes(b"age-encryption.org/v1\n" + os.urandom(500))
    foreign = BackupDirectory(store.path).folder / "notes of mine.txt"
    foreign.write_text(f"Not to be changed: {SECRET}")
    before = {path: path.read_bytes() for path in (damaged, headless, foreign)}
    receipt = forget(store, select(store, [kept]))
    assert receipt.backups == "1 of 3 held something and were rewritten without it; 2 are kept as they were"
    assert {path: path.read_bytes() for path in before} == before
    for path in before:
        assert any(place.startswith(f"{path}: ") for place in receipt.left), path
    assert not any(str(sound_one) in place for place in receipt.left)
    assert not any(re.search(r"\b[Dd]elete\b", place) for place in receipt.left if place.startswith(f"{store.path}: "))
    assert is_unfinished(store)
    for path in before:
        path.unlink()
    assert finish(store).left == []
    assert not is_unfinished(store)


def test_a_folder_that_cannot_be_written_keeps_its_backups(store: MemoryStore) -> None:
    kept = store.remember(SECRET)
    back_up(store)
    lock = BackupDirectory(store.path).folder / ".lock"
    lock.unlink()
    lock.mkdir()
    receipt = forget(store, select(store, [kept]))
    assert "all are kept" in receipt.backups
    assert any(str(BackupDirectory(store.path).all()[0].path) in place for place in receipt.left)
    lock.rmdir()
    assert finish(store).left == []
    store.close()
    assert held(store.path) == []


@pytest.mark.parametrize(
    "kind", [OSError(28, "No space left on device"), BackupDamaged("broken"), apsw.FullError("full")]
)
def test_no_failure_of_a_scrub_removes_a_backup(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch, kind: Exception
) -> None:
    kept = store.remember(SECRET, tags=["cabin"])
    back_up(store)
    (backup,) = BackupDirectory(store.path).all()
    content = backup.path.read_bytes()

    def fails(*_: Any) -> None:
        raise kind

    with monkeypatch.context() as patch:
        patch.setattr("memento.backup.erasure.compress", fails)
        receipt = forget(store, select(store, [kept]))
    assert len(receipt.left) == 1
    assert backup.path.read_bytes() == content
    assert finish(store).left == []
    assert sound(store) == 1


def cli(home: Path, *arguments: str, kill_at: str = "", limit: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command that is killed at a point, or may write no byte beyond a position of a file."""

    def before() -> None:
        if limit:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    environment = {**os.environ, "MEMENTO_HOME": str(home), **({"MEMENTO_KILL_AT": kill_at} if kill_at else {})}
    command = [str(MEMENTO), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, preexec_fn=before, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def planted(store: MemoryStore, home: Path) -> tuple[Path, str]:
    """A store with two backups of a tagged memory; its home and the memory's id."""
    kept = store.remember(SECRET, tags=["cabin"])
    back_up(store)
    back_up(store, "manual")
    store.close()
    return home, kept


@pytest.mark.parametrize(
    "point",
    ["journal.written", "commit.after", "scrub.checked", "scrub.packed", "publish.synced:1", "publish.renamed:2"],
)
def test_a_kill_anywhere_loses_no_backup_and_can_be_ended(planted: tuple[Path, str], point: str) -> None:
    home, kept = planted
    killed = cli(home, "forget", kept, "--yes", kill_at=point)
    assert killed.returncode == -signal.SIGKILL
    with MemoryStore() as store:
        assert sound(store) == 2
        begun = store.get(kept) is None
    ended = cli(home, "forget", "--finish") if begun else cli(home, "forget", kept, "--yes")
    assert ended.returncode == 0, ended.stderr
    with MemoryStore() as store:
        assert sound(store) == 2
        assert not is_unfinished(store)
    assert held(home / "memory.db") == []


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 1.0, 1.5])
def test_a_full_disk_is_said_in_words_and_can_be_ended(planted: tuple[Path, str], share: float) -> None:
    home, kept = planted
    database = home / "memory.db"
    done = cli(home, "forget", kept, "--yes", "--json", limit=int(database.stat().st_size * share))
    with MemoryStore() as store:
        assert sound(store) == 2
        begun = store.get(kept) is None
    assert done.returncode in ((0, 1, 4) if begun else (1,)), done  # 1: the journal had it, and was replayed
    if done.returncode != 1:
        left = json.loads(done.stdout)["left"]
        assert bool(left) == (done.returncode == 4)
        assert not any(re.search(r"\b[Dd]elete\b", place) for place in left if place.startswith(f"{database}: "))
    ended = cli(home, "forget", "--finish") if begun else cli(home, "forget", kept, "--yes")
    assert ended.returncode == 0, ended.stderr
    assert held(database) == []


WRITER = """
import sys
from memento.memory import NewMemory
from memento.storage.capture import Batch
from memento.store import MemoryStore
name, number = int(sys.argv[1]), 0
with MemoryStore() as store:
    print("writes", flush=True)
    while True:
        store.remember(f"writer {name} keeps the number {number}", embed=False)
        rows = [NewMemory(f"{name:08x}{number:016x}{i:08x}", f"writer {name}, batch {number}, {i}", 0, "t")
                for i in range(20)]
        store.commit(Batch(None, rows))
        number += 1
"""


def test_busy_writers_hold_it_up_and_do_not_stop_it(planted: tuple[Path, str]) -> None:
    home, kept = planted
    environment = {**os.environ, "MEMENTO_HOME": str(home)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(number)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for number in range(8)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
        done = cli(home, "forget", kept, "--yes", "--json")
        assert all(writer.poll() is None for writer in writers)
    finally:
        for writer in writers:
            writer.terminate()
    said = [writer.communicate()[1].decode() for writer in writers]
    assert "locked" not in done.stderr + "".join(said)
    assert done.returncode in (0, 4), done.stderr
    left = json.loads(done.stdout)["left"]
    assert all("--finish" in place for place in left), left
    assert cli(home, "forget", "--finish").returncode == 0
    assert held(home / "memory.db") == []
    shutil.rmtree(home)
