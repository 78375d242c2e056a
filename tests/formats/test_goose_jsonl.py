"""Goose's sessions as lines: tools in both shapes, titles, and keys that outlive the move into a database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from memento_ingest.formats.goose.lines import GooseJsonl
from memento_ingest.span import SourceInfo

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

HEADER = {"description": "Greeting", "id": "s1", "working_dir": "/w", "message_count": 2}
OUTPUT = [{"type": "text", "text": "a.txt"}]


def said(role: str, *content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"role": role, "created": 1784278801, "content": list(content), **more}


def data(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


@pytest.mark.parametrize("value", [OUTPUT, {"content": OUTPUT, "isError": False}])
def test_a_request_and_its_response_are_one_message(reading: Reading, value: Any) -> None:
    call = {"status": "success", "value": {"name": "shell", "arguments": {"command": "ls"}}}
    content = data(
        HEADER,
        said("assistant", {"type": "text", "text": "Look."}, {"type": "toolRequest", "id": "c1", "toolCall": call}),
        said("user", {"type": "toolResponse", "id": "c1", "toolResult": {"status": "success", "value": value}}),
        said("user", {"type": "toolResponse", "id": "c2", "toolResult": {"status": "error", "error": "denied"}}),
        said("assistant", {"type": "thinking", "thinking": "hm"}),
        said("user", {"type": "text", "text": "x"}, metadata={"userVisible": False}),
        said("developer", {"type": "text", "text": "x"}),
    )
    spans = reading.spans(GooseJsonl(), content)
    assert reading.said(spans) == [("assistant", "Look."), ("tool", "shell: ls\n→ a.txt"), ("tool", "→ denied")]
    assert [span.skipped for span in spans] == ["metadata", "", "", "", "thinking", "hidden", "unknown_type"]
    assert {(message.source, message.session_id, message.project) for message in reading.messages(spans)} == {
        ("goose", "s1", "/w")
    }
    assert [title.text for span in spans for title in span.titles] == ["Greeting"]


def test_ids_are_no_part_of_the_keys(reading: Reading) -> None:
    records = [said("user", {"type": "text", "text": "hi"}, id=name) for name in ("msg1", "msg_s1_0")]
    keys = [reading.messages(reading.spans(GooseJsonl(), data(HEADER, record)))[0].key for record in records]
    assert keys[0] == keys[1]


def test_a_session_without_an_id_is_named_after_its_file(reading: Reading) -> None:
    content = data({"description": "", "working_dir": "/w"}, said("user", {"type": "text", "text": "hi"}))
    assert reading.messages(reading.spans(GooseJsonl(), content, "20250724_1.jsonl"))[0].session_id == "20250724_1"
    assert GooseJsonl().sniff(content, SourceInfo("20250724_1.jsonl"))
    assert not GooseJsonl().sniff(data(said("user")), SourceInfo("20250724_1.jsonl"))
