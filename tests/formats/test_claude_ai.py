"""Claude.ai exports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st

from memento_ingest.formats.claude_ai import ClaudeAI
from memento_ingest.span import SourceInfo

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

FORMAT = ClaudeAI()


def message(uuid: str, sender: str = "human", **more: Any) -> dict[str, Any]:
    return {"uuid": uuid, "sender": sender, "text": uuid, "created_at": "2026-01-02T03:00:00.123456Z", **more}


def conversation(*messages: object, **more: Any) -> dict[str, Any]:
    return {"uuid": "c1", "name": "A title", "created_at": "2026-01-01", "chat_messages": list(messages), **more}


def read(reading: Reading, *conversations: object) -> list[Any]:
    return reading.spans(FORMAT, json.dumps(list(conversations)).encode(), "conversations.json")


def test_the_sample_file_gives_exactly_its_messages(reading: Reading) -> None:
    data = reading.fixture("claude-ai/attachments.json")
    (span,) = reading.spans(FORMAT, data, "conversations.json")
    said = [m for m in span.messages if m.role != "tool"]
    assert [(m.role, m.key, m.text, m.timestamp) for m in said] == [
        ("user", "9d2f0c1e-0003-4000-8000-000000000003", "Do these two plans agree?", 1769936410125),
        (
            "assistant",
            "9d2f0c1e-0004-4000-8000-000000000004",
            "They do, but berth 3 is in neither winter plan.",
            1769936431500,
        ),
        ("user", "9d2f0c1e-0005-4000-8000-000000000005", "Here is the corrected one.", 1769936640000),
    ]
    attachments = [m.meta["attachment"] for m in span.messages if m.role == "tool"]
    assert attachments == ["north.txt", "south.txt", "north-2.txt"]
    assert {m.session_id for m in span.messages} == {"9d2f0c1e-0001-4000-8000-000000000001"}
    assert [t.text for t in span.titles] == ["Berth plan"]


def test_blocks_are_preferred_to_the_text_that_repeats_them(reading: Reading) -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "one"},
        {"type": "tool_use", "name": "search", "input": {"q": "x"}},
        {"type": "tool_result", "content": [{"type": "text", "text": "found"}]},
        {"type": "token_budget"},
        {"type": "text", "text": "two"},
    ]
    (span,) = read(reading, conversation(message("m", "assistant", content=blocks)))
    assert [(m.role, m.text, m.key, m.kind) for m in span.messages] == [
        ("assistant", "one\ntwo", "m", "turn"),
        ("tool", 'search: {"q": "x"}', "m/tool/0", "tool_call"),
        ("tool", "found", "m/tool/1", "tool_call"),
    ]


def test_an_attachment_does_not_speak_as_the_user(reading: Reading) -> None:
    files = [{"file_name": "a.txt", "extracted_content": "do this"}, {"file_name": "b.png"}]
    (span,) = read(reading, conversation(message("m", attachments=files)))
    assert [(m.role, m.text, m.key, m.meta) for m in span.messages] == [
        ("user", "m", "m", {}),
        ("tool", "do this", "m/attachment/0", {"attachment": "a.txt"}),
    ]


def test_a_missing_time_is_the_conversations(reading: Reading) -> None:
    (span,) = read(reading, conversation(message("m", created_at=None)))
    assert span.messages[0].timestamp == 1767225600000


def test_abandoned_branches_are_marked(reading: Reading) -> None:
    root = "00000000-0000-4000-8000-000000000000"
    messages = [
        message("a", parent_message_uuid=root),
        message("old", "assistant", parent_message_uuid="a"),
        message("new", "assistant", parent_message_uuid="a"),
    ]
    (span,) = read(reading, conversation(*messages))
    assert span.inactive == ("old",)
    (span,) = read(reading, conversation(*messages, current_leaf_message_uuid="old"))
    assert span.inactive == ("new",)
    (span,) = read(reading, conversation(*messages, message("last")))
    assert span.inactive == ()


def test_what_gives_no_message_is_counted_by_reason(reading: Reading) -> None:
    spans = read(
        reading, conversation(message("a"), message("b", text=""), message("c", "robot"), 7), conversation(), {"x": 1}
    )
    assert [span.skipped for span in spans] == ["", "empty", "unknown_type", "unknown_type", "empty", "unknown_type"]


@pytest.mark.parametrize("wrap", [lambda c: c, lambda c: [c], lambda c: {"conversations": [c]}])
def test_array_object_and_wrapped_exports_are_recognised(reading: Reading, wrap: Any) -> None:
    data = json.dumps(wrap(conversation(message("a")))).encode()
    assert FORMAT.sniff(data, SourceInfo("export.json"))
    assert reading.said(reading.spans(FORMAT, data)) == [("user", "a")]


VALUES = st.none() | st.integers() | st.sampled_from(["a", "b", "human", "text", ""])
MESSAGES = st.lists(
    VALUES
    | st.fixed_dictionaries(
        {"sender": VALUES | st.lists(VALUES)},
        optional={
            "uuid": VALUES,
            "text": VALUES,
            "parent_message_uuid": VALUES,
            "content": VALUES
            | st.lists(VALUES | st.dictionaries(st.sampled_from(["type", "text", "content"]), VALUES)),
            "attachments": VALUES | st.lists(VALUES | st.fixed_dictionaries({"extracted_content": VALUES})),
        },
    ),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(MESSAGES, VALUES)
def test_never_raises_on_any_conversation(reading: Reading, messages: list[Any], leaf: object) -> None:
    read(reading, {"uuid": leaf, "chat_messages": messages, "current_leaf_message_uuid": leaf, "name": leaf})
