"""opencode: the database of v1 and v2, and the files before it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from memento_ingest.formats.opencode.database import OpenCode
from memento_ingest.formats.opencode.storage import OpenCodeStorage
from memento_ingest.formats.registry import detect
from memento_ingest.span import SourceInfo, Span

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

FORMAT = OpenCode()
T0 = 1767225600000
V1 = """
CREATE TABLE session(id text primary key, parent_id text, directory text, title text);
CREATE TABLE message(id text primary key, session_id text, time_created integer, time_updated integer, data text);
CREATE TABLE part(id text primary key, message_id text, session_id text, time_created integer, time_updated integer,
                  data text);
INSERT INTO session VALUES ('ses_1', NULL, '/w/demo', 'A title');
"""
V2 = """
CREATE TABLE session_v2(id text primary key, parent_id text, directory text, title text);
CREATE TABLE session_message(id text primary key, session_id text, type text, seq integer, time_created integer,
                             time_updated integer, data text);
INSERT INTO session_v2 VALUES ('ses_2', NULL, '/w/two', 'Two');
"""


class Db:
    """A database of opencode's, written as opencode writes it."""

    def __init__(self, path: Path, schema: str = V1) -> None:
        self.path = path
        self.connection = apsw.Connection(str(path))
        self.connection.execute(schema)
        self.now = T0

    def message(self, name: str, role: str = "assistant", **data: Any) -> None:
        value = json.dumps({"role": role, "time": {"created": T0}, **data})
        self.connection.execute("INSERT INTO message VALUES (?, 'ses_1', ?, ?, ?)", (name, T0, T0, value))

    def part(self, name: str, message: str, data: object) -> None:
        value = data if isinstance(data, str) else json.dumps(data)
        self.now += 60_000
        self.connection.execute(
            "INSERT INTO part VALUES (?, ?, 'ses_1', ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET data = excluded.data, time_updated = excluded.time_updated",
            (name, message, self.now, self.now, value),
        )

    def v2(self, name: str, kind: str, data: object) -> None:
        self.now += 60_000
        row = (name, kind, self.now, self.now, json.dumps(data))
        self.connection.execute("INSERT INTO session_message VALUES (?, 'ses_2', ?, 0, ?, ?, ?)", row)


def reasons(spans: list[Span]) -> list[str]:
    return [span.unknown_type or span.skipped for span in spans if span.skipped]


def test_the_sample_of_v1_gives_exactly_its_messages(reading: Reading, tmp_path: Path) -> None:
    path = reading.copy("opencode/v1/opencode.db", tmp_path)
    spans, _ = reading.database(FORMAT, path)
    found = [(m.role, m.text, m.key, m.session_id, m.timestamp, m.project) for m in reading.messages(spans)]
    assert found == [
        ("user", "list the quays", "prt_1", "ses_a", T0, "/w/ferry"),
        ("assistant", "two quays", "prt_3", "ses_a", T0 + 1000, "/w/ferry"),
    ]
    assert reasons(spans) == ["reasoning"]
    assert {(t.session_id, t.text) for span in spans for t in span.titles} == {("ses_a", "Quays")}
    assert [span.length for span in spans] == [42, 48, 37]


def test_the_sample_of_v2_gives_its_messages_and_none_of_v1s(reading: Reading, tmp_path: Path) -> None:
    path = reading.copy("opencode/v2/opencode.db", tmp_path)
    spans, _ = reading.database(FORMAT, path)
    assert [(m.role, m.text, m.key, m.session_id, m.kind) for m in reading.messages(spans)] == [
        ("user", "print the tides", "msg_b1", "ses_b", "turn"),
        ("tool", "bash: lp tides.txt", "msg_b2/c1", "ses_b", "tool_call"),
        ("assistant", "they are printed", "msg_b2", "ses_b", "turn"),
    ]
    assert reasons(spans) == ["reasoning"]


def test_v1_is_read_as_long_as_v2_has_no_rows(reading: Reading, tmp_path: Path) -> None:
    db = Db(tmp_path / "opencode.db", V1 + V2)
    db.message("msg_1", "user")
    db.part("prt_1", "msg_1", {"type": "text", "text": "old"})
    assert reading.said(reading.database(FORMAT, db.path)[0]) == [("user", "old")]
    db.v2("msg_2", "user", {"text": "new"})
    assert reading.said(reading.database(FORMAT, db.path)[0]) == [("user", "new")]


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"type": "reasoning", "text": "a"}, "reasoning"),
        ({"type": "step-start"}, "step"),
        ({"type": "step-finish"}, "step"),
        ({"type": "snapshot"}, "snapshot"),
        ({"type": "patch"}, "patch"),
        ({"type": "file", "mime": "image/png"}, "media"),
        ({"type": "text", "text": "a", "synthetic": True}, "synthetic"),
        ({"type": "text", "text": " "}, "no_text"),
        ({"type": "text"}, "no_text"),
        ({"type": "tool", "tool": "bash", "state": {"status": "running", "input": {"command": "ls"}}}, "tool_use"),
        ({"type": "hologram"}, "hologram"),
        ({}, "(none)"),
        ([1], "not_an_object"),
    ],
)
def test_other_parts_are_dropped_under_their_reason(
    reading: Reading, tmp_path: Path, part: object, reason: str
) -> None:
    db = Db(tmp_path / "opencode.db")
    db.message("msg_1")
    db.part("prt_1", "msg_1", part)
    spans, _ = reading.database(FORMAT, db.path)
    assert reasons(spans) == [reason]
    assert [span.skipped for span in spans if span.unknown_type] == ["unknown_type"] * (
        reason in ("hologram", "(none)")
    )


def test_a_tool_call_waits_for_its_result(reading: Reading, tmp_path: Path) -> None:
    db = Db(tmp_path / "opencode.db")
    db.message("msg_1", modelID="m-1")
    call = {"type": "tool", "tool": "bash", "callID": "c", "state": {"status": "pending", "input": {"command": "ls"}}}
    db.part("prt_1", "msg_1", call)
    spans, mark = reading.database(FORMAT, db.path)
    assert reasons(spans) == ["tool_use"]
    db.part("prt_1", "msg_1", {**call, "state": {"status": "completed", "input": {"command": "ls"}, "output": "a\n"}})
    (message,) = reading.messages(reading.database(FORMAT, db.path, mark)[0])
    assert (message.role, message.kind, message.text) == ("tool", "tool_call", "bash: ls\n→ a")
    assert message.meta == {"model": "m-1", "tool": "bash"}


def test_a_failed_tool_call_says_so(reading: Reading, tmp_path: Path) -> None:
    db = Db(tmp_path / "opencode.db")
    db.message("msg_1")
    state = {"status": "error", "input": {"filePath": "/w/x"}, "error": "File not found"}
    db.part("prt_1", "msg_1", {"type": "tool", "tool": "read", "state": state})
    (message,) = reading.messages(reading.database(FORMAT, db.path)[0])
    assert (message.text, message.meta["is_error"]) == ("read: /w/x\n→ File not found", True)


def test_only_what_is_new_or_has_grown_is_read_again(reading: Reading, tmp_path: Path) -> None:
    db = Db(tmp_path / "opencode.db")
    db.message("msg_1")
    for number in range(20):
        db.part(f"prt_{number:02}", "msg_1", {"type": "text", "text": f"text {number}"})
    _, mark = reading.database(FORMAT, db.path)
    db.part("prt_03", "msg_1", {"type": "text", "text": "text 3 and more"})
    db.part("prt_20", "msg_1", {"type": "text", "text": "text 20"})
    spans, live = reading.database(FORMAT, db.path, mark, live=True)
    # The newest row of the last time is within the overlap.
    assert reading.said(spans) == [("assistant", text) for text in ("text 3 and more", "text 19", "text 20")]
    assert [m.key for m in reading.messages(spans)] == ["prt_03", "prt_19", "prt_20"]
    assert reading.said(reading.database(FORMAT, db.path, live, live=True)[0]) == [("assistant", "text 20")]
    spans, mark = reading.database(FORMAT, db.path, mark)
    assert reading.said(spans) == [("assistant", text) for text in ("text 3 and more", "text 20")]
    assert reading.database(FORMAT, db.path, mark)[0] == []


def test_a_row_with_an_older_time_than_the_newest_is_not_missed(reading: Reading, tmp_path: Path) -> None:
    db = Db(tmp_path / "opencode.db")
    db.message("msg_1")
    db.part("prt_1", "msg_1", {"type": "text", "text": "one"})
    _, mark = reading.database(FORMAT, db.path)
    db.now = T0 - 10_000_000
    db.part("prt_2", "msg_1", {"type": "text", "text": "two"})
    assert ("assistant", "two") in reading.said(reading.database(FORMAT, db.path, mark)[0])


def test_prompts_of_a_child_session_are_no_persons(reading: Reading, tmp_path: Path) -> None:
    db = Db(tmp_path / "opencode.db")
    db.connection.execute("UPDATE session SET parent_id = 'ses_0'")
    db.message("msg_1", "user")
    db.part("prt_1", "msg_1", {"type": "text", "text": "do it"})
    (message,) = reading.messages(reading.database(FORMAT, db.path)[0])
    assert message.meta["sidechain"] is True


def test_the_text_of_a_compaction_is_dropped_and_a_users_summary_is_none(reading: Reading, tmp_path: Path) -> None:
    db = Db(tmp_path / "opencode.db")
    db.message("msg_1", "user", summary={"diffs": []})
    db.message("msg_2", "assistant", summary=True)
    db.part("prt_1", "msg_1", {"type": "text", "text": "hello"})
    db.part("prt_2", "msg_2", {"type": "text", "text": "so far: hello"})
    spans, _ = reading.database(FORMAT, db.path)
    assert reading.said(spans) == [("user", "hello")]
    assert reasons(spans) == ["compact_summary"]


def test_a_part_without_its_message_is_counted(reading: Reading, tmp_path: Path) -> None:
    db = Db(tmp_path / "opencode.db")
    db.part("prt_1", "gone", {"type": "text", "text": "hello"})
    db.connection.execute("INSERT INTO message VALUES ('odd', 'ses_1', 1, 1, '{broken')")
    db.part("prt_2", "odd", {"type": "text", "text": "hello"})
    assert reasons(reading.database(FORMAT, db.path)[0]) == ["no_message", "no_message"]


def test_another_versions_columns_may_be_missing(reading: Reading, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE message(id text, session_id text, data text)")
    connection.execute("CREATE TABLE part(id text, message_id text, session_id text, data text)")
    connection.execute("""INSERT INTO message VALUES ('m', 's', '{"role":"user"}')""")
    connection.execute("""INSERT INTO part VALUES ('p', 'm', 's', '{"type":"text","text":"hi"}')""")
    spans, mark = reading.database(FORMAT, path)
    (message,) = reading.messages(spans)
    assert (message.session_id, message.timestamp, message.project) == ("s", 7, "")
    connection.execute("""INSERT INTO part VALUES ('q', 'm', 's', '{"type":"text","text":"ho"}')""")
    assert reading.said(reading.database(FORMAT, path, mark)[0])[-1] == ("user", "ho")


def test_v2s_shells_and_notices(reading: Reading, tmp_path: Path) -> None:
    db = Db(tmp_path / "opencode.db", V2)
    db.v2("m1", "shell", {"command": "ls", "output": "a b", "time": {"created": T0}})
    db.v2("m2", "synthetic", {"text": "context"})
    db.v2("m3", "compaction", {"summary": "so far"})
    db.v2("m4", "oracle", {})
    db.v2("m5", "assistant", {"content": [{"type": "tool", "id": "c", "name": "x", "state": {"status": "running"}}]})
    db.v2("m6", "assistant", {"content": []})
    db.v2("m7", "user", "not an object")
    spans, _ = reading.database(FORMAT, db.path)
    assert reading.said(spans) == [("tool", "shell: ls\n→ a b")]
    assert reasons(spans) == ["synthetic", "compact_summary", "oracle", "tool_use", "no_text", "not_an_object"]


@pytest.fixture
def storage(tmp_path: Path, sample_files: Path) -> Path:
    """Return a copy of the sample's storage folder."""
    folder = tmp_path / "storage"
    shutil.copytree(sample_files / "opencode" / "storage", folder, copy_function=shutil.copyfile)
    return folder


def read_storage(folder: Path) -> list[Span]:
    spans: list[Span] = []
    for path in sorted(folder.rglob("*.json")):
        info = SourceInfo(path.name, str(path), 7)
        found = detect(path.read_bytes(), info)
        if isinstance(found, OpenCodeStorage):
            with path.open("rb") as stream:
                read = list(found.read(stream, info))
            assert sum(span.length for span in read) == path.stat().st_size
            spans += read
        else:
            assert (found, path.parent.name) == (None, "project")
    return spans


def test_the_sample_of_the_storage_folder_gives_exactly_its_messages(reading: Reading, storage: Path) -> None:
    spans = read_storage(storage)
    assert [(m.role, m.text, m.key, m.session_id, m.timestamp, m.project) for m in reading.messages(spans)] == [
        ("user", "list the quays", "prt_1", "ses_a", T0, "/w/ferry"),
        ("tool", "bash: ls quays\n→ north south", "prt_2", "ses_a", T0 + 1000, "/w/ferry"),
        ("assistant", "two quays", "prt_3", "ses_a", T0 + 1000, "/w/ferry"),
    ]
    assert reasons(spans) == ["metadata"] * 3
    assert [(t.session_id, t.text) for span in spans for t in span.titles] == [("ses_a", "Quays")] * 4


def test_a_part_moved_into_the_database_keeps_its_key(reading: Reading, storage: Path, tmp_path: Path) -> None:
    path = reading.copy("opencode/v1/opencode.db", tmp_path)
    in_files = reading.longest(read_storage(storage))
    assert reading.longest(reading.database(FORMAT, path)[0]).items() <= in_files.items()


def test_ids_in_a_part_lead_to_no_other_folder(reading: Reading, storage: Path) -> None:
    path = storage / "part" / "msg_1" / "prt_1.json"
    (storage.parent / "outside.json").write_text('{"role": "user"}')
    part = json.loads(path.read_text()) | {"sessionID": "..", "messageID": "../../outside"}
    path.write_text(json.dumps(part))
    spans = read_storage(storage)
    assert ("user", "list the quays") not in reading.said(spans)
    assert reasons(spans).count("no_message") == 1


def test_a_part_cut_short_is_a_defect(storage: Path) -> None:
    path = storage / "part" / "msg_1" / "prt_1.json"
    data = path.read_bytes()[:-20]
    path.write_bytes(data)
    with path.open("rb") as stream:
        (span,) = OpenCodeStorage().read(stream, SourceInfo(path.name, str(path)))
    assert (span.defect, span.length, span.sample) == ("broken_json", len(data), data)
