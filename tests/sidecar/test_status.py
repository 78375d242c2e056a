"""`memento status`: every source with what became of it, by name where a type is unknown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import apsw
import pytest

from memento.base.filesystem import kind_of
from memento_ingest.batching import MAX_TYPES

MEMENTO = Path(sys.executable).with_name("memento")
EVENT = 1_767_225_600_000
SECRET = "ghp_" + "Zk3vQ9xT7bLw2NpR8sYc5mHd4jFg6aUe1K0o"


class Store:
    """A store and a transcript, read by `memento ingest`."""

    def __init__(self, folder: Path) -> None:
        self.transcript = folder / "a.jsonl"
        inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        self.environment = {**inherited, "HOME": str(folder), "MEMENTO_HOME": str(folder / "m")}

    def write(self, types: list[str]) -> None:
        with self.transcript.open("a") as file:
            for name in types:
                file.write(json.dumps({"type": name, "uuid": "u", "sessionId": "s"}) + "\n")

    def prompt(self) -> None:
        message = {"role": "user", "content": "We decided to deploy the harbour on Thursdays."}
        time_ = "2026-01-01T00:00:00.000Z"
        record = {"type": "user", "uuid": "1", "sessionId": "s", "timestamp": time_, "message": message}
        self.transcript.write_text(json.dumps(record) + "\n")

    def run(self, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([MEMENTO, *arguments], env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done
        return done

    def ingest(self) -> None:
        self.run("ingest", self.transcript, "--no-embed")

    def status(self, code: int = 0) -> Any:
        [source] = json.loads(self.run("status", "--json", code=code).stdout)["sources"]
        return source


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.prompt()
    return store


def test_unknown_types_are_named(store: Store) -> None:
    store.write(["brand-new", "brand-new", "other/new"])
    store.ingest()
    store.write(["brand-new"])
    store.ingest()
    source = store.status()
    assert source["unknown_types"] == {"brand-new": 3, "other/new": 1}
    assert source["skipped"]["unknown_type"] == 4
    assert source["seen"] == 5
    assert "does not know: brand-new 3, other/new 1" in store.run("status", "--table").stdout


def test_the_names_are_bounded_and_hold_no_secret(store: Store) -> None:
    store.write([f"t{number}" for number in range(100)])
    store.write([SECRET, "two words", "x" * 60, "\x1b[31mred"])
    store.ingest()
    source = store.status()
    assert len(source["unknown_types"]) == MAX_TYPES
    assert source["skipped"]["unknown_type"] == 104
    folder = Path(store.environment["MEMENTO_HOME"])
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_last_event_and_stalled(store: Store) -> None:
    written = time.time() - 3_600
    os.utime(store.transcript, (written, written))
    store.ingest()
    assert abs(store.status()["last_written"] - written * 1_000) < 2
    assert store.status()["last_event"] == EVENT
    assert store.status()["stalled"] is False
    store.write(["x"])
    assert store.status()["stalled"] is False  # it has not waited for long
    os.utime(store.transcript, (written, written))
    assert store.status(code=1)["stalled"] is True
    shown = store.run("status", "--table", code=1)
    assert "stalled" in shown.stderr
    assert " !" in shown.stdout
    store.transcript.unlink()
    assert store.status()["last_event"] == EVENT
    assert abs(store.status()["last_written"] - written * 1_000) < 2


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_the_kind_of_file_system() -> None:
    assert kind_of(Path("/proc/self")) == "proc"
    assert kind_of(Path("/nowhere/at/all")) == kind_of(Path("/"))


# Databases


class OpenCode:
    """opencode's database, read by `memento ingest`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "opencode.db"
        self.connection = apsw.Connection(str(self.path))
        self.connection.execute("PRAGMA journal_mode = WAL").fetchall()
        self.connection.execute(
            "CREATE TABLE message(id text primary key, session_id text, data text);"
            "CREATE TABLE part(id text primary key, message_id text, session_id text, time_updated integer, data text);"
            """INSERT INTO message VALUES ('m', 's', '{"role":"user","time":{"created":1767225600000}}')"""
        )

    def add(self, *numbers: int, at: int = EVENT, rowid: int | None = None) -> None:
        for number in numbers:
            data = json.dumps({"type": "text", "text": f"We decided that rule {number} holds for the harbour."})
            row = (rowid, f"p{number}", at, data)
            sql = (
                "INSERT INTO part(rowid, id, message_id, session_id, time_updated, data) VALUES (?, ?, 'm', 's', ?, ?)"
            )
            self.connection.execute(sql, row)

    def age(self, seconds: float) -> None:
        for suffix in ("", "-wal"):
            written = time.time() - seconds
            os.utime(f"{self.path}{suffix}", (written, written))


@pytest.fixture
def opencode(store: Store) -> OpenCode:
    store.transcript.unlink()
    made = OpenCode(store.transcript.parent)
    store.transcript = made.path
    return made


def test_a_database_that_was_read_is_not_stalled(store: Store, opencode: OpenCode) -> None:
    opencode.add(*range(300))
    opencode.age(7_200)
    store.ingest()
    source = store.status()
    assert (source["kept"], source["unread"], source["unit"], source["stalled"]) == (300, 0, "rows", False)
    assert source["last_event"] == EVENT
    opencode.connection.execute("CREATE TABLE other(x); INSERT INTO other VALUES (1)")
    opencode.age(3_600)
    assert store.status()["stalled"] is False, "what changed holds no transcript"


def test_rows_that_wait_are_counted_and_stalled_after_a_minute(store: Store, opencode: OpenCode) -> None:
    opencode.add(*range(30))
    opencode.age(7_200)
    store.ingest()
    opencode.add(*range(100, 107), at=EVENT + 1)
    assert (store.status()["unread"], store.status()["stalled"]) == (7, False)
    opencode.age(3_600)
    assert store.status(code=1)["unread"] == 7
    shown = store.run("status", "--table", code=1)
    assert "7 rows !" in shown.stdout
    assert f"7 rows of {opencode.path}" in shown.stderr
    store.ingest()
    assert (store.status()["unread"], store.status()["kept"]) == (0, 37)
    opencode.add(200, at=EVENT - 10**9, rowid=-5)  # no mark shows it
    opencode.age(3_600)
    assert store.status(code=1)["unread"] == 1
    store.ingest()
    assert store.status()["unread"] == 0


def test_a_database_that_cannot_be_looked_into_is_not_called_read(store: Store, opencode: OpenCode) -> None:
    opencode.connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    opencode.add(1)
    store.ingest()
    opencode.add(2)
    opencode.connection.execute("BEGIN EXCLUSIVE")
    written = time.time() - 3_600
    os.utime(opencode.path, (written, written))
    assert store.status(code=1)["unread"] == 1


def test_sources_counts_a_database_as_read(store: Store, opencode: OpenCode) -> None:
    folder = store.transcript.parent / ".local" / "share" / "opencode"
    folder.mkdir(parents=True)
    opencode.add(*range(100))
    opencode.connection.close()
    store.transcript = opencode.path.rename(folder / "opencode.db")
    store.ingest()
    [place] = json.loads(store.run("sources", "--json").stdout)
    assert (place["agent"], place["files_read"]) == ("opencode", 1)
    assert place["bytes_read"] == place["bytes"] == store.transcript.stat().st_size


# Pages


def test_status_pages(store: Store) -> None:
    folder = store.transcript.parent / "many"
    folder.mkdir()
    line = store.transcript.read_text()
    for number in range(130):
        text = line.replace('"uuid": "1"', f'"uuid": "{number}"').replace("Thursdays", f"day {number}")
        (folder / f"{number}.jsonl").write_text(text)
    store.run("ingest", folder, "--no-embed")
    first = json.loads(store.run("status", "--json").stdout)
    assert (len(first["sources"]), first["total"], first["offset"], first["next"]) == (100, 130, 0, 100)
    assert (first["memories"], first["stalled"], first["unread"]) == (130, 0, 0)
    rest = json.loads(store.run("status", "--json", "--offset", "100").stdout)
    assert (len(rest["sources"]), rest["next"]) == (30, None)
    assert len({one["path"] for one in [*first["sources"], *rest["sources"]]}) == 130
    shown = store.run("status", "--table", "--limit", "7").stdout
    assert shown.count(".jsonl") == 7
    assert "7 of 130 sources from 1 on; `memento status --offset 7` shows the next" in shown
    assert json.loads(store.run("status", "--json", "--offset", "500").stdout)["sources"] == []
    for wrong in ("--limit=0", "--offset=-1", "--limit=10001"):
        store.run("status", wrong, code=2)


def test_a_stalled_source_is_told_whatever_the_page(store: Store) -> None:
    folder = store.transcript.parent / "many"
    folder.mkdir()
    written = time.time() - 3_600
    for number in range(25):
        path = folder / f"{number}.jsonl"
        path.write_text(store.transcript.read_text().replace('"uuid": "1"', f'"uuid": "{number}"'))
    store.run("ingest", folder, "--no-embed")
    for path in folder.iterdir():
        path.write_text(path.read_text() + "{}\n")
        os.utime(path, (written, written))
    done = store.run("status", "--json", "--limit", "1", code=1)
    assert (json.loads(done.stdout)["stalled"], len(json.loads(done.stdout)["sources"])) == (25, 1)
    assert done.stderr.count("3 bytes of ") == 20
    assert "stalled: 5 more" in done.stderr


def test_a_time_ahead_is_no_last_event(store: Store) -> None:
    line = store.transcript.read_text()
    ahead = line.replace('"uuid": "1"', '"uuid": "2"').replace("2026-01-01", "2999-01-01").replace("harbour", "dock")
    store.transcript.write_text(line + ahead)
    store.ingest()
    assert store.status()["last_event"] == EVENT


# What the store holds


def test_kept_is_what_the_store_holds(store: Store) -> None:
    lines = [store.transcript.read_text().replace('"uuid": "1"', f'"uuid": "{n}"') for n in range(5)]
    days = ("Mondays", "Fridays", "holidays", "Sundays", "Wednesdays")
    said = [line.replace("Thursdays", day) for day, line in zip(days, lines, strict=True)]
    store.transcript.write_text("".join(said[:3]))
    store.ingest()
    assert store.status()["kept"] == 3
    store.transcript.write_text("".join(said))
    store.ingest()
    assert (store.status()["kept"], store.status()["seen"]) == (5, 5)
    [one, *_] = json.loads(store.run("recent", "--json").stdout)
    store.run("delete", one["id"])
    assert (store.status()["kept"], store.status()["seen"]) == (4, 5)
    copy = store.transcript.with_name("copy.jsonl")
    copy.write_text("".join(said[:2]))
    store.run("ingest", copy, "--no-embed")
    found = json.loads(store.run("status", "--json").stdout)
    assert {Path(source["path"]).name: source["kept"] for source in found["sources"]} == {"a.jsonl": 4, "copy.jsonl": 2}
    assert found["memories"] == 4
    store.run("forget", "--session", "s", "--yes")
    found = json.loads(store.run("status", "--json").stdout)
    assert [source["kept"] for source in found["sources"]] == [0, 0]
    assert found["memories"] == 0


def test_rows_read_again_are_kept_once(store: Store, opencode: OpenCode) -> None:
    for length in range(4):
        opencode.connection.execute("DELETE FROM part")
        opencode.add(*range(10))
        more = " It was said again." * length
        opencode.connection.execute("UPDATE part SET data = replace(data, '.', ?)", (f".{more}",))
        store.ingest()
    assert (store.status()["kept"], store.status()["seen"]) == (10, 40)


def test_a_source_of_an_older_version_keeps_its_count(store: Store) -> None:
    store.ingest()
    database = Path(store.environment["MEMENTO_HOME"]) / "memory.db"
    connection = apsw.Connection(str(database))
    connection.execute("DELETE FROM memory_sources; UPDATE sources SET attributed = 0")
    connection.close()
    assert store.status()["kept"] == 1
