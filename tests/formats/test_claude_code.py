from __future__ import annotations

import io
import json
from typing import Any

import pytest

from memento_ingest.formats.claude_code import ClaudeCode, parser as parser_module
from memento_ingest.formats.claude_code.envelopes import Prompt, read_prompt
from memento_ingest.formats.shared.tool_text import MAX_INPUT, MAX_OUTPUT
from memento_ingest.lines import read_lines
from memento_ingest.open_line import GuardedParser
from memento_ingest.span import Checkpoint, Line, SourceInfo, Span
from memento_policies import Message

SESSION = "0a1b2c3d-0000-4000-8000-000000000001"
BASE = {"sessionId": "s", "timestamp": "2026-09-01T00:00:00.250Z", "cwd": "/w", "isSidechain": False}
TIME = 1_788_220_800_250


def user(content: Any, uuid: str = "u", parent: str | None = None, **fields: Any) -> dict[str, Any]:
    message = {"role": "user", "content": content}
    return {"type": "user", "uuid": uuid, "parentUuid": parent, "message": message, **BASE, **fields}


def assistant(
    message_id: str | None, *blocks: Any, uuid: str = "a", parent: str | None = None, **fields: Any
) -> dict[str, Any]:
    body = {"id": message_id, "role": "assistant", "model": "m", "content": list(blocks)}
    return {"type": "assistant", "uuid": uuid, "parentUuid": parent, "message": body, **BASE, **fields}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def call(call_id: str, name: str = "Bash", **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def result(call_id: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": content, **fields}


def dump(*found: Any) -> bytes:
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in found)


def parse(data: bytes, name: str = "x.jsonl") -> list[Span]:
    parser = ClaudeCode().parser(SourceInfo(name, modified=5))
    spans = [s for line in read_lines(io.BytesIO(data)) if isinstance(line, Line) for s in parser.feed(line)]
    spans = sorted([*spans, *parser.finish()], key=lambda span: span.offset)
    assert [span.offset + span.length for span in spans] == [*[span.offset for span in spans[1:]], len(data)]
    assert all(sum(map(bool, (span.messages, span.skipped, span.defect))) == 1 for span in spans)
    return spans


def said(*found: Any) -> list[Message]:
    return [message for span in parse(dump(*found)) for message in span.messages]


def skipped(*found: Any) -> list[str]:
    return [span.skipped for span in parse(dump(*found)) if span.skipped]


def test_a_user_and_an_assistant_turn_carry_what_their_records_state() -> None:
    turn, answer = said(user("hi", gitBranch="main"), assistant("msg_1", text("yo")))
    assert turn == Message("user", "hi", TIME, "claude-code", "s", "u", "/w", "turn", {"git_branch": "main"})
    assert answer == Message("assistant", "yo", TIME, "claude-code", "s", "msg_1#0", "/w", "turn", {"model": "m"})


def test_lines_of_one_message_are_one_message() -> None:
    found = [
        user("go"),
        assistant("msg_1", {"type": "thinking", "thinking": "hm"}),
        assistant("msg_1", text("First.")),
        {"type": "progress", "data": {}},
        assistant("msg_1", text("First. And more.")),
        assistant("msg_1", text("Second.")),
        assistant("msg_1", call("t1", command="ls")),
        assistant("msg_2", text("Next.")),
    ]
    assert [message.text for message in said(*found)] == ["go", "First. And more.\n\nSecond.", "Next."]
    assert skipped(*found) == ["thinking", "progress", "merged_block", "merged_block", "tool_use"]


def test_a_later_group_of_the_same_message_has_its_own_key_and_copies_are_skipped() -> None:
    found = [
        assistant("m1", text("one")),
        user("wait", "u1"),
        assistant("m1", text("two")),
        user("go on", "u2"),
        assistant("m1", text("one")),
        assistant("m1", text("two"), text("three")),
    ]
    assert [(m.key, m.text) for m in said(*found) if m.role == "assistant"] == [
        ("m1#0", "one"),
        ("m1#1", "two"),
        ("m1#2", "three"),
    ]
    assert skipped(*found) == ["duplicate_block"]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (assistant("m", text("API Error: 500"), isApiErrorMessage=True), "api_error"),
        (assistant("m", text("(no content)")), "no_text"),
        (assistant("m", {"type": "redacted_thinking", "data": "x"}), "thinking"),
        (user("x", isMeta=True), "meta"),
        (user("x", isVisibleInTranscriptOnly=True), "meta"),
        (user("x", isCompactSummary=True, isVisibleInTranscriptOnly=True), "compact_summary"),
        (user([{"type": "image", "source": {"type": "base64", "data": "AAAA"}}]), "media"),
        (user([text("[Request interrupted by user]")]), "interrupted"),
        (user([result("t", "")]), "empty_result"),
        (user(None), "no_text"),
        ({"type": "progress", "data": {}}, "progress"),
        ({"type": "system", "subtype": "compact_boundary", "content": "x"}, "system"),
        ({"type": "queue-operation", "operation": "enqueue", "content": "x"}, "metadata"),
        ({"type": "file-history-snapshot", "snapshot": {}}, "metadata"),
        ({"type": "attachment", "attachment": {"type": "hook_additional_context", "content": ["x"]}}, "hook_output"),
        ({"type": "attachment", "attachment": {"type": "relevant_memories", "content": "x"}}, "attachment"),
        ({"type": "attachment", "attachment": {"type": "todo_reminder", "content": "x"}}, "attachment"),
        ({"type": "attachment"}, "attachment"),
        ({"type": "brand-new", "x": 1}, "unknown_type"),
        ({}, "unknown_type"),
        ("text", "not_an_object"),
        (None, "not_an_object"),
    ],
)
def test_what_is_nobodys_message_is_skipped_with_a_reason(record: object, reason: str) -> None:
    (span,) = parse(dump(record))
    assert span.skipped == reason


def test_a_synthetic_model_is_an_api_error_and_an_unknown_type_is_named() -> None:
    record = assistant("m", text("Please run /login"))
    record["message"]["model"] = "<synthetic>"
    assert skipped(record) == ["api_error"]
    assert parse(dump({"type": "brand-new"}))[0].unknown_type == "brand-new"


def test_a_tool_call_and_its_result_are_one_message() -> None:
    found = [
        assistant("m", call("t1", command="git status"), text("Looking.")),
        assistant("m", call("t2", "Read", file_path="/a.py")),
        assistant("m", call("t3", "mcp__x__y", query="é", n=1)),
        user([result("t2", [text("line 1"), text("line 2"), {"type": "image", "source": {}}])], "u1"),
        user([result("t1", "clean", is_error=False), result("t3", "boom", is_error=True)], "u2"),
        user([result("t9", "late")], "u3"),
    ]
    tools = [message for message in said(*found) if message.role == "tool"]
    assert [(m.key, m.kind, m.text) for m in tools] == [
        ("t2", "tool_call", "Read: /a.py\n→ line 1\nline 2\n[image]"),
        ("t1", "tool_call", "Bash: git status\n→ clean"),
        ("t3", "tool_call", 'mcp__x__y: {"query": "é", "n": 1}\n→ boom'),
        ("t9", "tool_call", "→ late"),
    ]
    assert [m.meta.get("tool") for m in tools] == ["Read", "Bash", "mcp__x__y", ""]
    assert [m.meta.get("is_error", False) for m in tools] == [False, False, True, False]


def test_long_inputs_and_outputs_keep_head_and_tail() -> None:
    output = "\n".join(f"line {number} of the build" for number in range(5000))
    command = "echo " + "word " * 2000
    (pair,) = said(assistant("m", call("t", command=command)), user([result("t", output)]))
    given, shown = pair.text.split("\n→ ")
    assert len(given) < MAX_INPUT + 100
    assert len(shown) < MAX_OUTPUT + 100
    assert shown.startswith("line 0 of the build")
    assert shown.endswith("line 4999 of the build")
    assert "characters left out] …" in shown
    assert all(part.endswith("of the build") for part in shown.split("\n… [")[0].splitlines())


def test_saved_output_is_only_a_placeholder() -> None:
    (pair,) = said(user([result("t", "Full output saved to: /etc/passwd")]))
    assert pair.text == "→ Full output saved to: /etc/passwd"


def test_a_result_farther_off_than_the_lookback_is_joined_with_the_name_only() -> None:
    between = [{"type": "progress", "n": n} for n in range(parser_module.LOOKBACK_LINES)]
    near, far = between[:-1], between
    start, end = assistant("m", call("t", command="make")), user([result("t", "done")])
    assert said(start, *near, end)[0].text == "Bash: make\n→ done"
    assert said(start, *far, end)[0].text == "Bash\n→ done"


def test_what_is_open_holds_the_checkpoint_back_but_not_for_ever() -> None:
    parser = ClaudeCode().parser(SourceInfo("x"))
    notices = [{"type": "progress", "n": n} for n in range(2 * parser_module.LOOKBACK_LINES)]
    data = dump(user("go"), assistant("m", text("Wait.")), assistant("m", call("t", command="make")), *notices)
    behind = []
    for number, line in enumerate(read_lines(io.BytesIO(data))):
        assert isinstance(line, Line)
        parser.feed(line)
        behind.append(number + 1 - data[: parser.checkpoint().offset].count(b"\n"))
    assert behind[:4] == [0, 1, 2, 3]
    assert max(behind) <= 2 * parser_module.LOOKBACK_LINES
    assert behind[-1] == 0


@pytest.mark.parametrize(
    ("written", "prompt"),
    [
        ("fix it", Prompt("fix it")),
        ("a < b and <b>bold</b>", Prompt("a < b and <b>bold</b>")),
        ("<ide_opened_file>The user opened /a.py</ide_opened_file>\nfix it", Prompt("fix it")),
        ("<ide_selection>x\ny</ide_selection>\n\n<system-reminder>r</system-reminder> fix it", Prompt("fix it")),
        ("<ide_opened_file>/a.py</ide_opened_file>", Prompt("", "ide_context")),
        ("fix it\n<system-reminder>\nr\n</system-reminder>", Prompt("fix it")),
        ("fix <system-reminder>r</system-reminder> it", Prompt("fix\n\nit")),
        ("<system-reminder>r</system-reminder>\n<system-reminder>q</system-reminder>", Prompt("", "system_reminder")),
        ("<command-name>/clear</command-name>\n<command-message>clear</command-message>", Prompt("", "command")),
        (
            "<command-message>review</command-message>\n<command-name>/review</command-name>\n"
            "<command-args>the auth module, please</command-args>",
            Prompt("/review the auth module, please", command="/review"),
        ),
        ("<local-command-stdout>out</local-command-stdout>", Prompt("", "local_command")),
        ("<local-command-caveat>Caveat: x</local-command-caveat>", Prompt("", "local_command")),
        ("<bash-input>ls</bash-input>", Prompt("", "local_command")),
        ("<bash-stdout>a</bash-stdout><bash-stderr></bash-stderr>", Prompt("", "local_command")),
        ("<task-notification>\n<task-id>1</task-id>\n</task-notification>", Prompt("", "task_notification")),
        ('<teammate-message teammate_id="a">hi</teammate-message>', Prompt("", "teammate_message")),
        ("<user-memory-input>always use uv</user-memory-input>", Prompt("always use uv")),
        ("<memento-recall>quoted</memento-recall> fix it", Prompt("<memento-recall>quoted</memento-recall> fix it")),
        ("[Request interrupted by user for tool use]", Prompt("", "interrupted")),
        ("[image]\n\n[document]", Prompt("", "media")),
        ("[image]\n\nwhat is this?", Prompt("[image]\n\nwhat is this?")),
        (" \n ", Prompt("", "no_text")),
    ],
)
def test_prompts_and_envelopes(written: str, prompt: Prompt) -> None:
    assert read_prompt(written) == prompt


def test_a_queued_prompt_is_a_user_turn_unless_it_is_an_envelope() -> None:
    def queued(prompt: Any, **fields: Any) -> dict[str, Any]:
        return {"type": "attachment", "attachment": {"type": "queued_command", "prompt": prompt}, **BASE, **fields}

    first, second = said(queued("also run the tests", uuid="q1"), queued([text("and lint")]))
    assert (first.role, first.key, first.text) == ("user", "q1", "also run the tests")
    assert (second.text, len(second.key)) == ("and lint", 32)
    assert skipped(queued("<task-notification>x</task-notification>")) == ["task_notification"]


def test_a_copy_in_a_fork_has_the_key_of_its_original() -> None:
    (original,) = said(user("hi", "u1"))
    (copy,) = said(user("hi", "u9", forkedFrom={"sessionId": "s", "messageUuid": "u1"}, sessionId="other"))
    assert copy.key == original.key == "u1"
    assert copy.session_id == "other"


def test_records_without_ids_are_keyed_by_what_was_said_before() -> None:
    old = [
        {"type": "user", "timestamp": "2024-01-01T00:00:00Z", "message": {"content": "hello"}},
        {"type": "assistant", "message": {"content": [text("Hi")]}},
        {"type": "user", "message": {"content": "hello"}},
    ]
    keys = [message.key for message in said(*old)]
    assert len(set(keys)) == 3
    assert [message.key for message in said(*old, user("more"))][:3] == keys
    assert said(*old)[1].timestamp == 1_704_067_200_000


def test_the_session_is_the_files_and_a_sidechains_the_records() -> None:
    data = dump(user("a", "u1", sessionId="one"), user("b", "u2", sessionId="two", isSidechain=True, agentId="ag"))
    first, second = [message for span in parse(data, f"{SESSION}.jsonl") for message in span.messages]
    assert first.session_id == SESSION
    assert (second.session_id, second.meta) == ("two", {"agent_id": "ag", "sidechain": True})
    (message,) = [m for span in parse(dump(user("b", isSidechain=True)), "agent-77.jsonl") for m in span.messages]
    assert (message.session_id, message.meta["agent_id"]) == ("s", "77")


def test_time_and_folder_are_carried_forward() -> None:
    bare = {"type": "user", "message": {"content": "x"}}
    first, second, third = said({**bare, "uuid": "1"}, user("y", "2"), {**bare, "uuid": "3"})
    assert (first.timestamp, first.project) == (5, "")
    assert (second.timestamp, third.timestamp, third.project) == (TIME, TIME, "/w")
    (number,) = said({**bare, "uuid": "4", "timestamp": TIME})
    assert number.timestamp == TIME


def test_titles_rank() -> None:
    spans = parse(
        dump(
            {"type": "summary", "summary": "Old", "leafUuid": "x"},
            {"type": "custom-title", "customTitle": "Mine", "sessionId": SESSION},
            {"type": "ai-title", "aiTitle": "Guess", "sessionId": SESSION},
        ),
        f"{SESSION}.jsonl",
    )
    titles = [title for span in spans for title in span.titles]
    assert [(title.text, title.rank) for title in titles] == [("Old", 0), ("Mine", 2), ("Guess", 1)]
    assert {title.session_id for title in titles} == {SESSION}
    assert not parse(dump({"type": "summary", "summary": "Whose?"}))[0].titles


def test_a_rewind_marks_what_it_leaves_and_parallel_calls_are_no_branch() -> None:
    found = [
        user("go", "u1"),
        assistant("m1", call("t1"), uuid="a1", parent="u1"),
        assistant("m1", call("t2"), uuid="a2", parent="a1"),
        user([result("t1", "x")], "r1", "a1"),
        user([result("t2", "y")], "r2", "a2"),
        assistant("m2", text("done"), uuid="a3", parent="r1"),
        user("next", "u2", "a3"),
        assistant("m3", text("wrong way"), uuid="a4", parent="u2"),
        user("next, but better", "u3", "a3"),
        user("next, but better", "u3", "a3"),
    ]
    spans = parse(dump(*found))
    assert [span.inactive for span in spans if span.inactive] == [("u2", "m3#0")]


def test_fields_of_the_wrong_type_cost_only_themselves() -> None:
    (message,) = said({**user("hi"), "cwd": 7, "isMeta": "no", "gitBranch": ["x"], "timestamp": {"a": 1}})
    assert (message.text, message.project, message.timestamp) == ("hi", "", 5)
    (message,) = said({**user(["plain", 5, text("block")])})
    assert message.text == "plain\n\nblock"


def test_nul_characters_are_dropped() -> None:
    prompt, pair = said(user("a\0b"), user([result("t", "x\0y")], "u2"))
    assert (prompt.text, pair.text) == ("ab", "→ xy")


def test_a_spliced_line_gives_its_whole_records_and_quarantines_the_rest() -> None:
    cut = dump(assistant("m1", text("lost")))[:-20]
    data = cut + dump(user("kept", "u1")).strip() + dump(user("kept too", "u2"))
    spans = parse(data)
    assert [m.text for span in spans for m in span.messages] == ["kept", "kept too"]
    assert {span.defect for span in spans if not span.messages} == {"broken_json"}
    assert b"lost" in b"".join(span.sample for span in spans)


def test_an_unfinished_last_line_is_read_but_not_passed() -> None:
    first, last = dump(user("one", "u1")), dump(user("two", "u2"))
    for tail in (last[:-1], last[:40]):
        parser = GuardedParser(ClaudeCode().parser(SourceInfo("x")))
        spans = [*parser.feed(Line(0, first)), *parser.feed(Line(len(first), tail)), *parser.finish()]
        assert sum(span.length for span in spans) == len(first) + len(tail)
        assert parser.checkpoint().offset == len(first)


def test_an_unknown_state_begins_anew() -> None:
    parser = ClaudeCode().parser(SourceInfo("x"), Checkpoint(10, {"line": "seven"}))
    assert parser.checkpoint() == (10, {})


def test_sniffing() -> None:
    def sniffs(data: bytes) -> bool:
        return ClaudeCode().sniff(data, SourceInfo("x"))

    assert sniffs(dump(user("hi")))
    assert sniffs(b"\0\0garbage\n" + dump({"type": "mode", "sessionId": "s"}))
    assert sniffs(
        dump(user("x" * 70_000, parent=None))[:65536]
        .replace(b'"type": "user", ', b"", 1)
        .replace(b'{"uuid"', b'{"type":"user","sessionId":"s","uuid"')
    )
    for other in (
        {"role": "user", "content": "hi"},
        {"type": "session_meta", "payload": {}},
        ["user"],
        {"type": "user"},
    ):
        assert not sniffs(dump(other))
    assert not sniffs(b"")
