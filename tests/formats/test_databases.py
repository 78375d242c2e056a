"""What holds for every database: it is only read, whatever state it is in, and nothing is missed or doubled."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from memento.config import Config, Settings
from memento.store import MemoryStore
from memento_ingest.batch_ingest import Ingestion, Options
from memento_ingest.formats import registry
from memento_ingest.formats.base import DatabaseFormat
from memento_ingest.formats.opencode.database import OpenCode
from memento_ingest.formats.registry import detect
from memento_ingest.formats.shared.database.sqlite import Database, wal_stamp
from memento_ingest.report import Report
from memento_ingest.span import SourceInfo
from memento_policies import load_policy

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

T0 = 1767225600000
SCHEMA = """
CREATE TABLE session(id text primary key, parent_id text, directory text, title text);
CREATE TABLE message(id text primary key, session_id text, time_created integer, time_updated integer, data text);
CREATE TABLE part(id text primary key, message_id text, session_id text, time_created integer, time_updated integer,
                  data text);
INSERT INTO session VALUES ('s', NULL, '/w', 'T');
INSERT INTO message VALUES ('m', 's', 1, 1, '{"role":"user"}');
"""
DATABASES = ["opencode", "cursor-ide", "goose", "openclaw-sqlite"]
SAMPLES = {
    "opencode/v1/opencode.db": ["hello", "done"],
    "opencode/v2/opencode.db": ["hello v2", "bash: ls", "done v2"],
    "cursor/state.vscdb": ["hi", "hello"],
    "goose/sessions.db": ["hi", "ok"],
    "openclaw/openclaw-agent.sqlite": ["hi"],
}
# Plainly worth keeping, so that the policy is not what a test depends on.
FACT = "We decided to use PostgreSQL {0} for the billing service because of its row locks; remember port {0}."


def create(path: Path, *, wal: bool = False) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    if wal:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute(SCHEMA)
    return connection


def add(connection: apsw.Connection, *numbers: int, more: str = "", at: int = T0) -> None:
    with connection:
        for number in numbers:
            data = json.dumps({"type": "text", "text": FACT.format(number) + more})
            connection.execute(
                "INSERT INTO part VALUES (?, 'm', 's', ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET data = excluded.data, time_updated = excluded.time_updated",
                (f"p{number:06}", at + number, at + number, data),
            )


def settle(path: Path) -> None:
    """Make the database's files look as if nothing had happened for a while."""
    for suffix in ("", "-wal"):
        file = Path(f"{path}{suffix}")
        if file.exists():
            stamp = file.stat().st_mtime_ns - 10**10
            os.utime(file, ns=(stamp, stamp))


class Store:
    """A store, and runs of ingestion into it."""

    def __init__(self, folder: Path) -> None:
        self.policy = load_policy()
        self.store = MemoryStore(folder / "memory.db", config=Config(Settings(), folder))

    def run(self, *paths: Path, format_: str = "auto", since: int | None = None) -> Report:
        report = Ingestion(self.policy, Options(format_, since), self.store).run([str(path) for path in paths])
        connection = apsw.Connection(str(self.store.path), flags=apsw.SQLITE_OPEN_READONLY)
        sql = "SELECT path, offset, (SELECT coalesce(sum(bytes), 0) FROM ledger WHERE source = num) FROM sources"
        for path, offset, accounted in connection.execute(sql):
            assert accounted == offset, path
        connection.close()
        return report

    def texts(self) -> list[str]:
        connection = apsw.Connection(str(self.store.path), flags=apsw.SQLITE_OPEN_READONLY)
        found = [str(text) for (text,) in connection.execute("SELECT text FROM memories ORDER BY timestamp, num")]
        connection.close()
        return found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    folder = tmp_path / "home"
    folder.mkdir()
    made = Store(folder)
    yield made
    made.store.close()


# Ingestion


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_ingested_once(reading: Reading, store: Store, tmp_path: Path, name: str) -> None:
    path = reading.copy(name, tmp_path)
    before = path.read_bytes()
    settle(path)
    first = store.run(path)
    assert (first.sources, first.seen, first.problems) == (1, len(SAMPLES[name]), [])
    again = store.run(path)
    assert (again.sources, again.unchanged, again.seen) == (0, 1, 0)
    assert path.read_bytes() == before


def test_a_database_in_a_folder_is_found(reading: Reading, store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "agents"
    folder.mkdir()
    for name in ("opencode/v1/opencode.db", "cursor/state.vscdb", "openclaw/openclaw-agent.sqlite"):
        reading.copy(name, folder)
    report = store.run(folder)
    assert (report.sources, report.seen, report.problems) == (3, 5, [])


def test_a_changed_database_gives_what_is_new_and_what_has_grown(store: Store, tmp_path: Path) -> None:
    connection = create(tmp_path / "opencode.db")
    add(connection, *range(30))
    assert store.run(tmp_path / "opencode.db").stored == 30
    add(connection, 3, more=" It is backed up nightly.", at=T0 + 10**6)
    add(connection, 30, at=T0 + 10**6)
    report = store.run(tmp_path / "opencode.db")
    assert (report.stored, report.extended) == (1, 1)
    texts = store.texts()
    assert len(texts) == 31
    assert FACT.format(3) + " It is backed up nightly." in texts
    assert FACT.format(3) not in texts


def test_a_change_in_the_log_alone_is_a_change(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    connection = create(path, wal=True)
    add(connection, 1)
    settle(path)
    assert store.run(path).stored == 1
    assert store.run(path).unchanged == 1
    status = path.stat()
    add(connection, 2)
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    report = store.run(path)
    assert (report.unchanged, report.stored) == (0, 1)


def test_a_database_just_written_is_looked_at_again(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    connection = create(path, wal=True)
    add(connection, 1)
    moment = time.time_ns() + 10**9
    os.utime(f"{path}-wal", ns=(moment, moment))
    assert [store.run(path).unchanged for _ in range(2)] == [0, 0]
    settle(path)
    assert [store.run(path).unchanged for _ in range(2)] == [0, 1]


def test_a_renamed_database_goes_on_where_it_was_left(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    connection = create(path)
    add(connection, *range(100))
    connection.close()
    store.run(path)
    renamed = path.rename(tmp_path / "opencode-dev.db")
    add(apsw.Connection(str(renamed)), 200, at=T0 + 10**6)
    report = store.run(renamed)
    assert report.stored == 1
    assert len(store.texts()) == 101


def test_a_database_put_in_anothers_place_is_read_from_its_start(store: Store, tmp_path: Path) -> None:
    path, other = tmp_path / "opencode.db", tmp_path / "other"
    connection = create(path)
    add(connection, *range(50))
    connection.close()
    store.run(path)
    connection = create(other)
    add(connection, *range(60, 70))
    connection.close()
    other.replace(path)
    assert store.run(path).stored == 10


def test_since_leaves_no_trace(store: Store, tmp_path: Path) -> None:
    connection = create(tmp_path / "opencode.db")
    add(connection, *range(10))
    connection.execute("UPDATE message SET data = ?", (json.dumps({"role": "user", "time": {"created": T0}}),))
    report = store.run(tmp_path / "opencode.db", since=T0 + 1)
    assert (report.stored, report.skipped["before_since"]) == (0, 10)
    assert store.run(tmp_path / "opencode.db").stored == 10


WRITER = """
import os, sys, time, apsw, json
path, count, read_once = sys.argv[1], int(sys.argv[2]), sys.argv[4]
connection = apsw.Connection(path)
connection.set_busy_timeout(10_000)
connection.execute("PRAGMA wal_autocheckpoint = 20; PRAGMA synchronous = OFF").fetchall()
fact = sys.argv[3]
for number in range(count):
    while number == count // 2 and not os.path.exists(read_once):
        time.sleep(0.01)
    now = int(time.time() * 1000)
    for more in ("", " And more."):
        data = json.dumps({"type": "text", "text": fact.format(number) + more})
        connection.execute(
            "INSERT INTO part VALUES (?, 'm', 's', ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET data = excluded.data, time_updated = excluded.time_updated",
            (f"p{number:06}", now, now, data),
        )
    if number % 50 == 49:
        connection.execute("DELETE FROM part WHERE id = ?", (f"p{number:06}",))
"""


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_live_database_loses_nothing_and_doubles_nothing(store: Store, tmp_path: Path, mode: str) -> None:
    path = tmp_path / "opencode.db"
    create(path, wal=mode == "WAL").close()
    count, read_once = 400, tmp_path / "read-once"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path, str(count), FACT, read_once])
    while writer.poll() is None:
        report = store.run(path)
        assert [problem for _, problem in report.problems if "locked" not in problem] == []
        read_once.touch()
    assert writer.returncode == 0
    store.run(path)
    wanted = {FACT.format(number) + " And more." for number in range(count) if number % 50 != 49}
    found = [text for text in store.texts() if not any(FACT.format(n) in text for n in range(49, count, 50))]
    assert sorted(found) == sorted(wanted)


# Hostile files


@pytest.mark.parametrize("data", [b"", b"not a database", b"SQLite format 3\0", b"SQLite format 3\0" + b"\xff" * 5000])
def test_what_is_no_database_is_a_problem(store: Store, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "sessions.db"
    path.write_bytes(data)
    for format_ in ["auto", *DATABASES]:
        report = store.run(path, format_=format_)
        assert [where for where, _ in report.problems] == [str(path)]
        assert (report.stored, report.seen) == (0, 0)


def test_another_programs_database_is_not_recognised(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    apsw.Connection(str(path)).execute("CREATE TABLE sessions(id); CREATE TABLE messages(id, body)")
    assert "no transcript format" in store.run(path).problems[0][1]
    ((_, problem),) = store.run(path, format_="goose").problems
    assert problem == "its table messages has no column session_id: another version wrote this database"


def test_views_and_virtual_tables_are_never_read(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE message(id, session_id, data)")
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS id, x AS message_id FROM n"
    connection.execute(f"CREATE VIEW part AS {endless}")
    connection.execute("CREATE VIRTUAL TABLE session_message USING fts5(session_id, data)")
    connection.close()
    assert detect(path.read_bytes(), SourceInfo(path.name, str(path))) is None


def test_a_database_from_standard_input_is_a_problem(reading: Reading) -> None:
    head = reading.fixture("goose/sessions.db")
    found = detect(head, SourceInfo("<stdin>"))
    assert isinstance(found, DatabaseFormat)


def test_a_locked_database_is_a_problem_and_is_read_later(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    connection = create(path)
    add(connection, 1)
    connection.execute("BEGIN EXCLUSIVE")
    started = time.monotonic()
    ((_, problem),) = store.run(path).problems
    assert "locked" in problem
    assert time.monotonic() - started < 5
    connection.execute("ROLLBACK")
    assert store.run(path).stored == 1


def test_a_reader_keeps_no_writer_waiting(tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    connection = create(path)
    add(connection, *range(1000))
    spans = OpenCode().reader(SourceInfo(path.name, str(path))).spans()
    next(spans)  # the reader stands in the middle of its work
    add(connection, 5000)
    assert sum(len(span.messages) for span in spans) == 1000


def test_broken_json_in_a_row_is_a_defect_that_names_the_row(reading: Reading, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    connection = create(path)
    add(connection, 1, 3)
    for number, data in [(2, b'{"type": "text", "te'), (4, b"\xff\0\xfe"), (5, b"[" * 100_000), (6, b"")]:
        connection.execute("INSERT INTO part VALUES (?, 'm', 's', 1, 1, ?)", (f"p{number:06}", data))
    connection.execute("INSERT INTO part VALUES ('p7', 'm', 's', 1, 1, NULL), (NULL, NULL, NULL, NULL, NULL, 5)")
    spans, _ = reading.database(OpenCode(), path)
    assert len(reading.messages(spans)) == 2
    defects = [(span.defect, span.sample[:13], span.length) for span in spans if span.defect]
    assert defects[:3] == [
        ("broken_json", b"part p000002:", 20),
        ("nul_bytes", b"part p000004:", 3),
        ("too_deep", b"part p000005:", 100_000),
    ]
    assert sum(span.skipped == "not_an_object" for span in spans) == 2


def test_text_that_is_no_utf8_is_read(reading: Reading, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    connection = create(path)
    connection.execute("UPDATE session SET title = CAST(x'ff41' AS TEXT), directory = CAST(x'00ff' AS TEXT)")
    connection.execute("""INSERT INTO part VALUES (CAST(x'70ff' AS TEXT), 'm', 's', 1, 1, CAST(
        x'7b2274797065223a2274657874222c2274657874223a2261ff00227d' AS TEXT))""")
    connection.execute("""INSERT INTO part VALUES ('q', 'm', 's', 'x', 'y', '{"type":"text","text":"\\ud800 b"}')""")
    spans, _ = reading.database(OpenCode(), path)
    assert reading.said(spans)[-1] == ("user", "� b")


def test_flipped_bytes_never_raise(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    connection = create(path)
    add(connection, *range(400))
    connection.close()
    whole = path.read_bytes()
    chance = random.Random(20261122)
    outcomes = set()
    for number in range(60):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 20, 2000])):
            data[chance.randrange(16, len(data))] ^= 1 << chance.randrange(8)
        if number % 5 == 0:
            data = data[: chance.randrange(100, len(data))]
        path.write_bytes(data)
        info = SourceInfo(path.name, str(path))
        detect(bytes(data[:65536]), info)
        try:
            outcomes |= {span.defect for span in OpenCode().reader(info).spans()}
        except OSError as error:
            outcomes.add(str(error.strerror))
    assert {"damaged_database", "this SQLite database is damaged"} <= outcomes
    report = store.run(path, format_="opencode")
    assert report.problems or report.quarantined or report.seen


def test_a_damaged_page_leaves_what_lies_before_it(reading: Reading, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    connection = create(path)
    add(connection, *range(400))
    (size,) = connection.execute("PRAGMA page_size").fetchone() or (0,)
    connection.close()
    data = bytearray(path.read_bytes())
    last = data.rfind(b"row locks", 0, data.rfind(b"row locks") - 10 * size) // size * size
    data[last : last + 100] = b"\xff" * 100
    path.write_bytes(data)
    spans, mark = reading.database(OpenCode(), path)
    assert spans[-1].defect == "damaged_database"
    assert spans[-1].sample.startswith(b"part, behind the row p000")
    assert 0 < len(reading.messages(spans)) < 400
    assert mark.state == {}


def test_a_huge_database_is_streamed(tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    connection = create(path)
    count = 20_000
    connection.execute(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?) INSERT INTO part SELECT "
        "'p' || x, 'm', 's', x, x, json_object('type', 'text', 'text', printf('%.*c', 1000, 'x')) FROM n",
        (count,),
    )
    connection.close()
    reader = OpenCode().reader(SourceInfo(path.name, str(path)))
    tracemalloc.start()
    try:
        assert sum(len(span.messages) for span in reader.spans()) == count
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


def test_a_record_too_long_is_never_taken_into_memory(
    reading: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memento_ingest.formats.shared.database.row_changes.MAX_LINE", 1000)
    path = tmp_path / "opencode.db"
    connection = create(path)
    add(connection, 1, more="x" * 2000)
    add(connection, 2)
    spans, _ = reading.database(OpenCode(), path)
    assert [(span.defect, span.sample) for span in spans if span.defect] == [("too_long", b"part p000001: ")]
    assert len(reading.messages(spans)) == 1


# Folders closed to us


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """Return a folder that everyone can read; what is done in it is done as nobody."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    is_root = os.geteuid() == 0
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        for each in [folder, *folder.rglob("*")]:
            each.chmod(0o755)
        shutil.rmtree(folder)


def close(folder: Path) -> None:
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(65534)


def read_all(path: Path) -> int:
    with Database(str(path)) as database:
        row = database.first("SELECT count(*) FROM part", {})
    return row[0] if row else -1


def test_a_wal_database_in_a_read_only_folder_is_read(unprivileged: Path) -> None:
    path = unprivileged / "opencode.db"
    connection = create(path, wal=True)
    add(connection, 1, 2)
    connection.close()
    close(unprivileged)
    assert read_all(path) == 2
    assert [file.name for file in unprivileged.iterdir()] == ["opencode.db"]


def test_a_log_in_a_read_only_folder_is_read_too(unprivileged: Path) -> None:
    path, original = unprivileged / "opencode.db", unprivileged / "original.db"
    connection = create(original, wal=True)
    add(connection, 1)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    add(connection, 2)
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{original}{suffix}", f"{path}{suffix}")
    connection.close()
    original.unlink()
    close(unprivileged)
    assert wal_stamp(str(path))[0] > 0
    assert read_all(path) == 2
    assert sorted(file.name for file in unprivileged.iterdir()) == ["opencode.db", "opencode.db-wal"]


def test_nothing_can_be_written(tmp_path: Path) -> None:
    create(tmp_path / "opencode.db").close()
    with Database(str(tmp_path / "opencode.db")) as database, pytest.raises(OSError, match="middle of a write"):
        database.first("DELETE FROM part", {})


def test_every_database_format_is_tried_before_those_that_read_text() -> None:
    kinds: list[Any] = [isinstance(registry.get(name), DatabaseFormat) for name in registry.names()]
    assert kinds == sorted(kinds, reverse=True)
    assert sum(kinds) == len(DATABASES)
