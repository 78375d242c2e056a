"""Databases of agents against a plain model: whatever is done to their rows, all of them are in the store at the end.

Hypothesis drives random sequences of what agents, imports and copies do to a database: rows with old rowids and with
times that are old, ahead or no times at all, changes in place of any size, deletions, VACUUM, another database in its
place. The store is looked at after every run of `ingest`, and when the sidecar has made its comparison.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import apsw
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from memento.config import load_config
from memento.store import MemoryStore
from memento_ingest.batch_ingest import Ingestion, Options
from memento_ingest.formats.shared.database import row_digests
from memento_ingest.sidecar.capture import CaptureWorker
from memento_ingest.sidecar.sweep import Sweep
from memento_policies import load_policy

POLICY: Final = load_policy()
T0: Final = 1_767_225_600_000
SESSIONS: Final = ("s1", "s2", "s3")
NUMBERS: Final = st.integers(0, 30)
AHEAD: Final = 3_600_000
STAMPS: Final = st.sampled_from(["old", "now", "ahead", "far", "negative", "text", "none"])


def said(number: int, length: int, letter: str) -> str:
    return f"We decided that rule number {number} holds for the harbour{letter * (length + 1)}"


class Agent(ABC):
    """How one agent keeps its messages. A row is found by its number again."""

    name: str
    schema: str
    table: str
    grows_in_place = True
    """Whether a message that has changed has the same key."""

    @abstractmethod
    def put(self, connection: apsw.Connection, number: int, text: str, stamp: Any, rowid: int | None) -> None:
        """Insert a message."""

    @abstractmethod
    def change(self, connection: apsw.Connection, number: int, text: str, stamp: Any) -> None:
        """Change a message in place."""

    @abstractmethod
    def delete(self, connection: apsw.Connection, number: int) -> None:
        """Delete a message."""


class OpenCode(Agent):
    name, table = "opencode.db", "part"
    schema = """
    CREATE TABLE session(id text primary key, parent_id text, directory text, title text);
    CREATE TABLE message(id text primary key, session_id text, time_created integer, time_updated integer, data text);
    CREATE TABLE part(id text primary key, message_id text, session_id text, time_created integer, time_updated integer,
                      data text);
    INSERT INTO message VALUES ('m', 's1', 1, 1, '{"role":"user"}');
    """

    def put(self, connection: apsw.Connection, number: int, text: str, stamp: Any, rowid: int | None) -> None:
        row = (rowid, f"p{number}", SESSIONS[number % 3], T0 + number, stamp, self._data(text))
        connection.execute(
            "INSERT INTO part(rowid, id, message_id, session_id, time_created, time_updated, data) "
            "VALUES (?, ?, 'm', ?, ?, ?, ?)",
            row,
        )

    def change(self, connection: apsw.Connection, number: int, text: str, stamp: Any) -> None:
        row = (self._data(text), stamp, f"p{number}")
        connection.execute("UPDATE part SET data = ?, time_updated = ? WHERE id = ?", row)

    def delete(self, connection: apsw.Connection, number: int) -> None:
        connection.execute("DELETE FROM part WHERE id = ?", (f"p{number}",))

    def _data(self, text: str) -> str:
        return json.dumps({"type": "text", "text": text})


class Cursor(Agent):
    name, table = "state.vscdb", "cursorDiskKV"
    schema = "CREATE TABLE cursorDiskKV(key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)"

    def put(self, connection: apsw.Connection, number: int, text: str, stamp: Any, rowid: int | None) -> None:
        row = (rowid, self._key(number), self._data(text))
        connection.execute("INSERT INTO cursorDiskKV(rowid, key, value) VALUES (?, ?, ?)", row)

    def change(self, connection: apsw.Connection, number: int, text: str, stamp: Any) -> None:
        if stamp is None:  # Cursor replaces rows; another program may not
            connection.execute("UPDATE cursorDiskKV SET value = ? WHERE key = ?", (self._data(text), self._key(number)))
        else:
            connection.execute("INSERT INTO cursorDiskKV VALUES (?, ?)", (self._key(number), self._data(text)))

    def delete(self, connection: apsw.Connection, number: int) -> None:
        connection.execute("DELETE FROM cursorDiskKV WHERE key = ?", (self._key(number),))

    def _key(self, number: int) -> str:
        return f"bubbleId:{SESSIONS[number % 3]}:b{number}"

    def _data(self, text: str) -> bytes:
        return json.dumps({"type": 1, "text": text, "createdAt": T0}).encode()


class Goose(Agent):
    name, table = "sessions.db", "messages"
    grows_in_place = False
    schema = """
    CREATE TABLE sessions(id text primary key, name text, description text, working_dir text);
    CREATE TABLE messages(id integer primary key autoincrement, message_id text, session_id text not null,
                          role text not null, content_json text not null, created_timestamp integer not null);
    INSERT INTO sessions VALUES ('s1', '', 'One', '/w');
    """

    def put(self, connection: apsw.Connection, number: int, text: str, stamp: Any, rowid: int | None) -> None:
        row = (rowid, f"m{number}", SESSIONS[number % 3], self._data(text), T0 // 1000 + number)
        connection.execute(
            "INSERT INTO messages(id, message_id, session_id, role, content_json, created_timestamp) "
            "VALUES (?, ?, ?, 'user', ?, ?)",
            row,
        )

    def change(self, connection: apsw.Connection, number: int, text: str, stamp: Any) -> None:
        row = (self._data(text), f"m{number}")
        connection.execute("UPDATE messages SET content_json = ? WHERE message_id = ?", row)

    def delete(self, connection: apsw.Connection, number: int) -> None:
        connection.execute("DELETE FROM messages WHERE message_id = ?", (f"m{number}",))

    def _data(self, text: str) -> str:
        return json.dumps([{"type": "text", "text": text}])


class OpenClaw(Agent):
    name, table = "openclaw-agent.sqlite", "transcript_events"
    grows_in_place = False
    schema = """
    CREATE TABLE transcript_events(session_id text not null, seq integer not null, event_json text not null,
                                   primary key(session_id, seq))
    """

    def put(self, connection: apsw.Connection, number: int, text: str, stamp: Any, rowid: int | None) -> None:
        row = (rowid, SESSIONS[number % 3], number, self._data(number, text))
        connection.execute("INSERT INTO transcript_events(rowid, session_id, seq, event_json) VALUES (?, ?, ?, ?)", row)

    def change(self, connection: apsw.Connection, number: int, text: str, stamp: Any) -> None:
        row = (self._data(number, text), SESSIONS[number % 3], number)
        connection.execute("UPDATE transcript_events SET event_json = ? WHERE session_id = ? AND seq = ?", row)

    def delete(self, connection: apsw.Connection, number: int) -> None:
        row = (SESSIONS[number % 3], number)
        connection.execute("DELETE FROM transcript_events WHERE session_id = ? AND seq = ?", row)

    def _data(self, number: int, text: str) -> str:
        message = {"role": "user", "content": [{"type": "text", "text": text}]}
        time_ = "2026-09-02T09:00:05Z"
        return json.dumps(
            {"type": "message", "id": f"e{number}", "parentId": None, "timestamp": time_, "message": message}
        )


AGENTS: Final = (OpenCode(), Cursor(), Goose(), OpenClaw())


class Databases(RuleBasedStateMachine):
    """One agent's database, and what its rows say now."""

    @initialize(agent=st.sampled_from(AGENTS), wal=st.booleans())
    def start(self, agent: Agent, wal: bool) -> None:
        self.agent, self.wal = agent, wal
        self.folder = Path(tempfile.mkdtemp())
        self.watched = self.folder / "watched"
        self.watched.mkdir()
        self.path = self.watched / agent.name
        self.rows: dict[int, str] = {}
        self.ever: set[str] = set()
        self.clock = 1_700_000_000_000_000_000
        self.low = itertools.count(-1, -1)
        self.create(self.path)
        self.open()

    def open(self) -> None:
        """Start the worker, as after a kill: only what was committed is known."""
        config = load_config({}, {"MEMENTO_HOME": str(self.folder / "home"), "MEMORY_DB_PATH": ""})
        self.store = MemoryStore(config=config)
        sweep = Sweep([self.watched], lambda path: path.name == self.agent.name)
        self.worker = CaptureWorker(Ingestion(POLICY, Options(live=True), self.store), sweep, lambda _: None)

    def create(self, path: Path) -> None:
        connection = apsw.Connection(str(path))
        connection.execute(f"PRAGMA journal_mode = {'WAL' if self.wal else 'DELETE'}").fetchall()
        connection.execute(self.agent.schema)
        connection.close()

    @contextmanager
    def writing(self, path: Path | None = None) -> Iterator[apsw.Connection]:
        """Open the database as its agent does, and give what is written a time of its own."""
        connection = apsw.Connection(str(path or self.path))
        try:
            yield connection
        finally:
            connection.close()
        self.touched()

    def touched(self) -> None:
        self.clock += 1_000_000
        os.utime(self.path, ns=(self.clock, self.clock))

    def said(self, number: int, text: str) -> None:
        self.rows[number] = text
        self.ever.add(text)

    @rule(number=NUMBERS, stamp=STAMPS, is_low=st.booleans())
    def insert(self, number: int, stamp: str, is_low: bool) -> None:
        if number not in self.rows:
            with self.writing() as connection:
                rowid = next(self.low) if is_low else None
                self.agent.put(connection, number, said(number, 0, "a"), stamped(stamp), rowid)
            self.said(number, said(number, 0, "a"))

    @rule(number=NUMBERS, length=st.integers(0, 9), letter=st.sampled_from("abc"), stamp=STAMPS)
    def change(self, number: int, length: int, letter: str, stamp: str) -> None:
        if number in self.rows:
            text = said(number, length, letter)
            with self.writing() as connection:
                self.agent.change(connection, number, text, stamped(stamp))
            self.said(number, text)

    @rule(number=NUMBERS)
    def delete(self, number: int) -> None:
        if self.rows.pop(number, None):
            with self.writing() as connection:
                self.agent.delete(connection, number)

    @rule()
    def delete_all(self) -> None:
        with self.writing() as connection:
            connection.execute(f"DELETE FROM {self.agent.table}")
        self.rows.clear()

    @rule()
    def vacuum(self) -> None:
        with self.writing() as connection:
            connection.execute("VACUUM")

    @rule(numbers=st.sets(NUMBERS, max_size=8), keeps_inode=st.booleans(), stamp=STAMPS)
    def replace(self, numbers: set[int], keeps_inode: bool, stamp: str) -> None:
        """Put another database in its place, as a restored copy or a synchronised folder does."""
        other = self.folder / "other"
        self.create(other)
        rows = {number: said(number, 0, "b") for number in numbers}
        with self.writing(other) as connection:
            for number, text in sorted(rows.items()):
                self.agent.put(connection, number, text, stamped(stamp), None)
        if keeps_inode:
            self.path.write_bytes(other.read_bytes())
            other.unlink()
        else:
            other.replace(self.path)
        self.touched()
        self.rows.clear()
        for number, text in rows.items():
            self.said(number, text)

    @rule()
    def look(self) -> None:
        """Let the sidecar look: rows after the mark, and a comparison only where it is due."""
        self.worker.add(self.worker.sweep.changed())
        while self.worker.step():
            pass
        assert self.worker.problems == {}

    @rule()
    def compare_now(self) -> None:
        """Let the sidecar look when its comparison has become due."""
        with patch.object(row_digests, "COMPARE_EVERY_MS", 0), patch.object(row_digests, "COMPARE_SHARE", 1e9):
            time.sleep(0.002)
            for key in self.worker.sweep.again:
                self.worker.sweep.again[key] = 0
            self.look()
        self.check()

    @rule()
    def ingest(self) -> None:
        report = Ingestion(POLICY, Options(), self.store).run([str(self.watched)])
        assert report.problems == []
        self.check()

    @rule()
    def killed(self) -> None:
        self.store.close()
        self.open()

    def check(self) -> None:
        stored = [memory.text for memory in self.store.get_recent(10_000)]
        assert len(stored) == len(set(stored))
        assert set(stored) <= self.ever
        if not self.agent.grows_in_place:
            assert set(self.rows.values()) <= set(stored)
            return
        kept = {text.rstrip("abc"): text for text in stored}
        assert len(kept) == len(stored), "a message is stored once, whatever it said"
        for text in self.rows.values():
            found = kept.get(text.rstrip("abc"), "")
            assert (len(found), found) >= (len(text), text)

    @invariant()
    def the_ledger_adds_up_and_the_state_is_small(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.store._database.read() as connection:
            sums = "SELECT offset, (SELECT ifnull(sum(bytes), 0) FROM ledger WHERE source = num), state FROM sources"
            for offset, accounted, state in connection.execute(sums):
                assert offset == accounted
                assert len(state) < 32_000
                assert "harbour" not in state

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.look()
            self.compare_now()
            self.store.close()
            shutil.rmtree(self.folder)


def stamped(kind: str) -> Any:
    now = time.time_ns() // 1_000_000
    ahead = {"ahead": now + AHEAD, "far": now + 10 * 365 * 24 * AHEAD, "old": T0, "now": now}
    return {**ahead, "negative": -5, "text": "2026-01-01T00:00:00Z", "none": None}[kind]


TestDatabases = Databases.TestCase
TestDatabases.settings = settings(
    max_examples=int(os.environ.get("MEMENTO_DATABASE_EXAMPLES", "25")), stateful_step_count=25, deadline=None
)
