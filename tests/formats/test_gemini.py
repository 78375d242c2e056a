"""Gemini CLI's chats: the replay, the older documents, and where the project is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memento_ingest.formats.gemini.transcript import Gemini, GeminiJson
from memento_ingest.formats.registry import detect
from memento_ingest.lines import read_lines
from memento_ingest.span import Line, SourceInfo, Span

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

HEADER = {"sessionId": "s1", "projectHash": "h", "startTime": "2026-09-01T00:00:00Z", "kind": "main"}


def message(message_id: str, text: Any, kind: str = "user", **more: Any) -> dict[str, Any]:
    return {"id": message_id, "timestamp": "2026-09-01T00:00:01Z", "type": kind, "content": text, **more}


def data(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in (HEADER, *records))


def read(reading: Reading, *records: dict[str, Any]) -> list[Span]:
    return reading.spans(Gemini(), data(*records))


def test_a_message_written_again_replaces_itself(reading: Reading) -> None:
    call = {"id": "c1", "name": "ls", "args": {"path": "."}, "status": "executing"}
    done = {**call, "status": "success", "result": [{"functionResponse": {"response": {"output": "a.txt"}}}]}
    records = [
        message("m1", "list"),
        message("m2", "Loo", "gemini", toolCalls=[call]),
        message("m2", "Look", "gemini", toolCalls=[done]),
    ]
    assert reading.longest(read(reading, *records)) == {
        ("gemini", "s1/m1"): "list",
        ("gemini", "s1/m2"): "Look",
        ("gemini", "s1/m2/c1"): "ls: .\n→ a.txt",
    }


def test_a_rewind_marks_that_message_and_all_after_it(reading: Reading) -> None:
    records = [message("m1", "a"), message("m2", "b", "gemini"), message("m3", "c"), {"$rewindTo": "m2"}]
    spans = read(reading, *records, message("m4", "d"), {"$rewindTo": "m4"}, {"$rewindTo": "gone"})
    assert [span.inactive for span in spans if span.inactive] == [("s1/m2", "s1/m3"), ("s1/m4",)]
    assert len(reading.messages(spans)) == 4


def test_replacing_all_messages_brings_no_new_ones_for_known_ids(reading: Reading) -> None:
    listed = [message("m1", "a"), message("m2", "b", "gemini")]
    spans = read(reading, *listed, {"$set": {"messages": [listed[0], message("m3", "c")], "summary": "Letters"}})
    assert [text for _, text in sorted(reading.longest(spans).items())] == ["a", "b", "c"]
    assert [(title.session_id, title.text) for span in spans for title in span.titles] == [("s1", "Letters")]


def test_only_what_a_person_typed_is_a_prompt(reading: Reading) -> None:
    spans = read(
        reading,
        message("m1", [{"text": "<session_context>\nx\n</session_context>"}]),
        message("m2", "explain @a.py\n--- a.py ---\nimport os", displayContent="explain @a.py"),
        message("m3", [{"functionResponse": {"name": "ls"}}]),
        message("m4", [{"text": "hmm", "thought": True}, {"text": "Yes."}], "gemini", thoughts=[{"subject": "s"}]),
        message("m5", "", "gemini", thoughts=[{"subject": "s"}]),
        message("m6", "Update available", "info"),
        message("m7", "x", "brand_new"),
    )
    assert reading.said(spans) == [("user", "explain @a.py"), ("assistant", "Yes.")]
    reasons = ["metadata", "session_context", "no_text", "thinking", "system", "unknown_type"]
    assert [span.skipped for span in spans if span.skipped] == reasons
    assert spans[-1].unknown_type == "brand_new"


def test_a_chat_of_an_older_version_has_the_same_keys(reading: Reading) -> None:
    messages = [message("m1", "a"), message("m2", "b", "gemini", model="g")]
    old = json.dumps({"messages": messages, **HEADER, "summary": "Letters"}, indent=2).encode()
    found = detect(old, SourceInfo("session-2026-09-01T00-00-s1.json"))
    assert isinstance(found, GeminiJson)
    spans = reading.spans(found, old)
    assert reading.messages(spans) == reading.messages(read(reading, *messages))
    assert [title.text for span in spans for title in span.titles] == ["Letters"]


def test_a_subagents_chat_is_marked(reading: Reading) -> None:
    header = {**HEADER, "sessionId": "s2", "kind": "subagent"}
    content = b"".join(json.dumps(record).encode() + b"\n" for record in (header, message("m1", "a")))
    (only,) = reading.messages(reading.spans(Gemini(), content))
    assert (only.session_id, only.meta["sidechain"]) == ("s2", True)


def test_the_project_is_written_beside_the_chats(reading: Reading, tmp_path: Path) -> None:
    chats = tmp_path / "slug" / "chats" / "s1"
    chats.mkdir(parents=True)
    (tmp_path / "slug" / ".project_root").write_text("/home/me/app\n")
    path = chats / "sub.jsonl"
    parser = Gemini().parser(SourceInfo(path.name, str(path)))
    path.write_bytes(data(message("m1", "a")))
    with path.open("rb") as stream:
        spans = [span for line in read_lines(stream) if isinstance(line, Line) for span in parser.feed(line)]
    assert [found.project for found in reading.messages(spans)] == ["/home/me/app"]
    assert [found.project for found in reading.messages(read(reading, message("m1", "a")))] == [""]
