"""What all agents' JSON lines have in common: splits, hold-back, dirty lines, bounds."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st

from memento_ingest.formats.base import LineFormat
from memento_ingest.formats.codex import turns as turns_module
from memento_ingest.formats.pi import transcript as pi_module
from memento_ingest.formats.registry import detect, get
from memento_ingest.formats.shared import agent_lines, statement
from memento_ingest.span import Line, SourceInfo, Span

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

SECRET = "sk-unredacted"
DIALECTS = ("codex", "gemini", "copilot", "pi", "openclaw", "goose-jsonl", "cursor-cli")
EXPECTED: dict[str, tuple[str, dict[str, int]]] = {
    "codex/quotes.jsonl": ("codex", {"metadata": 1, "user turn": 1, "assistant turn": 2}),
    "codex/counts-only.jsonl": ("codex", {"metadata": 3}),
    "codex/one-call.jsonl": ("codex", {"metadata": 1, "user turn": 1, "tool_use": 1}),
    "codex/two-calls.jsonl": ("codex", {"metadata": 1, "user turn": 1, "tool_use": 2}),
    "codex/plain.jsonl": ("codex", {"metadata": 1, "user turn": 1, "assistant turn": 1}),
    "codex/items.jsonl": (
        "codex",
        {"metadata": 6, "system": 3, "injected": 1, "mirrored": 1, "user turn": 1, "assistant turn": 2},
    ),
    "gemini/two-turns.json": ("gemini-json", {"user turn": 2, "assistant turn": 2}),
    "gemini/notices.json": ("gemini-json", {"system": 3}),
    "gemini/thoughts.json": ("gemini-json", {"user turn": 1, "assistant turn": 1}),
    "gemini/tool-calls.json": (
        "gemini-json",
        {"user turn": 1, "assistant turn": 1, "tool tool_call": 2},
    ),
    "gemini/snapshot.jsonl": ("gemini", {"metadata": 1, "user turn": 1, "assistant turn": 1}),
    "gemini/plain.jsonl": ("gemini", {"metadata": 1, "user turn": 1, "assistant turn": 1}),
    "gemini/full.jsonl": (
        "gemini",
        {
            "metadata": 3,
            "session_context": 1,
            "tool_use": 1,
            "user turn": 3,
            "assistant turn": 2,
            "tool tool_call": 1,
        },
    ),
    "copilot/events.jsonl": ("copilot", {"metadata": 4, "system": 1, "user turn": 1, "assistant turn": 1}),
    "pi/full.jsonl": (
        "pi",
        {
            "metadata": 3,
            "compact_summary": 1,
            "broken_json": 1,
            "unknown_type": 1,
            "user turn": 2,
            "assistant turn": 2,
            "tool tool_call": 1,
        },
    ),
    "pi/plain.jsonl": ("pi", {"metadata": 3, "user turn": 1, "assistant turn": 1}),
    "openclaw/0a0b0c0d-0000-4000-8000-000000000001.jsonl": (
        "openclaw",
        {"metadata": 2, "user turn": 1, "assistant turn": 1},
    ),
    "goose/legacy.jsonl": ("goose-jsonl", {"metadata": 1, "user turn": 1, "assistant turn": 1}),
    "cursor/agent-transcript.jsonl": ("cursor-cli", {"metadata": 1, "user turn": 1, "assistant turn": 1}),
    "cursor/with-a-call.jsonl": (
        "cursor-cli",
        {"user turn": 2, "assistant turn": 2, "tool tool_call": 1},
    ),
    "aider/three-runs.aider.chat.history.md": (
        "aider",
        {"metadata": 3, "preamble": 3, "user turn": 3, "assistant turn": 3, "tool tool_call": 2},
    ),
    "aider/one-run.aider.chat.history.md": (
        "aider",
        {"metadata": 1, "preamble": 1, "user turn": 1, "assistant turn": 1},
    ),
}
BOOKKEEPING = (
    "codex/history.jsonl",
    "gemini/logs.json",
    "openclaw/sessions.json",
    "openclaw/0a0b0c0d-0000-4000-8000-000000000001.checkpoint.11111111-2222-4333-8444-555555555555.jsonl",
)


def counts(spans: list[Span]) -> dict[str, int]:
    words = Counter(span.skipped or span.defect for span in spans if not span.messages)
    words.update(f"{message.role} {message.kind}" for span in spans for message in span.messages)
    return dict(words)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_record_of_a_sample_gives_its_message_or_a_reason(reading: Reading, name: str) -> None:
    format_name, expected = EXPECTED[name]
    data, file = reading.fixture(name), Path(name).name
    found = detect(data[:65536], SourceInfo(file))
    assert found is not None
    assert found.name == format_name
    assert counts(reading.spans(found, data, file)) == expected


@pytest.mark.parametrize("name", [name for name, (found, _) in EXPECTED.items() if isinstance(get(found), LineFormat)])
def test_a_sample_split_anywhere_gives_the_same_messages(reading: Reading, name: str) -> None:
    found = get(EXPECTED[name][0])
    assert isinstance(found, LineFormat)
    data = reading.fixture(name)
    whole = reading.in_runs(found, data, [])
    ends = [place for place, byte in enumerate(data, 1) if byte == 10]
    for cuts in ([place] for place in ends):
        assert reading.longest(reading.in_runs(found, data, cuts)) == reading.longest(whole)
    assert reading.longest(reading.in_runs(found, data, ends)) == reading.longest(whole)
    assert reading.longest(reading.in_runs(found, data, range(0, len(data), 97))) == reading.longest(whole)


@pytest.mark.parametrize("name", BOOKKEEPING)
def test_bookkeeping_is_no_transcript(reading: Reading, name: str) -> None:
    assert detect(reading.fixture(name), SourceInfo(Path(name).name)) is None


@pytest.mark.parametrize("name", EXPECTED)
def test_keys_do_not_depend_on_the_files_name(reading: Reading, name: str) -> None:
    found, data = get(EXPECTED[name][0]), reading.fixture(name)
    keys = [[m.key for m in reading.messages(reading.spans(found, data, file))] for file in ("a.jsonl", "b/c.txt")]
    assert keys[0] == keys[1]


# Records of all dialects with few ids and few texts, so that they meet.
TEXTS = st.sampled_from(["one", "one two", "three", "", f"token {SECRET}", "é\0\u2028", "<environment_context>x"])
IDS = st.sampled_from(["i1", "i2", "i3", "call_0123456789abcdef01234567", ""])
TIMES = st.sampled_from(["2026-09-01T00:00:00Z", "2026-09-01T00:00:01Z", "soon", 1_788_220_800, None])
JUNK: st.SearchStrategy[Any] = st.one_of(st.none(), st.integers(-1, 3), st.just("word"), st.just([]), st.just({}))
PARTS = st.lists(
    st.builds(lambda kind, text: {"type": kind, "text": text}, st.sampled_from(["text", "input_text", "Text"]), TEXTS)
    | JUNK,
    max_size=2,
)


def record(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: st.just(f) if isinstance(f, str) else f for name, f in fields.items()})


def codex_records() -> st.SearchStrategy[Any]:
    turns = st.sampled_from(["t1", "t2", None])
    items = st.one_of(
        record(type="message", role=st.sampled_from(["user", "user", "assistant", "developer"]), content=PARTS, id=IDS),
        record(type="function_call", call_id=IDS, name="sh", arguments=TEXTS),
        record(type="function_call_output", call_id=IDS, output=TEXTS | JUNK),
        record(type=st.sampled_from(["reasoning", "new", "web_search_call"])),
    )
    events = st.one_of(
        record(type="user_message", message=TEXTS | JUNK),
        record(type="agent_message", message=TEXTS),
        record(type="task_started", turn_id=turns),
        record(type="thread_rolled_back", num_turns=st.integers(-1, 3)),
        record(type="thread_name_updated", thread_name=TEXTS),
        record(
            type="item_completed",
            turn_id=turns,
            item=record(type=st.sampled_from(["UserMessage", "AgentMessage", "Plan"]), id=IDS, content=PARTS) | JUNK,
        ),
    )
    meta = record(id=IDS, cli_version=st.sampled_from(["0.151.0", None]), forked_from_id=IDS, git=JUNK, source=JUNK)
    return st.one_of(
        record(type="response_item", payload=items, timestamp=TIMES),
        record(type="event_msg", payload=events, timestamp=TIMES),
        record(type="session_meta", payload=meta, timestamp=TIMES),
        record(type="turn_context", payload=record(turn_id=turns, cwd=JUNK, model=JUNK)),
        items,
    )


def gemini_records() -> st.SearchStrategy[Any]:
    calls = st.lists(
        record(id=IDS, name="ls", args=JUNK, status=st.sampled_from(["success", "executing"]), result=PARTS), max_size=2
    )
    message = record(
        id=IDS,
        type=st.sampled_from(["user", "gemini", "info", "x"]),
        content=PARTS | TEXTS | JUNK,
        timestamp=TIMES,
        toolCalls=calls | JUNK,
    )
    return st.one_of(
        message,
        message,
        st.builds(lambda i: {"$rewindTo": i}, IDS | JUNK),
        st.builds(lambda m: {"$set": {"messages": m}}, st.lists(message, max_size=2) | JUNK),
        record(sessionId=IDS, startTime=TIMES, kind="main"),
    )


def pi_records() -> st.SearchStrategy[Any]:
    blocks = PARTS | st.lists(record(type="toolCall", id=IDS, name="read", arguments=JUNK), max_size=2)
    roles = st.sampled_from(["user", "assistant", "toolResult", "bashExecution", "custom", "new"])
    message = record(role=roles, content=blocks | TEXTS, toolCallId=IDS, toolName="read", command=TEXTS, output=TEXTS)
    entry = record(type="message", id=IDS, parentId=IDS, timestamp=TIMES, message=message | JUNK)
    kinds = st.sampled_from(["session", "session_info", "compaction", "model_change", "later"])
    return st.one_of(entry, entry, record(type=kinds, id=IDS, parentId=IDS, timestamp=TIMES, cwd=JUNK, name=TEXTS))


def other_records() -> st.SearchStrategy[Any]:
    requests = st.lists(record(toolCallId=IDS, name="view", arguments=JUNK), max_size=2)
    blocks = PARTS | st.lists(
        record(
            type=st.sampled_from(["toolRequest", "toolResponse", "tool_use"]), id=IDS, toolCall=JUNK, toolResult=JUNK
        ),
        max_size=2,
    )
    kinds = st.sampled_from(["user.message", "assistant.message", "tool.execution_start", "tool.execution_complete"])
    data = record(content=TEXTS, toolRequests=requests | JUNK, toolCallId=IDS, result=JUNK, sessionId=IDS)
    return st.one_of(
        record(type=kinds, id=IDS, timestamp=TIMES, data=data | JUNK),
        record(role=st.sampled_from(["user", "assistant"]), created=TIMES, content=blocks | JUNK),
        record(role=st.sampled_from(["user", "assistant"]), message=record(content=blocks | TEXTS)),
        record(description=TEXTS, id=IDS, working_dir=JUNK),
    )


def codex(kind: str, **payload: Any) -> dict[str, Any]:
    return {"type": kind, "payload": payload}


def said(kind: str, turn: str, text: str, item: str = "i1") -> dict[str, Any]:
    found = {"type": kind, "id": item, "content": [{"type": "text", "text": text}]}
    return codex("event_msg", type="item_completed", turn_id=turn, item=found)


def pi(entry: str, parent: str, **message: Any) -> dict[str, Any]:
    stamp = "2026-09-01T00:00:00Z"
    return {"type": "message", "id": entry, "parentId": parent, "timestamp": stamp, "message": message}


def event(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "id": "e1", "timestamp": "2026-09-01T00:00:00Z", "data": data}


def goose(role: str, *content: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "created": 1_788_220_800, "content": list(content)}


# The records that depend on one another, few enough that they meet.
USUAL: dict[str, list[dict[str, Any]]] = {
    "codex": [
        codex("session_meta", id="s1", cli_version="0.151.0"),
        *(codex("response_item", type="message", role="user", content=text) for text in ("one", "two", "<new>")),
        *(codex("response_item", type="message", role="assistant", content="ok", id=item) for item in ("", "i1")),
        *(codex("event_msg", type="user_message", message=text) for text in ("one", "two")),
        codex("event_msg", type="agent_message", message="ok"),
        *(said("UserMessage", turn, text) for turn in ("t1", "t2") for text in ("one", "two")),
        said("AgentMessage", "t1", "ok"),
        codex("event_msg", type="task_started", turn_id="t1"),
        codex("event_msg", type="thread_rolled_back", num_turns=1),
        *(codex("response_item", type="function_call", call_id=i, name="sh", arguments="ls") for i in ("c1", "c2")),
        *(codex("response_item", type="function_call_output", call_id=i, output="a.txt") for i in ("c1", "c2")),
    ],
    "gemini": [
        {"sessionId": "s1", "startTime": "2026-09-01T00:00:00Z"},
        *({"id": i, "type": "user", "content": "one", "timestamp": 1_788_220_800} for i in ("m1", "m2", "m3")),
        {"id": "m2", "type": "gemini", "content": "one two", "timestamp": 1_788_220_800},
        *({"$rewindTo": i} for i in ("m1", "m2", "m3")),
        {"$set": {"messages": [{"id": "m3", "type": "user", "content": "three", "timestamp": 1_788_220_800}]}},
    ],
    "pi": [
        {"type": "session", "id": "s1", "timestamp": "2026-09-01T00:00:00Z", "cwd": "/w"},
        *(pi(entry, parent, role="user", content="one") for entry, parent in ("12", "23", "34", "42", "51", "62")),
        *(pi(i, "1", role="assistant", content=[{"type": "toolCall", "id": i, "name": "sh"}]) for i in ("7", "8")),
        *(pi("9", i, role="toolResult", toolCallId=i, content="ok") for i in ("7", "8")),
    ],
    "copilot": [
        event("session.start", sessionId="s1"),
        event("user.message", content="one"),
        *(event("assistant.message", toolRequests=[{"toolCallId": i, "name": "sh"}]) for i in ("c1", "c2")),
        *(event("tool.execution_start", toolCallId=i, toolName="sh", arguments={"path": "/a"}) for i in ("c1", "c2")),
        *(event("tool.execution_complete", toolCallId=i, result={"content": "ok"}) for i in ("c1", "c2", "c3")),
    ],
    "goose-jsonl": [
        {"description": "d", "id": "s1", "working_dir": "/w"},
        goose("user", {"type": "text", "text": "one"}),
        *(
            goose("assistant", {"type": "toolRequest", "id": i, "toolCall": {"value": {"name": "sh"}}})
            for i in ("c1", "c2")
        ),
        *(
            goose("user", {"type": "toolResponse", "id": i, "toolResult": {"value": [{"type": "text", "text": "ok"}]}})
            for i in ("c1", "c2")
        ),
    ],
    "cursor-cli": [
        {"role": "user", "message": {"content": "one"}},
        {"role": "assistant", "message": {"content": "two"}},
    ],
}
RANDOM = {"codex": codex_records(), "gemini": gemini_records(), "pi": pi_records()}


def sources(name: str) -> st.SearchStrategy[bytes]:
    name = "pi" if name == "openclaw" else name
    usual = st.sampled_from(USUAL[name])
    records = st.one_of(usual, usual, usual, usual, RANDOM.get(name, other_records()), JUNK)
    few, many = st.lists(usual, max_size=10), st.lists(records, min_size=8, max_size=24)
    return (few | many).flatmap(written)


@st.composite
def written(draw: st.DrawFn, values: list[Any]) -> bytes:
    """Write the records as lines, in half of the cases damaged ones."""
    lines = [json.dumps(value).encode() + b"\n" for value in values]
    if not draw(st.booleans()):
        return b"".join(lines)
    damage = st.sampled_from([b"", b"", b"\0\0\0", b"\xff", b"\n", b'{"type":"us', b"}"])
    parts = []
    for line in lines:
        kept = line if draw(st.integers(0, 6)) else line[: draw(st.integers(0, len(line)))]
        parts += [kept.rstrip(b"\n") if not draw(st.integers(0, 6)) else kept, draw(damage)]
    return b"".join(parts)


def inactive(spans: list[Span]) -> set[str]:
    return {key for span in spans for key in span.inactive}


@pytest.mark.parametrize("name", DIALECTS)
def test_any_split_gives_the_same_messages_and_tiles_the_bytes(reading: Reading, name: str) -> None:
    found = get(name)
    assert isinstance(found, LineFormat)

    @settings(max_examples=150, deadline=None)
    @given(sources(name), st.lists(st.integers(0, 3000), max_size=6))
    def check(data: bytes, cuts: list[int]) -> None:
        whole = reading.spans(found, data)
        ends = [place for place, byte in enumerate(data, 1) if byte == 10]
        for each in ([min(cut, len(data)) for cut in cuts], ends):
            parts = reading.in_runs(found, data, each)
            assert reading.longest(parts) == reading.longest(whole)
            assert inactive(parts) == inactive(whole)
        parser, offset = found.parser(SourceInfo("x")), 0
        for line in data.splitlines(keepends=True):
            list(parser.feed(Line(offset, line)))
            offset += len(line)
            assert SECRET not in json.dumps(parser.checkpoint().state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agent_lines, "LOOKBACK_LINES", 4)
        for module in (agent_lines, statement):
            patch.setattr(module, "MAX_CALLS", 2)
        patch.setattr(statement, "WINDOW", 6)
        patch.setattr(pi_module, "WINDOW", 6)
        patch.setattr(turns_module, "_MAX_COUNTED", 3)
        check()


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(DIALECTS).flatmap(sources))
def test_detection_and_reading_never_raise(reading: Reading, data: bytes) -> None:
    for name in (*DIALECTS, "aider", "cursor-text", "gemini-json", "codex-zst"):
        found = get(name)
        found.sniff(data, SourceInfo("x.jsonl"))
        if isinstance(found, LineFormat):
            reading.spans(found, data, modified=1)


def test_a_state_stays_small(reading: Reading) -> None:
    found = get("codex")
    assert isinstance(found, LineFormat)
    parser = found.parser(SourceInfo("x"))
    offset = 0
    for number in range(3000):
        payload = {"type": "user_message", "message": f"{number} {'x' * 500}"}
        call = {"type": "function_call", "name": "sh", "call_id": f"c{number}", "arguments": "y" * 5000}
        for kind, said in (("event_msg", payload), ("response_item", call)):
            data = json.dumps({"type": kind, "payload": said}).encode() + b"\n"
            list(parser.feed(Line(offset, data)))
            offset += len(data)
    assert len(json.dumps(parser.checkpoint().state)) < 40_000
