"""Machine text among the prompts is nobody's word, and what Codex's events alone hold is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from memento_ingest.formats.registry import get

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

CALL = "call_Zk3vQ9xT7bLw2NpR8sYc"


def dump(records: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def test_a_background_task_is_nobodys_word(reading: Reading) -> None:
    tail = "Read the output file to retrieve the result: /tmp/b1.out"
    notice = f"<task-notification>\n<task-id>b1</task-id>\n</task-notification>\n{tail}"
    record = {"type": "user", "sessionId": "s", "timestamp": "2026-03-01T10:00:00.000Z"}
    queued = {"type": "attachment", "uuid": "q", "sessionId": "s", "timestamp": "2026-03-01T10:00:00.000Z"}
    records = [
        {**record, "uuid": "1", "message": {"role": "user", "content": notice}},
        {**record, "uuid": "2", "message": {"role": "user", "content": f"{notice}\n{notice}"}},
        {**record, "uuid": "3", "message": {"role": "user", "content": f"look at the crane\n{notice}"}},
        {**queued, "attachment": {"type": "queued_command", "prompt": "task done", "commandMode": "task-notification"}},
        {
            **queued,
            "uuid": "r",
            "attachment": {"type": "queued_command", "prompt": "and the ropes too", "commandMode": "prompt"},
        },
    ]
    said = reading.said(reading.spans(get("claude-code"), dump(records)))
    assert said == [("user", "look at the crane"), ("user", "and the ropes too")]


def test_codex_keeps_what_nothing_mirrors(reading: Reading) -> None:
    def event(**payload: Any) -> dict[str, Any]:
        return {"timestamp": "2026-03-01T10:00:00Z", "type": "event_msg", "payload": payload}

    def item(**payload: Any) -> dict[str, Any]:
        return {"timestamp": "2026-03-01T10:00:00Z", "type": "response_item", "payload": payload}

    ok = {"Ok": {"content": [{"type": "text", "text": "the crane is free"}]}}
    invocation = {"server": "port", "tool": "look", "arguments": {"q": "crane"}}
    message = "Message Type: FINAL_ANSWER\nSender: /lead/crane\nPayload:\nThe crane is free on Monday."
    records = [
        {"timestamp": "2026-03-01T10:00:00Z", "type": "session_meta", "payload": {"id": "s", "cwd": "/w"}},
        item(type="function_call", name="port.look", arguments='{"q": "crane"}', call_id=CALL),
        event(type="mcp_tool_call_end", call_id=CALL, invocation=invocation, result=ok),
        item(type="function_call_output", call_id=CALL, output="the crane is free"),
        event(type="mcp_tool_call_end", call_id="exec-0a1b2c3d4e5f6071", invocation=invocation, result=ok),
        event(
            type="item_completed",
            item={"type": "CommandExecution", "id": "exec-1a1b2c3d4e5f6071", "command": "ls", "aggregated_output": "a"},
        ),
        item(
            type="agent_message",
            author="/lead/crane",
            recipient="/lead",
            content=[{"type": "input_text", "text": message}],
        ),
    ]
    spans = reading.spans(get("codex"), dump(records))
    assert [span.skipped for span in spans if span.skipped] == ["metadata", "tool_use", "mirrored"]
    tools = [message for message in reading.messages(spans) if message.role == "tool"]
    assert [message.key for message in tools] == [CALL, "exec-0a1b2c3d4e5f6071", "exec-1a1b2c3d4e5f6071"]
    [said] = [message for message in reading.messages(spans) if message.role == "assistant"]
    assert (said.text, said.meta["sidechain"], said.meta["agent_id"]) == (
        "The crane is free on Monday.",
        True,
        "/lead/crane",
    )


def test_words_behind_the_notice_of_an_interruption_are_kept(reading: Reading) -> None:
    def typed(text: str) -> dict[str, Any]:
        content = [{"type": "text", "text": text}]
        return {"type": "user", "uuid": text, "sessionId": "s", "message": {"role": "user", "content": content}}

    records = [
        typed("[Request interrupted by user]"),
        typed("[Request interrupted by user for tool use]\nuse the other pier"),
        typed("paint it\n\n<user-prompt-submit-hook>hooked</user-prompt-submit-hook>"),
        typed("Stop hook feedback:\n- [x.sh]: run the tests"),
        typed("Base directory for this skill: /x\n\n# Paint"),
    ]
    spans = reading.spans(get("claude-code"), dump(records))
    assert reading.said(spans) == [("user", "use the other pier"), ("user", "paint it")]


def test_what_a_review_shall_look_at_is_the_persons(reading: Reading) -> None:
    def event(**payload: Any) -> dict[str, Any]:
        return {"timestamp": "2026-03-01T10:00:00Z", "type": "event_msg", "payload": payload}

    records = [
        {"timestamp": "2026-03-01T10:00:00Z", "type": "session_meta", "payload": {"id": "s", "cwd": "/w"}},
        event(type="entered_review_mode", target={"type": "custom", "instructions": "look at the locks"}),
        event(type="entered_review_mode", target={"type": "uncommittedChanges"}),
    ]
    assert reading.said(reading.spans(get("codex"), dump(records))) == [("user", "look at the locks")]
