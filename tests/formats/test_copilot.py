"""Copilot CLI's events: prompts, answers, tools, and what nobody typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from memento_ingest.formats.copilot import Copilot
from memento_ingest.span import Span

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

EVENT = "4516b906-e4d1-4709-ab23-562c64fdfab{}"


def event(number: int, kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": data, "id": EVENT.format(number), "timestamp": "2026-09-01T00:00:00Z"}


START = event(0, "session.start", sessionId="s1", context={"cwd": "/w"})


def read(reading: Reading, *records: dict[str, Any]) -> list[Span]:
    return reading.spans(Copilot(), b"".join(json.dumps(record).encode() + b"\n" for record in (START, *records)))


def test_a_turn_with_a_tool(reading: Reading) -> None:
    call = {"toolCallId": "tc-1", "name": "view", "arguments": '{"path": "config.json"}'}
    spans = read(
        reading,
        event(1, "user.message", content="read it"),
        event(2, "assistant.message", content="", reasoningText="hm", toolRequests=[call]),
        event(3, "tool.execution_start", toolCallId="tc-1", toolName="view", arguments={"path": "config.json"}),
        event(4, "tool.execution_complete", toolCallId="tc-1", success=True, result={"content": "{}"}),
        event(5, "tool.execution_complete", toolCallId="tc-2", success=False, error={"message": "denied"}),
        event(6, "assistant.message", content="Done.", model="m"),
        event(7, "session.title_changed", title="Reading"),
    )
    messages = reading.messages(spans)
    assert reading.said(spans) == [
        ("user", "read it"),
        ("tool", "view: config.json\n→ {}"),
        ("tool", "→ denied"),
        ("assistant", "Done."),
    ]
    assert (messages[0].key, messages[3].key) == (EVENT.format(1), EVENT.format(6))
    assert {(message.session_id, message.project) for message in messages} == {("s1", "/w")}
    assert messages[2].meta["is_error"] is True
    assert messages[3].meta == {"model": "m"}
    assert [span.skipped for span in spans] == ["metadata", "", "tool_use", "tool_use", "", "", "", "title"]
    assert [title.text for span in spans for title in span.titles] == ["Reading"]


def test_what_nobody_typed_is_counted(reading: Reading) -> None:
    spans = read(
        reading,
        event(1, "user.message", content="<skill>", source="skill-review"),
        event(2, "system.message", content="You are"),
        event(3, "assistant.reasoning", content="hm"),
        event(4, "hook.start"),
        event(5, "session.compaction_complete", summaryContent="x"),
        event(6, "session.brand_new"),
        event(7, "brand.new"),
    )
    reasons = ["metadata", "instructions", "system", "thinking", "hook_output", "compact_summary", "metadata"]
    assert [span.skipped for span in spans] == [*reasons, "unknown_type"]
    assert spans[-1].unknown_type == "brand.new"


def test_a_subagents_messages_are_marked(reading: Reading) -> None:
    spans = read(reading, event(1, "assistant.message", content="found", parentToolCallId="tc-1"))
    assert reading.messages(spans)[0].meta == {"sidechain": True}
