"""From an agent's payload to the spool's record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from memento_ingest.events import payload

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    "hook_event_name session_id transcript_path cwd prompt tool_name tool_input tool_response error timestamp "
    "turn_id conversation_id last_assistant_message model text type input-messages".split()
)
PAYLOADS = st.dictionaries(NAMES | st.text(max_size=5), VALUES, max_size=8)


@given(st.lists(PAYLOADS, max_size=5), st.sampled_from(["\n", "", "\n\n ", "\r\n"]), st.sampled_from([None, 1]))
@settings(max_examples=100, deadline=None)
def test_objects_in_a_row(values: list[Any], between: str, indent: int | None) -> None:
    text = between.join(json.dumps(value, indent=indent) for value in values)
    assert list(payload.objects(text)) == values


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_any_text_is_read(text: str) -> None:
    for value in payload.objects(text):
        json.dumps(value)


@given(PAYLOADS, st.text(max_size=8))
@settings(max_examples=200, deadline=None)
def test_any_payload_is_flat_text(value: dict[str, Any], agent: str) -> None:
    record = payload.record(value, agent, 5)
    assert record["agent"]
    assert record["event"]
    assert (record.pop("v"), record.pop("received")) == (1, 5)
    assert all(isinstance(text, str) and text for text in record.values())


def test_a_flood_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "MAX_OBJECTS", 3)
    assert list(payload.objects("{} {} {}")) == [{}, {}, {}]
    assert list(payload.objects("{} {} {} {} {}")) == [{}, {}, {}, None]


@pytest.mark.parametrize(
    ("said", "agent"),
    [
        ({"hook_event_name": "Stop", "prompt_id": "p"}, "claude-code"),
        ({"hook_event_name": "Stop", "turn_id": "p"}, "codex"),
        ({"hook_event_name": "SessionEnd", "transcript_path": "/h/.codex/sessions/rollout-1.jsonl"}, "codex"),
        ({"type": "agent-turn-complete", "thread-id": "t"}, "codex"),
        ({"hook_event_name": "BeforeAgent"}, "gemini"),
        ({"hook_event_name": "SessionEnd", "transcript_path": "/h/.gemini/tmp/x", "timestamp": "t"}, "gemini"),
        ({"hook_event_name": "stop", "conversation_id": "c"}, "cursor"),
        ({"hook_event_name": "Stop", "timestamp": "t"}, "copilot"),
        ({"sessionId": "s", "timestamp": 1}, "copilot"),
    ],
)
def test_the_agent_is_told_by_its_payload(said: dict[str, Any], agent: str) -> None:
    assert payload.record(said, "", 0)["agent"] == agent
    assert payload.record(said, "Other Agent", 0)["agent"] == agent
    assert payload.record(said, "other-agent", 0)["agent"] == "other-agent"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"tool_response": {"stdout": "out", "stderr": ""}}, {"tool_output": "out"}),
        ({"tool_result": {"text_result_for_llm": "seen", "result_type": "success"}}, {"tool_output": "seen"}),
        ({"toolArgs": '{"a": 1}', "toolName": "bash"}, {"tool_input": '{"a": 1}', "tool": "bash"}),
        ({"tool_input": {"b": 1}}, {"tool_input": '{"b": 1}'}),
        ({"tool_name": "Bash", "error": "no"}, {"tool": "Bash", "tool_output": "no", "is_error": "true"}),
        ({"workspace_roots": ["/w"], "user_email": "a@b.c"}, {"cwd": "/w"}),
        ({"transcript_path": None, "agent_transcript_path": "/s"}, {"transcript_path": "/s"}),
        ({"llm_request": {"messages": ["long"]}}, {}),
    ],
)
def test_fields(said: dict[str, Any], expected: dict[str, str]) -> None:
    record = payload.record(said, "x", 0)
    assert {name: record[name] for name in record if name not in ("v", "id", "agent", "event", "received")} == expected
