"""OpenClaw's openclaw-agent.sqlite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from memento_ingest.formats.pi.openclaw_database import OpenClawDatabase
from memento_ingest.formats.pi.transcript import OpenClaw
from memento_ingest.formats.registry import detect
from memento_ingest.span import SourceInfo

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

FORMAT = OpenClawDatabase()
SCHEMA = """
CREATE TABLE transcript_events(session_id text not null, seq integer not null, event_json text not null,
                               primary key(session_id, seq))
"""
JSONL = "openclaw/0a0b0c0d-0000-4000-8000-000000000001.jsonl"


class Db:
    """A database of OpenClaw's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = apsw.Connection(str(path))
        self.connection.execute(SCHEMA)
        self.seq: dict[str, int] = {}

    def event(self, session: str, event: object) -> None:
        number = self.seq[session] = self.seq.get(session, -1) + 1
        text = event if isinstance(event, str) else json.dumps(event)
        self.connection.execute("INSERT INTO transcript_events VALUES (?, ?, ?)", (session, number, text))

    def say(self, session: str, name: str, role: str, *content: Any, **more: Any) -> None:
        blocks = [{"type": "text", "text": block} if isinstance(block, str) else block for block in content]
        message = {"role": role, "content": blocks, **more}
        time = "2026-09-02T09:00:05Z"
        self.event(session, {"type": "message", "id": name, "parentId": None, "timestamp": time, "message": message})


@pytest.fixture
def db(tmp_path: Path) -> Db:
    return Db(tmp_path / "openclaw-agent.sqlite")


def test_the_sample_gives_exactly_its_messages(reading: Reading, tmp_path: Path) -> None:
    spans, _ = reading.database(FORMAT, reading.copy("openclaw/openclaw-agent.sqlite", tmp_path))
    assert [(m.role, m.text, m.source, m.session_id, m.timestamp, m.project) for m in reading.messages(spans)] == [
        ("user", "is the quay free", "openclaw", "s1", 1782896405000, "/w/ferry")
    ]
    assert [span.skipped for span in spans] == ["metadata", ""]


def test_lines_moved_into_the_database_keep_their_keys(reading: Reading, db: Db) -> None:
    data = reading.fixture(JSONL)
    for line in data.decode().splitlines():
        db.event("0a0b0c0d-0000-4000-8000-000000000001", line)
    spans, _ = reading.database(FORMAT, db.path)
    assert reading.longest(spans) == reading.longest(reading.spans(OpenClaw(), data, Path(JSONL).name))
    assert len(reading.messages(spans)) == 2
    assert sum(span.length for span in spans) == len(data.rstrip(b"\n")) + 1


def test_interleaved_sessions_and_calls_across_runs(reading: Reading, db: Db) -> None:
    db.say("s1", "u1", "user", "one")
    db.say("s2", "u2", "user", "two")
    db.say("s1", "a1", "assistant", {"type": "toolCall", "id": "c1", "name": "bash", "arguments": {"command": "ls"}})
    spans, mark = reading.database(FORMAT, db.path)
    assert [(m.session_id, m.text) for m in reading.messages(spans)] == [("s1", "one"), ("s2", "two")]
    db.say("s2", "a2", "assistant", "three")
    db.say("s1", "r1", "toolResult", "a b", toolCallId="c1", toolName="bash")
    spans, mark = reading.database(FORMAT, db.path, mark)
    assert [(m.session_id, m.role, m.text) for m in reading.messages(spans)] == [
        ("s2", "assistant", "three"),
        ("s1", "tool", "bash: ls\n→ a b"),
    ]
    assert reading.messages(reading.database(FORMAT, db.path, mark)[0]) == []


def test_a_broken_event_is_a_defect_and_the_rest_is_read(reading: Reading, db: Db) -> None:
    db.say("s1", "u1", "user", "one")
    db.event("s1", '{"type": "message", "id": "brok')
    db.say("s1", "u3", "user", "three")
    spans, _ = reading.database(FORMAT, db.path)
    assert reading.said(spans) == [("user", "one"), ("user", "three")]
    assert [(span.defect, span.sample[:30]) for span in spans if span.defect] == [
        ("broken_json", b'{"type": "message", "id": "bro')
    ]


def test_a_rewritten_session_is_read_again(reading: Reading, db: Db) -> None:
    for number in range(5):
        db.say("s1", f"u{number}", "user", f"text {number}")
    spans, mark = reading.database(FORMAT, db.path)
    before = reading.longest(spans)
    db.connection.execute("DELETE FROM transcript_events")
    db.seq.clear()
    db.say("s1", "u0", "user", "text 0")
    db.say("s1", "x", "user", "new")
    spans, _ = reading.database(FORMAT, db.path, mark)
    after = reading.longest(spans)
    assert sorted(after.values()) == ["new", "text 0"]
    assert len(before.items() & after.items()) == 1


def test_a_rewritten_session_is_noticed_behind_another_one(reading: Reading, db: Db) -> None:
    for number in range(5):
        db.say("s1", f"u{number}", "user", f"text {number}")
    db.say("s2", "v", "user", "other")
    _, mark = reading.database(FORMAT, db.path)
    db.connection.execute("DELETE FROM transcript_events WHERE session_id = 's1'")
    db.seq["s1"] = -1
    db.say("s1", "u0", "user", "text 0")
    db.say("s1", "x", "user", "new")
    said = reading.said(reading.database(FORMAT, db.path, mark)[0])
    assert said == [("user", "text 0"), ("user", "new")]


def test_it_is_told_from_the_lines_it_holds(db: Db) -> None:
    db.event("s1", {"type": "session", "version": 3, "id": "s1", "timestamp": "2026-09-02T09:00:00Z", "cwd": "/w"})
    found = detect(db.path.read_bytes(), SourceInfo(db.path.name, str(db.path)))
    assert found is not None
    assert found.name == "openclaw-sqlite"
