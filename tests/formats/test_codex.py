"""Codex's rollouts: three generations, their mirrored turns, forks, tools, and what nobody typed."""

from __future__ import annotations

import json
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any

import pytest

from memento_ingest.formats.codex import Codex
from memento_ingest.span import Line, SourceInfo, Span
from memento_policies import Message

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

THREAD = "01a05a85-f872-79d3-85c3-c1933dc86828"
TIME = "2026-09-01T00:00:00.000Z"
CALL = "call_0123456789abcdef01234567"


def line(kind: str, **payload: Any) -> dict[str, Any]:
    return {"timestamp": TIME, "type": kind, "payload": payload}


def meta(thread: str = THREAD, **more: Any) -> dict[str, Any]:
    return line("session_meta", **{"id": thread, "cwd": "/w", "cli_version": "0.140.0", **more})


def item(role: str, text: str, **more: Any) -> dict[str, Any]:
    return line("response_item", type="message", role=role, content=[{"type": "input_text", "text": text}], **more)


def event(kind: str, **more: Any) -> dict[str, Any]:
    return line("event_msg", type=kind, **more)


def completed(kind: str, turn: str, text: str, **more: Any) -> dict[str, Any]:
    part = {"type": "text" if kind == "UserMessage" else "Text", "text": text}
    return event("item_completed", turn_id=turn, item={"type": kind, "content": [part], **more})


def asked(text: str) -> list[dict[str, Any]]:
    """Return a prompt as the second generation writes it."""
    return [item("user", text), event("user_message", message=text, images=[])]


def answered(text: str) -> list[dict[str, Any]]:
    return [event("agent_message", message=text), item("assistant", text)]


def newly(turn: str, prompt: str, answer: str) -> list[dict[str, Any]]:
    """Return a turn as the third generation writes it."""
    return [
        event("task_started", turn_id=turn),
        item("user", prompt),
        completed("UserMessage", turn, prompt, id="u"),
        completed("AgentMessage", turn, answer, id=f"msg_{turn}"),
        item("assistant", answer, id=f"msg_{turn}"),
    ]


def data(records: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def read(reading: Reading, records: list[dict[str, Any]], name: str = "rollout.jsonl") -> list[Span]:
    return reading.spans(Codex(), data(records), name)


def stored(reading: Reading, *sources: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return what a store holds after reading the sources, in any split."""
    found: dict[str, Message] = {}
    for records in sources:
        content = data(records)
        whole = reading.messages(read(reading, records))
        ends = [place for place, byte in enumerate(content, 1) if byte == 10]
        splits = chain(([end] for end in ends), ([a, b] for a, b in combinations(ends, 2)), [ends])
        for cuts in splits:
            keys = {message.key for message in reading.messages(reading.in_runs(Codex(), content, cuts))}
            assert keys == {message.key for message in whole}
        for message in whole:
            found.setdefault(message.key, message)
    return [(message.role, message.text) for message in found.values()]


def test_prompts_of_the_second_generation_are_its_events(reading: Reading) -> None:
    records = [
        meta(),
        item("user", "# AGENTS.md instructions for /w\n\n<INSTRUCTIONS>x</INSTRUCTIONS>"),
        item("user", "<environment_context>\n<cwd>/w</cwd>\n</environment_context>"),
        item("user", "context of a kind that is not known yet"),
        *asked("hi"),
        *answered("yo"),
        item("user", "<hook_prompt>y</hook_prompt>"),
        item("user", "another of that kind"),
        *asked("again"),
        *answered("yo"),
    ]
    assert stored(reading, records) == [("user", "hi"), ("assistant", "yo"), ("user", "again"), ("assistant", "yo")]
    skipped = [span.skipped for span in read(reading, records) if span.skipped]
    assert skipped == [
        "metadata",
        "instructions",
        "environment_context",
        "mirrored",
        "mirrored",
        "hook_output",
        "mirrored",
        "mirrored",
    ]


def test_prompts_without_events_are_the_items(reading: Reading) -> None:
    records = [meta(), item("user", "<environment_context>x"), item("user", "hi"), item("assistant", "yo")]
    assert stored(reading, records) == [("user", "hi"), ("assistant", "yo")]
    assert stored(reading, [meta(cli_version=None), item("user", "hi")]) == [("user", "hi")]


def test_a_last_prompt_waits_for_its_event(reading: Reading) -> None:
    records = [meta(), item("user", "hi")]
    assert stored(reading, records) == []
    assert read(reading, records)[-1].skipped == "mirrored"
    parser = Codex().parser(SourceInfo("x"))
    content = data(records)
    first = content.index(b"\n") + 1
    list(parser.feed(Line(0, content[:first])))
    list(parser.feed(Line(first, content[first:])))
    assert parser.checkpoint().offset == first


def test_items_say_whether_a_person_typed_them(reading: Reading) -> None:
    typed = {"internal_chat_message_metadata_passthrough": {"turn_id": "t1", "content_item_kinds": ["user.text"]}}
    given = {"internal_chat_message_metadata_passthrough": {"turn_id": "t1", "content_item_kinds": ["skills.x"]}}
    records = [meta(cli_version=None), item("user", "not typed", **given), item("user", "typed", **typed)]
    assert stored(reading, records) == [("user", "typed")]
    assert [span.skipped for span in read(reading, records)] == ["metadata", "injected", ""]


def test_all_forms_of_one_turn_converge(reading: Reading) -> None:
    records = [
        meta(cli_version=None),
        event("task_started", turn_id="t1"),
        item("user", "hi"),
        event("user_message", message="hi"),
        completed("UserMessage", "t1", "hi"),
        event("agent_message", message="yo"),
        completed("AgentMessage", "t1", "yo", id="msg_1"),
        item("assistant", "yo", id="msg_1"),
    ]
    assert stored(reading, records) == [("user", "hi"), ("assistant", "yo")]


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_the_forms_of_an_answer_converge_in_any_order(reading: Reading, order: tuple[int, ...]) -> None:
    forms = [
        event("agent_message", message="yo"),
        completed("AgentMessage", "t1", "yo", id="msg_1"),
        item("assistant", "yo", id="msg_1"),
    ]
    records = [meta(), event("task_started", turn_id="t1"), *(forms[number] for number in order)]
    assert stored(reading, records) == [("assistant", "yo")]


def test_equal_messages_of_one_turn_stay_apart(reading: Reading) -> None:
    records = [meta(), *asked("go"), *answered("ok"), *asked("go"), *answered("ok"), *asked("go")]
    assert stored(reading, records) == [("user", "go"), ("assistant", "ok")] * 2 + [("user", "go")]
    steered = [meta(), event("task_started", turn_id="t1"), *asked("go"), *answered("ok"), *asked("go")]
    assert stored(reading, steered) == [("user", "go"), ("assistant", "ok"), ("user", "go")]


def test_a_rollout_resumed_by_a_newer_version_mixes_generations(reading: Reading) -> None:
    oldest: list[dict[str, Any]] = [
        {"id": THREAD, "timestamp": TIME, "instructions": None, "git": {}},
        {"record_type": "state"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "first"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "one"}]},
    ]
    records = [
        *oldest,
        meta(),
        *asked("second"),
        *answered("two"),
        *newly("t3", "third", "three"),
        *newly("t4", "second", "two"),
        line("compacted", message="", replacement_history=[{"type": "message", "role": "user", "content": "first"}]),
    ]
    expected = [("user", "first"), ("assistant", "one"), ("user", "second"), ("assistant", "two")]
    expected += [("user", "third"), ("assistant", "three"), ("user", "second"), ("assistant", "two")]
    assert stored(reading, records) == expected
    assert {message.session_id for message in reading.messages(read(reading, records))} == {THREAD}


@pytest.mark.parametrize("turns", [[*asked("hi"), *answered("yo")], newly("t1", "hi", "yo")])
def test_a_forks_copy_of_its_parent_converges(reading: Reading, turns: list[dict[str, Any]]) -> None:
    parent: list[dict[str, Any]] = [meta(), *turns]
    copied = [{**record, "timestamp": "2026-10-01T00:00:00Z"} for record in parent]
    fork: list[dict[str, Any]] = [meta("fork-1", forked_from_id=THREAD), *copied, *newly("t9", "other", "way")]
    said = [("user", "hi"), ("assistant", "yo")]
    assert stored(reading, parent, fork) == [*said, ("user", "other"), ("assistant", "way")]
    assert {message.session_id for message in reading.messages(read(reading, fork))} == {"fork-1"}


def test_two_sessions_that_begin_alike_stay_apart(reading: Reading) -> None:
    one, other = ([meta(thread), *asked("hi"), *answered("yo")] for thread in ("s1", "s2"))
    assert len(stored(reading, one, other)) == 4


def test_a_tool_call_and_its_result_are_one_message(reading: Reading) -> None:
    output = json.dumps({"output": "boom\n", "metadata": {"exit_code": 2, "duration_seconds": 0.1}})
    records = [
        meta(),
        *asked("hi"),
        line("response_item", type="reasoning", summary=[], encrypted_content="x"),
        line(
            "response_item",
            type="function_call",
            name="shell",
            call_id=CALL,
            arguments=json.dumps({"command": ["bash", "-lc", "make test"]}),
        ),
        event("exec_command_end", call_id=CALL, stdout="boom"),
        line("response_item", type="function_call_output", call_id=CALL, output=output),
        line("response_item", type="custom_tool_call", name="apply_patch", call_id="c2", input="*** Begin Patch"),
        line("response_item", type="custom_tool_call_output", call_id="c2", output=[{"text": "ok"}]),
    ]
    assert stored(reading, records)[1:] == [
        ("tool", "shell: make test\n→ boom"),
        ("tool", "apply_patch: *** Begin Patch\n→ ok"),
    ]
    shell = reading.messages(read(reading, records))[1]
    assert (shell.key, shell.kind, dict(shell.meta)) == (CALL, "tool_call", {"tool": "shell", "is_error": True})


def test_a_rollback_marks_the_turns_it_takes_back(reading: Reading) -> None:
    records = [meta(), *newly("t1", "keep", "a"), *newly("t2", "drop", "b"), event("thread_rolled_back", num_turns=1)]
    spans = read(reading, records)
    texts = {message.key: message.text for message in reading.messages(spans)}
    assert {texts[key] for key in spans[-1].inactive} == {"drop", "b"}


def test_facts_of_the_session_are_on_its_messages(reading: Reading) -> None:
    records = [
        meta(git={"branch": "main"}, parent_thread_id="p", source={"subagent": {}}),
        line("turn_context", turn_id="t1", cwd="/elsewhere", model="gpt-5"),
        *asked("# Context from my IDE setup:\n\n## Open tabs:\n- a.py\n\n## My request for Codex:\nhi"),
        *answered("yo"),
        event("thread_name_updated", thread_name="Greeting"),
        event("brand_new"),
        line("brand_new_too"),
    ]
    spans = read(reading, records)
    prompt, answer = reading.messages(spans)[0], reading.messages(spans)[-1]
    assert (prompt.text, prompt.project, prompt.timestamp) == ("hi", "/elsewhere", 1788220800000)
    assert dict(prompt.meta) == {"git_branch": "main", "sidechain": True}
    assert dict(answer.meta) == {"git_branch": "main", "sidechain": True, "model": "gpt-5"}
    assert [title.text for span in spans for title in span.titles] == ["Greeting"]
    assert [span.unknown_type for span in spans if span.unknown_type] == ["event_msg/brand_new", "brand_new_too"]


def test_a_rollout_without_its_head_belongs_to_the_thread_of_its_name(reading: Reading) -> None:
    name = f"rollout-2026-09-01T10-12-16-{THREAD}.jsonl"
    assert reading.messages(read(reading, asked("hi"), name))[0].session_id == THREAD
    assert Codex().sniff(data([meta(base_instructions="x" * 100_000)])[:65536], SourceInfo(name))
