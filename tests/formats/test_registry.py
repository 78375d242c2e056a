"""The table of formats, and which one a source is taken for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from memento_ingest.formats import registry
from memento_ingest.formats.base import DatabaseFormat, DocumentFormat, LineFormat
from memento_ingest.formats.registry import UnknownFormat, detect, get, names
from memento_ingest.span import SourceInfo
from memento_policies import MementoError

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

HEAD = 64 * 1024
DETECTED = {
    "aider/three-runs.aider.chat.history.md": "aider",
    "aider/one-run.aider.chat.history.md": "aider",
    "chatgpt/branches.json": "chatgpt",
    "claude-ai/attachments.json": "claude-ai",
    "codex/quotes.jsonl": "codex",
    "codex/counts-only.jsonl": "codex",
    "codex/one-call.jsonl": "codex",
    "codex/two-calls.jsonl": "codex",
    "codex/plain.jsonl": "codex",
    "codex/items.jsonl": "codex",
    "copilot/events.jsonl": "copilot",
    "cursor/agent-transcript.jsonl": "cursor-cli",
    "cursor/with-a-call.jsonl": "cursor-cli",
    "gemini/two-turns.json": "gemini-json",
    "gemini/notices.json": "gemini-json",
    "gemini/thoughts.json": "gemini-json",
    "gemini/tool-calls.json": "gemini-json",
    "gemini/snapshot.jsonl": "gemini",
    "gemini/plain.jsonl": "gemini",
    "gemini/full.jsonl": "gemini",
    "cline/api_conversation_history.json": "cline",
    "cline/session_berths.messages.json": "cline",
    "cursor/state.vscdb": "cursor-ide",
    "goose/sessions.db": "goose",
    "openclaw/openclaw-agent.sqlite": "openclaw-sqlite",
    "opencode/storage/message/ses_a/msg_1.json": "opencode-storage",
    "opencode/storage/message/ses_a/msg_2.json": "opencode-storage",
    "opencode/storage/part/msg_1/prt_1.json": "opencode-storage",
    "opencode/storage/part/msg_2/prt_2.json": "opencode-storage",
    "opencode/storage/part/msg_2/prt_3.json": "opencode-storage",
    "opencode/storage/session/p1/ses_a.json": "opencode-storage",
    "opencode/v1/opencode.db": "opencode",
    "opencode/v2/opencode.db": "opencode",
    "generic/langchain_messages.json": "generic-json",
    "generic/messages_parts.jsonl": "generic-jsonl",
    "generic/openai_messages.jsonl": "generic-jsonl",
    "generic/role_content.jsonl": "generic-jsonl",
    "generic/sharegpt.json": "generic-json",
    "generic/sharegpt_tools.json": "generic-json",
    "generic/transcript.md": "markdown",
    "goose/legacy.jsonl": "goose-jsonl",
    "openclaw/0a0b0c0d-0000-4000-8000-000000000001.jsonl": "openclaw",
    "roo/api_conversation_history.json": "roo",
    "pi/full.jsonl": "pi",
    "pi/plain.jsonl": "pi",
}


def detected(head: bytes, name: str, path: str = "") -> str | None:
    found = detect(head[:HEAD], SourceInfo(name, path))
    return found.name if found else None


def test_every_sample_is_taken_for_what_it_is_and_nothing_else(sample_files: Path) -> None:
    for path in sorted(sample_files.rglob("*")):
        if path.is_file():
            name = path.relative_to(sample_files).as_posix()
            expected = "claude-code" if name.startswith("claude-code/") else DETECTED.get(name)
            assert detected(path.read_bytes(), path.name, str(path)) == expected, name


@pytest.mark.parametrize("name", sorted(name for name in DETECTED if DETECTED[name] != "opencode-storage"))
def test_a_sample_read_from_standard_input_is_recognised(reading: Reading, name: str) -> None:
    assert detected(reading.fixture(name), "<stdin>") is not None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "empty.jsonl"),
        ("\n\n", "blank.md"),
        ("import os\n\n\ndef user(): ...\n", "source.py"),
        ("2026-01-01 10:00:00 INFO user: logged in\n" * 50, "server.log"),
        ("user: postgres\npassword: x\nsystem: linux\n", "config.yml"),
        ("user: postgres\nhost: localhost\n", "notes.txt"),
        ("# Project\n\n## Tools\n\n## User guide\n\nUser: admin\n", "README.md"),
        ("a,b,c\n1,2,3\n", "table.csv"),
        (json.dumps({"name": "x", "version": "1", "scripts": {"test": "y"}}), "package.json"),
        (json.dumps({"role": "admin", "content": "x"}), "role.json"),
        (json.dumps({"messages": ["hello", "world"]}), "i18n.json"),
        (json.dumps({"messages": {"user": "hello"}}), "i18n.json"),
        (json.dumps([{"type": "user", "message": "hi", "timestamp": "2026"}]), "logs.json"),
        (json.dumps([{"type": "system", "data": {"cpu": 1}}]), "metrics.json"),
        ('{"level":"info","msg":"user","time":1}\n' * 20, "app.jsonl"),
        ('{"session_id":"a","ts":1,"text":"hi"}\n', "history.jsonl"),
        ('{"display":"hi","timestamp":1,"sessionId":"s","project":"/p"}\n', "history.jsonl"),
        (
            '{"description":"d","id":"1"}\n{"id":"m","role":"user","created":1,"content":[{"type":"text"}]}\n',
            "goose.jsonl",
        ),
        (json.dumps([{"role": "user", "content": [{"type": "text", "text": "x"}]}]), "ui_messages.json"),
        ("{" * 1000, "broken.json"),
        ("[" * 100_000, "deep.json"),
        ("9" * 5000, "number.json"),
        ('{"n":' + "9" * 5000 + "}", "number.json"),
        ('[{"role":"user","n":' + "9" * 5000, "number.json"),
    ],
)
def test_what_is_no_transcript_is_not_taken_for_one(text: str, name: str) -> None:
    assert detected(text.encode(), name) is None


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n\0\0", b"\0" * 1000, b"\xff\xfe{\0}\0", b"SQLite format 3\0", b"%PDF-1.7\n%\xe2"]
)
def test_binary_files_are_not_taken_for_transcripts(data: bytes) -> None:
    assert [detected(data, name) for name in ("a.png", "x.jsonl", "x.md", "<stdin>")] == [None] * 4


def test_claude_codes_lines_win_over_generic_ones() -> None:
    line = {"type": "user", "uuid": "u", "sessionId": "s", "message": {"role": "user", "content": "a"}}
    assert detected(json.dumps({**line, "role": "user", "content": "a"}).encode() + b"\n", "x.jsonl") == "claude-code"


def test_exports_line_by_line_are_resumable_lines() -> None:
    line = json.dumps({"uuid": "c", "chat_messages": [{"uuid": "m", "sender": "human", "text": "a"}]}).encode() + b"\n"
    assert detected(line * 2, "export.json") == "generic-jsonl"
    assert detected(line, "export.jsonl") == "generic-jsonl"
    assert detected(line, "export.json") == "claude-ai"


def test_a_first_line_longer_than_the_head_is_recognised() -> None:
    messages = [{"role": "user", "content": "x" * 1000}] * 200
    line = json.dumps({"messages": messages}).encode() + b"\n"
    assert detected(line * 2, "train.jsonl") == "generic-jsonl"
    assert detected(line, "chat.json") == "generic-json"


def test_some_unknown_lines_do_not_hide_a_transcript() -> None:
    said = '{"role":"user","content":"a"}\n'
    assert detected((said * 9 + '{"event":"end"}\n').encode(), "x.jsonl") == "generic-jsonl"
    assert detected((said + '{"event":"end"}\n' * 9).encode(), "x.jsonl") is None


def test_every_format_of_the_table_is_what_its_name_says() -> None:
    assert names() == list(registry.FORMATS)
    for name in names():
        found = get(name)
        assert found.name == name
        assert get(name) is found
        assert sum(isinstance(found, kind) for kind in (LineFormat, DocumentFormat, DatabaseFormat)) == 1


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UnknownFormat, match=re.escape("no format claud-code: did you mean claude-code?")) as caught:
        get("claud-code")
    assert isinstance(caught.value, MementoError)
    with pytest.raises(UnknownFormat, match="there are opencode, "):
        get("zzz")


def test_the_table_loads_no_format() -> None:
    heavy = ("ijson", "msgspec", "zipfile", "memento_ingest.formats.markdown", "memento_ingest.formats.claude_code")
    code = f"import sys, memento_ingest.formats.registry\nprint([m for m in sys.modules if m in {heavy}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80) | st.text(st.sampled_from('{}[]",:\\ \nrole'), max_size=60).map(str.encode))
def test_detection_never_raises(head: bytes) -> None:
    for name in ("x", "x.jsonl", "x.json", "x.md", "x.zip"):
        detected(head, name)
