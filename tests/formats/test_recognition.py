"""Telling an agent's files from those of agents that imitate it, and reading enough of a file for that."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from memento_ingest.formats.recognition import HEAD_BYTES, LONGEST_HEAD, Peek, recognise
from memento_ingest.span import SourceInfo

AT = "2026-03-01T10:00:00.000Z"
LONG = "We decided to paint the whole pier blue. " * 4_000


def lines(*records: Any) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def format_of(data: bytes, name: str = "x.jsonl") -> str | None:
    found = recognise(Peek(io.BytesIO(data)), SourceInfo(name)).format
    return found.name if found else None


def claude(text: str = "hi", **more: Any) -> dict[str, Any]:
    return {
        "type": "user",
        "uuid": "1",
        "sessionId": "s",
        "timestamp": AT,
        "message": {"role": "user", "content": text},
        **more,
    }


def qwen(text: str = "hi") -> dict[str, Any]:
    return {**claude(), "message": {"role": "user", "parts": [{"text": text}]}}


def droid(*content: Any) -> dict[str, Any]:
    return {"type": "message", "id": "1", "timestamp": AT, "message": {"role": "user", "content": list(content)}}


SYSTEM = {"type": "system", "uuid": "0", "sessionId": "s", "subtype": "ui_telemetry", "systemPayload": {}}
CALL = {"type": "tool_use", "id": "c", "name": "Execute", "input": {}}
TEXT = {"type": "text", "text": "hi"}
DEEPSEEK = {"0": {"id": "0", "parent": None, "message": None}, "1": {"id": "1", "message": {"fragments": []}}}


@pytest.mark.parametrize(
    "data",
    [
        lines(qwen()),
        lines(SYSTEM, qwen()),
        lines(qwen(LONG), qwen()),
        lines({**qwen(), "message": {"role": "model", "parts": []}}),
        lines({"type": "session_start", "id": "s", "version": 2}, droid(TEXT)),
        lines(droid(TEXT), droid(CALL)),
        lines(
            {"sessionId": "s", "projectHash": "h", "startTime": AT},
            {"id": "1", "timestamp": AT, "type": "qwen", "content": "x"},
        ),
    ],
)
def test_a_relative_is_not_taken_for_the_agent(data: bytes) -> None:
    assert format_of(data) is None


def test_exports_of_others_are_not_taken_for_chatgpts() -> None:
    theirs = {"title": "t", "inserted_at": AT, "mapping": DEEPSEEK}
    assert format_of(json.dumps([theirs]).encode(), "conversations.json") is None
    ours = {**DEEPSEEK, "1": {"id": "1", "message": {"author": {"role": "user"}, "content": {"parts": ["x"]}}}}
    assert (
        format_of(json.dumps([{"title": "t", "create_time": 1.0, "mapping": ours}]).encode(), "conversations.json")
        == "chatgpt"
    )
    qwens = {
        "sessionId": "s",
        "projectHash": "h",
        "messages": [{"id": "1", "timestamp": AT, "type": "qwen", "content": "x"}],
    }
    assert format_of(json.dumps(qwens).encode(), "session.json") is None


@pytest.mark.parametrize(
    ("first", "name"),
    [
        (claude(LONG), "claude-code"),
        ({"message": {"content": LONG, "role": "user"}, "type": "user", "sessionId": "s", "uuid": "1"}, "claude-code"),
        ({"payload": {"type": "message", "content": LONG}, "timestamp": AT, "type": "response_item"}, "codex"),
        ({"data": {"content": LONG}, "id": "1", "type": "user.message"}, "copilot"),
        ({"content": LONG, "id": "1", "timestamp": AT, "type": "user"}, "gemini"),
        ({"content": LONG, "role": "user"}, "generic-jsonl"),
    ],
)
def test_a_first_line_longer_than_the_head(first: dict[str, Any], name: str) -> None:
    """Whatever stands first in the record, and whether the line has an end yet."""
    assert len(lines(first)) > HEAD_BYTES
    assert format_of(lines(first, first)) == name
    assert format_of(lines(first).rstrip(b"\n")) == name


def test_the_head_of_a_very_long_line_is_enough_where_its_fields_come_first() -> None:
    assert format_of(lines(claude("x" * (LONGEST_HEAD + 1)))) == "claude-code"


def test_a_document_is_told_by_its_content_not_by_its_suffix() -> None:
    chat = {
        "sessionId": "s",
        "projectHash": "h",
        "messages": [{"id": "1", "timestamp": AT, "type": "user", "content": "x"}],
    }
    for suffix in ("json", "jsonl"):
        assert format_of(json.dumps(chat, indent=2).encode(), f"session.{suffix}") == "gemini-json"


def test_the_stream_is_whole_after_a_look(tmp_path: Path) -> None:
    peek = Peek(io.BytesIO(b"a" * 100))
    assert (peek(10), peek(5), peek(1_000)) == (b"a" * 10, b"a" * 5, b"a" * 100)
    assert peek.head == b"a" * 100


def test_a_chat_on_one_line_is_a_document_whatever_its_name() -> None:
    message = {"id": "1", "timestamp": AT, "type": "user", "content": "hi"}
    chat = {"sessionId": "s", "projectHash": "h", "startTime": AT, "messages": [message]}
    assert format_of(lines(chat), "session-1.jsonl") == "gemini-json"
    header = {name: value for name, value in chat.items() if name != "messages"}
    assert format_of(lines(header, message), "session-1.jsonl") == "gemini"


def test_an_export_is_told_by_a_conversation_in_which_nothing_was_said() -> None:
    root: dict[str, Any] = {"root": {"id": "root", "parent": None, "children": [], "message": None}}
    theirs = {"id": "c", "title": "t", "inserted_at": AT, "mapping": root}
    assert format_of(json.dumps([theirs]).encode(), "conversations.json") is None
    ours = {"id": "c", "title": "t", "create_time": 1.0, "current_node": None, "mapping": {}}
    assert format_of(json.dumps([ours]).encode(), "conversations.json") == "chatgpt"


def test_the_oldest_rollouts_are_told_by_name_and_first_line() -> None:
    first: dict[str, Any] = {"id": "1", "timestamp": AT, "instructions": None, "git": {}}
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    assert format_of(lines(first, item), "rollout-2025-05-01T00-00-00-1.jsonl") == "codex"
    assert format_of(lines(first, item), "other.jsonl") != "codex"
