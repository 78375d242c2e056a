"""Goose's sessions.db."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from memento_ingest.formats.goose.database import Goose
from memento_ingest.formats.goose.lines import GooseJsonl
from memento_ingest.span import Span

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

FORMAT = Goose()
T0 = 1785578400
SCHEMA = """
CREATE TABLE sessions(id text primary key, name text, description text, working_dir text, updated_at text);
CREATE TABLE messages(id integer primary key autoincrement, message_id text, session_id text not null,
                      role text not null, content_json text not null, created_timestamp integer not null,
                      metadata_json text);
INSERT INTO sessions VALUES ('s1', '', 'Fix it', '/w', ''), ('s2', 'Named', 'Described', '/v', '');
"""


class Db:
    """A database of Goose's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = apsw.Connection(str(path))
        self.connection.execute(SCHEMA)

    def say(self, session: str, role: str, *content: Any, at: int = T0, raw: str = "", metadata: str = "") -> None:
        blocks = [{"type": "text", "text": block} if isinstance(block, str) else block for block in content]
        self.connection.execute(
            "INSERT INTO messages(session_id, role, content_json, created_timestamp, metadata_json) "
            "VALUES (?, ?, ?, ?, ?)",
            (session, role, raw or json.dumps(blocks), at, metadata or None),
        )


@pytest.fixture
def db(tmp_path: Path) -> Db:
    return Db(tmp_path / "sessions.db")


def request(name: str, command: str) -> dict[str, Any]:
    call = {"status": "success", "value": {"name": "shell", "arguments": {"command": command}}}
    return {"type": "toolRequest", "id": name, "toolCall": call}


def response(name: str, output: str) -> dict[str, Any]:
    result = {"status": "success", "value": [{"type": "text", "text": output}]}
    return {"type": "toolResponse", "id": name, "toolResult": result}


def reasons(spans: list[Span]) -> list[str]:
    return [span.unknown_type or span.skipped for span in spans if span.skipped]


def test_the_sample_gives_exactly_its_messages(reading: Reading, tmp_path: Path) -> None:
    spans, _ = reading.database(FORMAT, reading.copy("goose/sessions.db", tmp_path))
    assert [(m.role, m.text, m.source, m.session_id, m.timestamp, m.project) for m in reading.messages(spans)] == [
        ("user", "list the boards", "goose", "20260801_1", T0 * 1000, "/w/ferry"),
        ("assistant", "one moment", "goose", "20260801_1", (T0 + 5) * 1000, "/w/ferry"),
    ]
    assert [(t.session_id, t.text) for span in spans for t in span.titles] == [("20260801_1", "Tides")]


def test_sessions_are_read_apart_with_their_folder_and_title(reading: Reading, db: Db) -> None:
    db.say("s1", "user", "one")
    db.say("s2", "user", "two", at=T0 + 1)
    db.say("s1", "assistant", "three", at=T0 + 2)
    spans, _ = reading.database(FORMAT, db.path)
    assert [(m.session_id, m.text, m.project) for m in reading.messages(spans)] == [
        ("s1", "one", "/w"),
        ("s1", "three", "/w"),
        ("s2", "two", "/v"),
    ]
    assert [(t.session_id, t.text) for span in spans for t in span.titles] == [("s1", "Fix it"), ("s2", "Named")]


def test_a_call_and_its_result_are_one_message_also_when_the_result_comes_later(reading: Reading, db: Db) -> None:
    db.say("s1", "user", "list")
    db.say("s1", "assistant", "Listing.", request("t1", "ls"))
    spans, mark = reading.database(FORMAT, db.path)
    assert reading.said(spans) == [("user", "list"), ("assistant", "Listing.")]
    db.say("s2", "user", "other")
    db.say("s1", "user", response("t1", "a b"))
    said = reading.said(reading.database(FORMAT, db.path, mark)[0])
    assert ("tool", "shell: ls\n→ a b") in said
    assert said.count(("user", "list")) == 0


def test_only_new_rows_of_a_session_are_read(reading: Reading, db: Db) -> None:
    for number in range(600):
        db.say("s1", "user", f"text {number}", at=T0 + number)
    spans, mark = reading.database(FORMAT, db.path)
    assert len(reading.messages(spans)) == 600
    db.say("s1", "user", "last", at=T0 + 600)
    spans, mark = reading.database(FORMAT, db.path, mark)
    assert reading.said(spans) == [("user", "last")]
    assert reading.database(FORMAT, db.path, mark)[0] == []


def test_a_replaced_conversation_gives_its_messages_under_their_keys(reading: Reading, db: Db) -> None:
    for number in range(5):
        db.say("s1", "user", f"text {number}", at=T0 + number)
    spans, mark = reading.database(FORMAT, db.path)
    before = reading.longest(spans)
    db.connection.execute("DELETE FROM messages")
    for number in range(7):
        db.say("s1", "user", f"text {number}", at=T0 + number)
    after = reading.longest(reading.database(FORMAT, db.path, mark)[0])
    assert before.items() <= after.items()
    assert len(after) == 7


def test_a_session_moved_into_the_database_keeps_its_keys(reading: Reading, db: Db) -> None:
    head = {"working_dir": "/w", "description": "Fix it", "message_count": 2}
    told = [
        {"role": "user", "created": T0, "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "created": T0 + 5, "content": [{"type": "text", "text": "ok"}]},
    ]
    lines = "".join(json.dumps(value) + "\n" for value in [head, *told]).encode()
    for message in told:
        db.say("s1", str(message["role"]), *message["content"], at=message["created"])  # type: ignore[misc, arg-type]
    in_file = reading.longest(reading.spans(GooseJsonl(), lines, "s1.jsonl"))
    assert reading.longest(reading.database(FORMAT, db.path)[0]) == in_file


def test_what_is_no_ones_words_is_dropped_under_its_reason(reading: Reading, db: Db) -> None:
    db.say("s1", "assistant", {"type": "thinking", "thinking": "hm", "signature": ""})
    db.say("s1", "user", "unseen", metadata='{"userVisible": false}')
    db.say("s1", "user", "seen", metadata="{broken")
    db.say("s1", "oracle", "x")
    spans, _ = reading.database(FORMAT, db.path)
    assert reading.said(spans) == [("user", "seen")]
    assert reasons(spans) == ["thinking", "hidden", "role/oracle"]


def test_broken_content_is_a_defect_that_names_its_row(reading: Reading, db: Db) -> None:
    db.say("s1", "user", "one")
    db.say("s1", "user", raw='[{"type": "text", "te', at=T0 + 77)
    db.say("s1", "user", "three")
    spans, _ = reading.database(FORMAT, db.path)
    assert reading.said(spans) == [("user", "one"), ("user", "three")]
    (defect,) = [span for span in spans if span.defect]
    assert defect.defect == "broken_json"
    assert str(T0 + 77).encode() in defect.sample


def test_older_columns_suffice(reading: Reading, tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE sessions(id text)")
    connection.execute("CREATE TABLE messages(id integer primary key, session_id text, role text, content_json text)")
    connection.execute("""INSERT INTO messages VALUES (1, 's', 'user', '[{"type":"text","text":"hi"}]')""")
    spans, _ = reading.database(FORMAT, path)
    assert [(m.text, m.session_id, m.timestamp) for m in reading.messages(spans)] == [("hi", "s", 7)]
