"""Generic transcripts line by line: shapes, keys, sessions, resuming."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st

from memento_ingest.formats.generic.lines import GenericJsonl
from memento_ingest.formats.shared.thread import MAX_CONVERSATIONS
from memento_ingest.open_line import GuardedParser
from memento_ingest.span import Checkpoint, Line, SourceInfo

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

FORMAT = GenericJsonl()
GOOD = b'{"role": "user", "content": "We deploy on Fridays."}\n'
UUID = "0b6c1a52-3b9e-4d0f-9a67-0d6d9b0c2f11"


def lines(*values: object) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def said(role: str, content: object, **more: object) -> dict[str, object]:
    return {"role": role, "content": content, **more}


# -- shapes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("role_content.jsonl", [("user", "which quay"), ("assistant", "quay 5")]),
        (
            "openai_messages.jsonl",
            [
                ("system", "You help a ferry company."),
                ("user", "what is on this board\n[image]"),
                ("tool", "read_board: {}"),
                ("tool", "tides"),
                ("assistant", "The tides."),
            ],
        ),
        (
            "messages_parts.jsonl",
            [
                ("user", "who rings the bell"),
                ("assistant", "The {{post}} does."),
                ("user", "and the horn"),
                ("assistant", "The captain."),
            ],
        ),
    ],
)
def test_sample_files_give_exactly_their_messages(reading: Reading, name: str, expected: list[tuple[str, str]]) -> None:
    assert reading.said(reading.spans(FORMAT, reading.fixture(f"generic/{name}"), name)) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"messages": [said("user", "a"), said("assistant", "b")]}, [("user", "a"), ("assistant", "b")]),
        (
            {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
            [("user", "a"), ("assistant", "b")],
        ),
        ({"type": "ai", "data": {"content": "b"}}, [("assistant", "b")]),
        ([said("user", "a"), said("assistant", "b")], [("user", "a"), ("assistant", "b")]),
        ({"uuid": UUID, "chat_messages": [{"uuid": "m", "sender": "human", "text": "a"}]}, [("user", "a")]),
        (
            {
                "mapping": {
                    "n": {"message": {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["a"]}}}
                }
            },
            [("user", "a")],
        ),
        (
            said("assistant", None, tool_calls=[{"function": {"name": "ls", "arguments": '{"p": 1}'}}]),
            [("tool", 'ls: {"p": 1}')],
        ),
        (said("assistant", "", tool_calls=[{"name": "ls", "args": {"p": 1}, "id": "c"}]), [("tool", 'ls: {"p": 1}')]),
        (
            said(
                "user",
                [
                    {"type": "tool_result", "content": [{"type": "text", "text": "out"}]},
                    {"type": "text", "text": "and?"},
                ],
            ),
            [("user", "and?"), ("tool", "out")],
        ),
        (said("assistant", [{"type": "thinking", "thinking": "hm", "text": "hm"}, "b"]), [("assistant", "b")]),
        (said("developer", "be brief"), [("system", "be brief")]),
        (said("User", {"text": "a"}), [("user", "a")]),
    ],
)
def test_shapes(reading: Reading, record: object, expected: list[tuple[str, str]]) -> None:
    assert reading.said(reading.spans(FORMAT, lines(record))) == expected


def test_what_gives_no_message_is_counted_by_reason(reading: Reading) -> None:
    data = lines(
        said("user", None), {"type": "telemetry", "n": 1}, 42, {"messages": [said("user", "a"), said("user", "\0"), 7]}
    )
    spans = reading.spans(FORMAT, data + b"\n{broken\n")
    assert [(s.skipped or s.defect, s.unknown_type) for s in spans if not s.messages] == [
        ("empty", ""),
        ("unknown_type", "telemetry"),
        ("unknown_type", "int"),
        ("unknown_type", ""),
        ("empty", ""),
        ("blank", ""),
        ("broken_json", ""),
    ]
    assert [s.sample for s in spans if s.defect] == [b"{broken\n"]


def test_complete_records_are_recovered_from_a_broken_line(reading: Reading) -> None:
    one, two = (json.dumps(said("user", text)) for text in "ab")
    spans = reading.spans(FORMAT, f'{one}{two}{{"role":"user","meta":{{"n":1}},"cont\n{one}\n'.encode())
    assert reading.said(spans) == [("user", "a"), ("user", "b"), ("user", "a")]
    assert {span.defect for span in spans if not span.messages} == {"broken_json"}


@pytest.mark.parametrize(
    ("head", "is_transcript"),
    [
        (GOOD + b'{"role": "assistant", "content":\n' + GOOD, True),
        (GOOD + b"\xff\xfe{\n" + GOOD + b"{]\n" + GOOD, True),
        (GOOD + b"[oops\n[oops\n[oops\n", False),
        (GOOD + b'{"level": "info"}\n' * 2, False),
    ],
    ids=["one of three", "two of five", "most", "other records"],
)
def test_broken_lines_do_not_make_a_transcript_unknown(head: bytes, is_transcript: bool) -> None:
    assert FORMAT.sniff(head, SourceInfo("talk.jsonl", "talk.jsonl")) is is_transcript


def test_tool_turns_are_marked_and_named(reading: Reading) -> None:
    (message,) = reading.messages(reading.spans(FORMAT, lines(said("tool", "out", name="ls"))))
    assert (message.kind, message.meta) == ("tool_call", {"name": "ls"})


def test_people_who_talk_to_each_other_keep_their_names(reading: Reading) -> None:
    text = lines(
        {"speaker": "Caroline", "text": "I moved from Sweden.", "session_id": "s"},
        said("user", "I bake bread.", name="Melanie"),
        {"speaker": "assistant", "content": "Noted."},
        {"speaker": 7, "text": "no name"},
    )
    messages = reading.messages(reading.spans(FORMAT, text))
    assert [(one.role, one.meta.get("speaker"), one.text) for one in messages] == [
        ("user", "Caroline", "I moved from Sweden."),
        ("user", "Melanie", "I bake bread."),
        ("assistant", None, "Noted."),
    ]


# -- times and sessions


@pytest.mark.parametrize("field", ["timestamp", "created_at", "ts", "time", "date"])
@pytest.mark.parametrize("value", ["2026-01-02T03:00:00Z", 1767322800, 1767322800000])
def test_every_time_field_is_honoured(reading: Reading, field: str, value: object) -> None:
    (message,) = reading.messages(reading.spans(FORMAT, lines(said("user", "a", **{field: value}))))
    assert message.timestamp == 1767322800000


def test_a_missing_time_is_that_of_the_message_before_it_else_the_files(reading: Reading) -> None:
    data = lines(said("user", "a"), said("assistant", "b", ts=1767322800), said("user", "c"))
    messages = reading.messages(reading.spans(FORMAT, data, modified=1700000000000))
    assert [m.timestamp for m in messages] == [1700000000000, 1767322800000, 1767322800000]


def test_sessions(reading: Reading) -> None:
    data = lines(
        said("user", "a"),
        said("user", "b", session_id="s1"),
        said("user", "c", conversation_id=7),
        {"id": "c9", "messages": [said("user", "d")]},
        {"messages": [said("user", "e"), said("assistant", "f")]},
    )
    messages = reading.messages(reading.spans(FORMAT, data, "notes.jsonl"))
    assert [m.session_id for m in messages] == ["notes", "s1", "7", "c9", messages[4].key, messages[4].key]


def test_a_conversations_title_is_reported(reading: Reading) -> None:
    spans = reading.spans(FORMAT, lines({"id": "c", "title": "Trip", "messages": [said("user", "a")]}))
    assert [(t.session_id, t.text) for t in spans[0].titles] == [("c", "Trip")]


# -- keys


def test_keys_do_not_depend_on_the_name_nor_on_what_follows(reading: Reading) -> None:
    short = lines(said("user", "a"), said("assistant", "b"))
    long = short + lines(said("user", "c"))
    before = list(reading.longest(reading.spans(FORMAT, short, "one.jsonl")))
    after = list(reading.longest(reading.spans(FORMAT, long, "moved/two.jsonl")))
    assert after[:2] == before
    assert len(set(after)) == 3
    assert all(len(key) == 32 for _, key in after)


def test_conversations_that_begin_alike_share_their_beginning(reading: Reading) -> None:
    first = {"messages": [said("user", "hi"), said("assistant", "one")]}
    second = {"messages": [said("user", "hi"), said("assistant", "two"), said("user", "hi")]}
    a, b, c, d, e = (m.key for m in reading.messages(reading.spans(FORMAT, lines(first, second))))
    assert a == c
    assert len({a, b, d, e}) == 4


def test_the_same_conversation_as_lines_and_whole_has_the_same_keys(reading: Reading) -> None:
    turns = [said("user", "a"), said("assistant", "b")]
    apart = reading.longest(reading.spans(FORMAT, lines(*turns)))
    assert reading.longest(reading.spans(FORMAT, lines({"messages": turns}))) == apart


def test_interleaved_conversations_have_chains_of_their_own(reading: Reading) -> None:
    one = [said("user", text, session_id="1") for text in "ab"]
    two = [said("user", text, session_id="2") for text in "xy"]
    mixed = reading.longest(reading.spans(FORMAT, lines(one[0], two[0], one[1], two[1])))
    assert mixed == reading.longest(reading.spans(FORMAT, lines(*one)) + reading.spans(FORMAT, lines(*two)))


def test_a_unique_id_makes_the_key_independent_of_the_place(reading: Reading) -> None:
    record = said("user", "a", id=UUID)
    alone = reading.longest(reading.spans(FORMAT, lines(record)))
    behind = reading.longest(reading.spans(FORMAT, lines(said("user", "x"), record)))
    assert alone.items() <= behind.items()


def test_an_id_repeated_on_every_line_loses_no_message(reading: Reading) -> None:
    data = lines(*(said("user", text, id=UUID) for text in ("a", "b", "c")))
    assert sorted(reading.longest(reading.spans(FORMAT, data)).values()) == ["a", "b", "c"]


def test_an_exports_conversation_on_a_line_keeps_its_exports_source(reading: Reading) -> None:
    record = {"uuid": UUID, "chat_messages": [{"uuid": "m1", "sender": "human", "text": "a"}]}
    (message,) = reading.messages(reading.spans(FORMAT, lines(record)))
    assert (message.source, message.key, message.session_id) == ("claude-ai", "m1", UUID)


# -- resuming


def test_an_unfinished_line_is_read_again(reading: Reading) -> None:
    data = lines(said("user", "a"))
    parser = GuardedParser(FORMAT.parser(SourceInfo("x")))
    assert [s.defect for s in parser.feed(Line(0, data[:9]))] == ["incomplete_line"]
    assert list(parser.finish()) == []
    assert parser.checkpoint() == Checkpoint(0, {})


def test_the_state_is_small_and_holds_no_text(reading: Reading) -> None:
    data = lines(*(said("user", f"secret {n}", session_id=f"secret {n}") for n in range(MAX_CONVERSATIONS + 50)))
    parser = FORMAT.parser(SourceInfo("x"))
    offset = 0
    for line in data.splitlines(keepends=True):
        list(parser.feed(Line(offset, line)))
        offset += len(line)
    state = json.dumps(parser.checkpoint().state)
    assert "secret" not in state
    assert len(parser.checkpoint().state) == MAX_CONVERSATIONS
    assert len(state) < 100 * MAX_CONVERSATIONS


TURN = st.builds(
    lambda role, text, session, record_id: {
        "role": role,
        "content": text,
        **({"session_id": session} if session else {}),
        **({"id": record_id} if record_id else {}),
    },
    st.sampled_from(["user", "assistant", "tool"]),
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.sampled_from(["", "", "s1", "s2"]),
    st.sampled_from(["", "", UUID, "7"]),
)
CONVERSATION = st.fixed_dictionaries({"messages": st.lists(TURN, max_size=4)})


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_split_into_runs_gives_the_same_records(reading: Reading, data: st.DataObject) -> None:
    content = lines(*data.draw(st.lists(st.one_of(TURN, CONVERSATION), min_size=1, max_size=8)))
    cuts = data.draw(st.lists(st.integers(0, len(content)), max_size=4))
    whole = reading.spans(FORMAT, content)
    assert reading.longest(reading.in_runs(FORMAT, content, cuts)) == reading.longest(whole)


FIELDS = (
    "role content type data from value messages conversations text id name tool_calls function timestamp mapping "
    "chat_messages uuid message author parts session_id title sender attachments parent current_node metadata"
).split()
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner | st.sampled_from(["user", "human", "ai", "text", "tool_use", "tool_result"]),
            max_size=6,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_never_raises_on_any_json(reading: Reading, value: object) -> None:
    reading.spans(FORMAT, json.dumps(value).encode() + b"\n")


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from([b'{"role":"user","content":"a"}', b"\n", b"{", b'"', b"\0", b"\xff"]), max_size=12).map(
        b"".join
    )
)
def test_never_raises_on_any_bytes(reading: Reading, data: bytes) -> None:
    reading.spans(FORMAT, data)
    FORMAT.sniff(data, SourceInfo("x.jsonl"))


@pytest.mark.parametrize(
    "line",
    [
        b'{"role":"user","content":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"role":"user","content":"a","ts":' + b"9" * 5000 + b"}",
        b'{"role":"user","content":"\\ud800 a\\u0000b"}',
        b'{"role":"user","content":"\xff"}',
        b'\xef\xbb\xbf{"role":"user","content":"a"}',
    ],
)
def test_hostile_lines_are_read_or_counted(reading: Reading, line: bytes) -> None:
    spans = reading.spans(FORMAT, line + b"\n" + lines(said("user", "after")))
    assert reading.said(spans)[-1] == ("user", "after")
