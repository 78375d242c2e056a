"""The database file: what is refused and left alone, who may read it, and errors that name the remedy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest

from memento.errors import StoreBusy, StoreError, StoreTooNew
from memento.storage.database import Database, require_sqlite
from memento.storage.migrations import APPLICATION_ID, MIGRATIONS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def python(code: str, *arguments: object, umask: int = -1) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, umask=umask)


def finish(process: subprocess.Popen[str]) -> str:
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    return out


OPEN = "import sys\nfrom pathlib import Path\nfrom memento.storage.database import Database\npath = Path(sys.argv[1])\n"


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.7.0"])
def test_a_library_that_can_corrupt_the_file_is_refused(version: str) -> None:
    with pytest.raises(StoreError, match=rf"SQLite {version} .* needs 3\.51\.3 .*pip install --upgrade apsw"):
        require_sqlite(version)


@pytest.mark.parametrize("version", ["3.51.3", "3.52.0", "4.0"])
def test_a_sound_library_is_taken(version: str) -> None:
    require_sqlite(version)


def foreign(path: Path, *, application: int, version: int, wal: bool, hot: bool) -> None:
    """Make a database of another program; `hot` leaves rows in its WAL, as a crash does."""
    connection = apsw.Connection(str(path))
    if wal:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"CREATE TABLE t (x); PRAGMA application_id = {application}; PRAGMA user_version = {version}")
    if hot:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.execute("INSERT INTO t VALUES ('theirs')")
    connection.close()


@pytest.mark.parametrize(
    ("application", "version", "message"),
    [
        (
            APPLICATION_ID,
            len(MIGRATIONS) + 1,
            rf"has schema {len(MIGRATIONS) + 1}, this Memento knows {len(MIGRATIONS)}: upgrade memento-memory",
        ),
        (0, 0, "is a SQLite database of another program: name another file with --db or MEMORY_DB_PATH"),
        (0, 1, "of another program"),
        (0x1234, 1, "of another program"),
    ],
)
@pytest.mark.parametrize("journal", ["delete", "wal", "hot wal"])
def test_a_newer_or_foreign_file_is_refused_untouched(
    path: Path, application: int, version: int, message: str, journal: str
) -> None:
    foreign(path, application=application, version=version, wal=journal != "delete", hot=journal == "hot wal")
    path.chmod(0o644)
    wal = Path(f"{path}-wal")
    before = path.read_bytes(), wal.read_bytes() if journal == "hot wal" else b""
    with pytest.raises(StoreTooNew, match=message):
        Database(path)
    assert before == (path.read_bytes(), wal.read_bytes() if wal.exists() else b"")
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("content", [b"hello", b"# notes\n" * 500, os.urandom(8192)])
def test_a_file_that_is_no_database_is_refused_untouched(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreTooNew, match=r"store\.db is not a SQLite database: name another file .* move it aside"):
        Database(path)
    assert path.read_bytes() == content
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    database = Database(path)
    assert database.connection.pragma("application_id") == APPLICATION_ID
    database.close()


def test_a_folder_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="it is a folder"):
        Database(tmp_path)


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot open the store .*MEMORY_DB_PATH"):
        Database(tmp_path / "file" / "store.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_cannot_be_written_is_refused(path: Path, what: str) -> None:
    Database(path).close()
    target = path if what == "file" else path.parent
    target.chmod(0o400 if what == "file" else 0o500)
    try:
        with pytest.raises(StoreError, match="permissions"):
            Database(path)
    finally:
        target.chmod(0o700)


def test_nobody_else_can_read_the_store_under_umask_0(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "store.db"
    code = OPEN + (
        "database = Database(path)\n"
        "with database.write() as connection: connection.execute(\"INSERT INTO meta VALUES ('a', 'b')\")\n"
        "import json\n"
        "found = [path.parent.parent, *path.parent.parent.rglob('*')]\n"
        "print(json.dumps({file.name: oct(file.stat().st_mode & 0o777) for file in found}))\n"
    )
    assert json.loads(finish(python(code, path, umask=0))) == {
        "new": "0o700", "deep": "0o700", "store.db": "0o600", "store.db-wal": "0o600", "store.db-shm": "0o600",
        "store.db.swap.lock": "0o600",
    }  # fmt: skip


def test_a_store_that_was_open_to_others_is_closed_to_them(path: Path) -> None:
    Database(path).close()
    path.chmod(0o666)
    database = Database(path)
    with database.write() as connection:
        connection.execute("INSERT INTO meta VALUES ('a', 'b')")
    modes = {file.stat().st_mode & 0o777 for file in path.parent.glob("store.db*")}
    database.close()
    assert modes == {0o600}


def test_eight_processes_migrate_an_empty_file_at_once(path: Path) -> None:
    code = OPEN + (
        "sys.stdin.readline()\n"
        "database = Database(path)\n"
        "with database.write() as connection:\n"
        "    connection.execute('INSERT INTO meta VALUES (?, 1)', (sys.argv[2],))\n"
    )
    command = [sys.executable, "-c", code, str(path.parent / "made" / "store.db")]
    starters = [
        subprocess.Popen([*command, str(n)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for n in range(8)
    ]
    for starter in starters:
        assert starter.stdin
        starter.stdin.write("go\n")
        starter.stdin.flush()
    for starter in starters:
        _, error = starter.communicate(timeout=60)
        assert starter.returncode == 0, error
    database = Database(path.parent / "made" / "store.db")
    assert database.connection.execute("SELECT count(*) FROM meta WHERE key <> 'store'").get == 8
    database.close()


def test_a_closed_store_says_so(path: Path) -> None:
    database = Database(path)
    database.close()
    database.close()
    with pytest.raises(StoreError, match=r"is closed: open it again with MemoryStore\(path\)"), database.read():
        pass
    with pytest.raises(StoreError, match="is closed"), database.write():
        pass


def test_a_second_store_on_the_file_leaves_the_first_ones_locks(path: Path) -> None:
    """Else another process that closes the file could delete the WAL under two open stores."""
    first, second = Database(path), Database(path)
    take = (
        "import fcntl, sys\n"
        "with open(sys.argv[1], 'r+b') as file:\n"
        "    try: fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)  # SQLite's SHARED range\n"
        "    except OSError: print('held')\n"
        "    else: print('free')\n"
    )
    assert finish(python(take, path)) == "held\n"
    second.close()
    first.close()
    assert finish(python(take, path)) == "free\n"


def test_a_store_opened_before_a_fork_refuses_the_child(path: Path) -> None:
    code = OPEN + (
        "import os\n"
        "database = Database(path)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    try:\n"
        "        with database.write(): pass\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, error, flush=True)\n"
        "    database.close()\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "with database.write() as connection: connection.execute(\"INSERT INTO meta VALUES ('a', 'b')\")\n"
    )
    assert "StoreError" in (out := finish(python(code, path)))
    assert "before a fork" in out


def test_a_connection_goes_with_its_thread(path: Path) -> None:
    database = Database(path)
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("needs /proc")

    def use() -> None:
        with database.read() as connection:
            connection.execute("SELECT count(*) FROM memories").get  # noqa: B018

    def count() -> int:
        return sum(str(path) in str(entry.readlink()) for entry in descriptors.iterdir() if entry.exists())

    counts = []
    for _ in range(20):
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
        counts.append(count())
    assert max(counts[5:]) <= counts[0], counts
    database.close()


def test_closing_while_threads_read_and_write_raises_only_store_errors(path: Path) -> None:
    database = Database(path)
    unexpected: list[BaseException] = []
    started = threading.Barrier(5)

    def work(writes: bool) -> None:
        started.wait()
        try:
            while True:
                with database.write() if writes else database.read() as connection:
                    connection.execute("SELECT count(*) FROM memories, meta").get  # noqa: B018
        except StoreError:
            pass
        except BaseException as error:
            unexpected.append(error)

    threads = [threading.Thread(target=work, args=(number % 2 == 0,)) for number in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    threading.Event().wait(0.1)
    database.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert not unexpected


def test_a_full_disk_is_named_and_the_store_goes_on_afterwards(path: Path) -> None:
    database = Database(path)
    database.connection.execute("PRAGMA max_page_count = 60")
    with pytest.raises(StoreError, match=r"the disk is full\. Free some space"), database.write() as connection:
        connection.executemany("INSERT INTO meta VALUES (?, ?)", [(str(n), "x" * 1000) for n in range(1000)])
    database.connection.execute("PRAGMA max_page_count = 100000")
    with database.write(durable=True) as connection:
        assert connection.execute("SELECT count(*) FROM meta WHERE key <> 'store'").get == 0
        connection.execute("INSERT INTO meta VALUES ('after', '1')")
    database.close()


def test_a_commit_that_cannot_be_written_leaves_the_connection_usable(path: Path) -> None:
    code = OPEN + (
        "import resource\n"
        "from memento.errors import StoreError\n"
        "database = Database(path)\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "size = Path(sys.argv[1] + '-wal').stat().st_size\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4096, hard))\n"
        "try:\n"
        "    with database.write() as connection:\n"
        "        connection.execute(\"INSERT INTO meta VALUES ('big', ?)\", ('x' * 500_000,))\n"
        "except StoreError as error: print('refused', error)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
        "with database.write() as connection: connection.execute(\"INSERT INTO meta VALUES ('after', '1')\")\n"
        "print(connection.execute(\"SELECT key FROM meta WHERE key <> 'store'\").fetchall())\n"
    )
    out = finish(python(code, path))
    assert out.startswith("refused ")
    assert out.endswith("[('after',)]\n")


def test_a_lock_that_is_not_free_in_time_is_busy(path: Path) -> None:
    first, second = Database(path), Database(path)
    with first.write(), pytest.raises(StoreBusy, match="fuser"), second.write(within=0.05):
        pass
    with second.write(within=0.05):
        pass
    first.close()
    second.close()


def test_threads_take_turns_writing(path: Path) -> None:
    database = Database(path)
    with database.write():
        errors: list[BaseException] = []

        def write() -> None:
            try:
                with database.write(within=0.05):
                    pass
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert [type(error) for error in errors] == [StoreBusy]
    database.close()


def test_an_error_in_the_body_rolls_back(path: Path) -> None:
    database = Database(path)

    def fail(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO meta VALUES ('a', 'b')")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), database.write() as connection:
        fail(connection)
    with database.write() as connection:
        assert connection.execute("SELECT count(*) FROM meta WHERE key <> 'store'").get == 0
    database.close()
