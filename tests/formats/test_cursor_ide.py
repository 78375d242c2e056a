"""Cursor's chats in state.vscdb."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from memento_ingest.formats.cursor.ide import CursorIDE
from memento_ingest.formats.registry import detect
from memento_ingest.span import SourceInfo, Span

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

FORMAT = CursorIDE()
SCHEMA = """
CREATE TABLE ItemTable(key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB);
CREATE TABLE cursorDiskKV(key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB);
"""
T0 = 1767225600000


class Db:
    """A state.vscdb."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = apsw.Connection(str(path))
        self.connection.execute(SCHEMA)

    def put(self, key: str, value: object) -> None:
        data = value if isinstance(value, str | bytes) else json.dumps(value).encode()
        self.connection.execute("INSERT INTO cursorDiskKV VALUES (?, ?)", (key, data))

    def bubble(self, name: str, kind: int, text: str = "", **more: Any) -> None:
        self.put(f"bubbleId:c1:{name}", {"type": kind, "text": text, **more})


@pytest.fixture
def db(tmp_path: Path) -> Db:
    return Db(tmp_path / "state.vscdb")


def reasons(spans: list[Span]) -> list[str]:
    return [span.unknown_type or span.skipped for span in spans if span.skipped]


def test_the_sample_gives_exactly_its_messages(reading: Reading, tmp_path: Path) -> None:
    spans, _ = reading.database(FORMAT, reading.copy("cursor/state.vscdb", tmp_path))
    assert [(m.role, m.text, m.key, m.session_id, m.timestamp) for m in reading.messages(spans)] == [
        ("user", "when is high water", "c1/b1", "c1", T0),
        ("assistant", "at noon", "c1/b2", "c1", T0 + 5000),
    ]
    assert reasons(spans) == ["metadata"]
    assert [(t.session_id, t.text) for span in spans for t in span.titles] == [("c1", "Tides")]


def test_no_other_key_is_ever_read(reading: Reading, db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("cursorAuth/accessToken", "bubbleIdx", "composerDat", "agentKv:blob:1", "checkpointId:c1:x", "zzz"):
        db.put(key, b"SECRET")
    db.connection.execute("INSERT INTO ItemTable VALUES ('cursorAuth/refreshToken', 'SECRET')")
    db.bubble("b1", 1, "hi")
    db.put("cursorAuth/later", b"SECRET")
    seen: list[Any] = []
    from memento_ingest.formats.shared.database.sqlite import Database

    def page(self: Database, *args: Any, original: Any = Database.page) -> Any:
        rows = original(self, *args)
        seen.extend(rows)
        return rows

    monkeypatch.setattr(Database, "page", page)
    spans, _ = reading.database(FORMAT, db.path)
    assert reading.said(spans) == [("user", "hi")]
    assert len(seen) == 1
    assert "SECRET" not in repr(seen)


def test_vs_codes_own_state_is_not_taken_for_cursors(tmp_path: Path) -> None:
    path = tmp_path / "state.vscdb"
    apsw.Connection(str(path)).execute("CREATE TABLE ItemTable(key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)")
    assert detect(path.read_bytes(), SourceInfo(path.name, str(path))) is None


def test_a_bubble_that_grew_is_read_again_and_others_are_not(reading: Reading, db: Db) -> None:
    db.put("composerData:c1", {"createdAt": T0})
    for number in range(5):
        db.bubble(f"b{number}", 2, f"text {number}")
    _, mark = reading.database(FORMAT, db.path)
    db.bubble("b2", 2, "text 2 and more")
    db.bubble("b5", 2, "text 5")
    spans, live = reading.database(FORMAT, db.path, mark, live=True)
    # The row of the mark itself is read again, for its number may have been given out twice.
    assert [m.key for m in reading.messages(spans)] == ["c1/b4", "c1/b2", "c1/b5"]
    assert reading.said(spans)[1] == ("assistant", "text 2 and more")
    assert len(reading.database(FORMAT, db.path, live, live=True)[0]) == 1
    spans, mark = reading.database(FORMAT, db.path, mark)
    assert [m.key for m in reading.messages(spans)] == ["c1/b2", "c1/b5"]
    assert reading.database(FORMAT, db.path, mark)[0] == []


def test_rows_behind_a_deleted_mark_are_not_missed(reading: Reading, db: Db) -> None:
    for number in range(5):
        db.bubble(f"b{number}", 1, f"text {number}")
    _, mark = reading.database(FORMAT, db.path)
    db.connection.execute("DELETE FROM cursorDiskKV WHERE key >= 'bubbleId:c1:b3'")
    for name in ("x", "y"):  # they get the numbers of the deleted
        db.bubble(name, 1, f"new {name}")
    said = reading.said(reading.database(FORMAT, db.path, mark)[0])
    assert said[-2:] == [("user", "new x"), ("user", "new y")]


def test_a_time_comes_from_the_bubble_else_the_composer_else_the_file(reading: Reading, db: Db) -> None:
    db.bubble("b1", 1, "own", createdAt="2026-01-01T00:00:01Z")
    db.bubble("b2", 1, "timing", timingInfo={"clientStartTime": T0 + 2000})
    db.bubble("b3", 1, "composer")
    db.put("bubbleId:c2:b4", {"type": 1, "text": "file"})
    db.put("composerData:c1", {"createdAt": T0})
    db.put("composerData:c2", "{broken")
    messages = reading.messages(reading.database(FORMAT, db.path)[0])
    assert [m.timestamp for m in messages] == [T0 + 1000, T0 + 2000, T0, 7]


def test_tools_thoughts_and_unknown_bubbles(reading: Reading, db: Db) -> None:
    tool = {"name": "run_terminal_cmd", "rawArgs": '{"command": "ls"}', "result": "a b", "status": "completed"}
    db.bubble("b1", 2, toolFormerData=tool)
    db.bubble("b2", 2, toolFormerData={**tool, "result": "", "status": "loading"})
    db.bubble("b3", 2, "Reading it.", toolFormerData={**tool, "status": "error"})
    db.bubble("b4", 2, thinking={"text": "hm"})
    db.bubble("b5", 2)
    db.bubble("b6", 9, "x")
    db.put("bubbleId:c1:b7", "[1]")
    spans, _ = reading.database(FORMAT, db.path)
    assert [(m.role, m.text, m.key, m.kind) for m in reading.messages(spans)] == [
        ("tool", "run_terminal_cmd: ls\n→ a b", "c1/b1/tool", "tool_call"),
        ("assistant", "Reading it.", "c1/b3", "turn"),
        ("tool", "run_terminal_cmd: ls\n→ a b", "c1/b3/tool", "tool_call"),
    ]
    assert [m.meta for m in reading.messages(spans)][2] == {"tool": "run_terminal_cmd", "is_error": True}
    assert reasons(spans) == ["tool_use", "reasoning", "no_text", "bubble 9", "not_an_object"]


def test_an_old_composer_holds_its_bubbles_itself(reading: Reading, db: Db) -> None:
    bubbles = [{"type": 1, "bubbleId": "b1", "text": "hi"}, {"type": 2, "bubbleId": "b2", "text": "ho"}, 5]
    db.put("composerData:c1", {"createdAt": T0, "conversation": bubbles})
    spans, _ = reading.database(FORMAT, db.path)
    assert [(m.role, m.text, m.key) for m in reading.messages(spans)] == [
        ("user", "hi", "c1/b1"),
        ("assistant", "ho", "c1/b2"),
    ]
    assert reasons(spans) == ["not_an_object"]
