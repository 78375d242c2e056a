"""Pi's and OpenClaw's sessions: branches, forks, tools, and which of the two a file is of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from memento_ingest.formats.pi.transcript import OpenClaw, Pi
from memento_ingest.formats.registry import detect
from memento_ingest.span import SourceInfo, Span

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

SESSION = "a1b2c3d4-e5f6-4a7b-8c9d-0e1f2a3b4c5d"
TIME = "2026-09-01T00:00:00Z"


def header(session: str = SESSION) -> dict[str, Any]:
    return {"type": "session", "version": 3, "id": session, "timestamp": TIME, "cwd": "/w"}


def entry(entry_id: str, parent: str | None, role: str, content: Any = "", **more: Any) -> dict[str, Any]:
    message = {"role": role, "content": content, **more}
    return {"type": "message", "id": entry_id, "parentId": parent, "timestamp": TIME, "message": message}


def data(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def read(reading: Reading, *records: dict[str, Any]) -> list[Span]:
    return reading.spans(Pi(), data(*records))


def test_a_turn_that_goes_on_from_an_earlier_entry_leaves_a_branch(reading: Reading) -> None:
    spans = read(
        reading,
        header(),
        entry("1", None, "user", "a"),
        entry("2", "1", "assistant", "b"),
        {"type": "model_change", "id": "3", "parentId": "2", "timestamp": TIME, "modelId": "m"},
        entry("4", "3", "user", "c"),
        entry("5", "2", "user", "d"),
    )
    texts = {message.key: message.text for message in reading.messages(spans)}
    assert [[texts[key] for key in span.inactive] for span in spans if span.inactive] == [["c"]]


def test_a_forks_copy_converges(reading: Reading) -> None:
    said = [entry("1", None, "user", "a"), entry("2", "1", "assistant", "b")]
    whole, fork = read(reading, header(), *said), read(reading, header("fork"), *said, entry("3", "2", "user", "c"))
    keys = [[message.key for message in reading.messages(spans)] for spans in (whole, fork)]
    assert keys[1][:2] == keys[0]
    assert len(set(keys[1])) == 3


def test_calls_and_commands_are_tool_messages(reading: Reading) -> None:
    call = {"type": "toolCall", "id": "t1", "name": "read", "arguments": {"path": "a.go"}}
    spans = read(
        reading,
        header(),
        entry("1", None, "assistant", [{"type": "thinking", "thinking": "x"}, call]),
        entry("2", "1", "toolResult", [{"type": "text", "text": "no"}], toolCallId="t1", toolName="read", isError=True),
        entry("3", "2", "toolResult", "alone", toolCallId="t2", toolName="grep"),
        entry("4", "3", "bashExecution", command="false", output="", exitCode=1),
    )
    assert reading.said(spans) == [
        ("tool", "read: a.go\n→ no"),
        ("tool", "grep\n→ alone"),
        ("tool", "bash: false"),
    ]
    assert [message.meta.get("is_error", False) for message in reading.messages(spans)] == [True, False, True]
    assert spans[1].skipped == "tool_use"


def test_what_nobody_said_is_counted(reading: Reading) -> None:
    kinds = ["compaction", "branch_summary", "custom", "custom_message", "label", "brand_new"]
    entries = [{"type": kind, "id": kind, "parentId": None, "timestamp": TIME} for kind in kinds]
    named = {"type": "session_info", "id": "n", "parentId": None, "timestamp": TIME, "name": "Letters"}
    failed = entry("e", None, "assistant", [], stopReason="error", errorMessage="overloaded")
    spans = read(reading, header(), *entries, named, failed, entry("r", None, "brand_new"))
    reasons = ["compact_summary", "compact_summary", "metadata", "injected", "metadata", "unknown_type", "title"]
    assert [span.skipped for span in spans[1:]] == [*reasons, "api_error", "unknown_type"]
    assert [span.unknown_type for span in spans if span.unknown_type] == ["brand_new", "message/brand_new"]
    assert [(title.session_id, title.text) for span in spans for title in span.titles] == [(SESSION, "Letters")]


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        (f"2026-09-01T00-00-00-000Z_{SESSION}.jsonl", "", "pi"),
        ("session.jsonl", "", "pi"),
        (f"{SESSION}.jsonl", "", "openclaw"),
        (f"{SESSION}-topic-7.jsonl", "", "openclaw"),
        (f"{SESSION}.jsonl.reset.2026-09-01", "", "openclaw"),
        ("any.jsonl", "/home/me/.openclaw/agents/main/sessions/any.jsonl", "openclaw"),
        (f"{SESSION}.checkpoint.{SESSION}.jsonl", "", None),
        ("any.checkpoint.1.jsonl", "/home/me/.openclaw/agents/main/sessions/any.checkpoint.1.jsonl", None),
    ],
)
def test_whose_session_a_file_is(name: str, path: str, expected: str | None) -> None:
    found = detect(data(header(), entry("1", None, "user", "a")), SourceInfo(name, path))
    assert (found.name if found else None) == expected


def test_a_session_without_its_head_is_named_after_its_file(reading: Reading) -> None:
    content = data(entry("1", None, "user", "a"))
    for found, name in ((Pi(), f"2026-09-01_{SESSION}.jsonl"), (OpenClaw(), f"{SESSION}-topic-7.jsonl")):
        (message,) = reading.messages(reading.spans(found, content, name))
        assert (message.session_id, message.source) == (SESSION, found.name)
