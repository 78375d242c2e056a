"""ChatGPT exports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st

from memento_ingest.formats.chatgpt import ChatGPT
from memento_ingest.span import SourceInfo

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

FORMAT = ChatGPT()


def node(name: str, parent: str | None, role: str = "user", text: object = "", **more: Any) -> dict[str, Any]:
    message = {
        "id": f"id-{name}",
        "author": {"role": role},
        "create_time": 1767322800.5,
        "content": {"content_type": "text", "parts": [text or name]},
        "metadata": {},
        **more,
    }
    return {"id": name, "parent": parent, "children": [], "message": message}


def conversation(*nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "title": "A title",
        "create_time": 1767322700.25,
        "conversation_id": "c1",
        "current_node": nodes[-1]["id"] if nodes else None,
        "mapping": {n["id"]: n for n in nodes},
        **more,
    }


def read(reading: Reading, *conversations: object) -> list[Any]:
    return reading.spans(FORMAT, json.dumps(list(conversations)).encode(), "conversations.json")


def test_the_sample_file_gives_exactly_its_messages(reading: Reading) -> None:
    data = reading.fixture("chatgpt/branches.json")
    span, root = reading.spans(FORMAT, data, "conversations.json")
    assert [(m.role, m.key, m.timestamp) for m in span.messages] == [
        ("user", "message-a", 1767322800250),
        ("assistant", "message-b", 1767322805500),
        ("user", "message-d", 1767322900000),
        ("assistant", "message-e", 1767322911750),
        ("user", "message-c", 1767322860000),
    ]
    assert span.messages[0].text == "Which crossings does a winter timetable need?"
    assert root.skipped == "structure"
    assert span.inactive == ("message-c",)
    assert {m.session_id for m in span.messages} == {"conversation-winter"}


def test_a_message_has_id_time_model_session_and_title(reading: Reading) -> None:
    (span,) = read(reading, conversation(node("a", None, "assistant", metadata={"model_slug": "m-5"})))
    (message,) = span.messages
    assert (message.source, message.session_id, message.key) == ("chatgpt", "c1", "id-a")
    assert (message.timestamp, message.meta) == (1767322800500, {"model": "m-5"})
    assert [(t.session_id, t.text) for t in span.titles] == [("c1", "A title")]


def test_a_message_without_time_has_the_conversations(reading: Reading) -> None:
    (span,) = read(reading, conversation(node("a", None, create_time=None)))
    assert span.messages[0].timestamp == 1767322700250


def test_abandoned_branches_are_kept_and_marked(reading: Reading) -> None:
    nodes = [
        node("root", None),
        node("old", "root", "assistant"),
        node("older", "old"),
        node("new", "root", "assistant"),
    ]
    (span,) = read(reading, conversation(*nodes))
    assert [m.text for m in span.messages] == ["root", "new", "old", "older"]
    assert [m.meta.get("active", True) for m in span.messages] == [True, True, False, False]
    assert span.inactive == ("id-old", "id-older")


def test_a_cycle_of_parents_ends(reading: Reading) -> None:
    (span,) = read(reading, conversation(node("a", "b"), node("b", "a", "assistant")))
    assert sorted(m.text for m in span.messages) == ["a", "b"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            {"content": {"content_type": "multimodal_text", "parts": [{"asset_pointer": "x"}, "see"]}},
            ("assistant", "see\n[image]"),
        ),
        ({"content": {"content_type": "multimodal_text", "parts": [{"asset_pointer": "x"}]}}, "empty"),
        (
            {
                "content": {
                    "content_type": "multimodal_text",
                    "parts": [{"content_type": "audio_transcription", "text": "hi"}],
                }
            },
            ("assistant", "hi"),
        ),
        ({"content": {"content_type": "code", "text": "ls()"}, "recipient": "python"}, ("tool", "ls()")),
        ({"content": {"content_type": "code", "text": "ls()"}, "recipient": "all"}, ("assistant", "ls()")),
        ({"content": {"content_type": "execution_output", "text": "out"}, "author": {"role": "tool"}}, ("tool", "out")),
        ({"content": {"content_type": "thoughts", "thoughts": [{"content": "hm"}]}}, "reasoning"),
        ({"content": {"content_type": "user_editable_context", "user_profile": "p"}}, "instructions"),
        ({"content": {"content_type": "text", "parts": ["", None]}}, "empty"),
        ({"content": None}, "empty"),
        ({"metadata": {"is_visually_hidden_from_conversation": True}}, "hidden"),
        ({"author": {"role": "system"}}, "system"),
        ({"author": {"role": "critic"}}, "unknown_type"),
        ({"author": None}, "unknown_type"),
    ],
)
def test_contents(reading: Reading, more: dict[str, Any], expected: tuple[str, str] | str) -> None:
    first, *rest = read(reading, conversation(node("first", None), node("a", "first", "assistant", **more)))
    if isinstance(expected, str):
        assert [span.skipped for span in rest] == [expected]
        assert len(first.messages) == 1
    else:
        assert [(m.role, m.text) for m in first.messages[1:]] == [expected]
        assert rest == []


def test_the_empty_root_is_counted_as_structure(reading: Reading) -> None:
    root = {"id": "root", "parent": None, "children": ["a"], "message": None}
    spans = read(reading, conversation(root, node("a", "root")))
    assert [span.skipped for span in spans] == ["", "structure"]


@pytest.mark.parametrize("wrap", [lambda c: c, lambda c: [c], lambda c: {"conversations": [c]}])
def test_array_object_and_wrapped_exports_are_recognised(reading: Reading, wrap: Any) -> None:
    for indent in (None, 1):
        data = json.dumps(wrap(conversation(node("a", None))), indent=indent).encode()
        assert FORMAT.sniff(data, SourceInfo("export.json"))
        assert reading.said(reading.spans(FORMAT, data)) == [("user", "a")]


def test_an_export_is_recognised_by_its_first_64_kib() -> None:
    long = conversation(*(node(f"n{n}", None, text="x" * 1000) for n in range(200)))
    data = json.dumps([long]).encode()
    assert len(data) > 3 * 65536
    assert FORMAT.sniff(data[:65536], SourceInfo("conversations.json"))


def test_the_same_conversation_exported_twice_has_the_same_keys(reading: Reading) -> None:
    nodes = [node("a", None), node("b", "a", "assistant")]
    before = reading.longest(read(reading, conversation(*nodes)))
    after = reading.longest(read(reading, conversation(node("z", None)), conversation(*nodes, node("c", "b"))))
    assert before.items() <= after.items()


VALUES = st.none() | st.integers() | st.sampled_from(["a", "b", "user", "text", ""])
NODES = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    VALUES
    | st.fixed_dictionaries(
        {"parent": VALUES},
        optional={
            "message": VALUES
            | st.fixed_dictionaries(
                {},
                optional={
                    "id": VALUES,
                    "author": VALUES | st.fixed_dictionaries({"role": VALUES}),
                    "content": VALUES
                    | st.fixed_dictionaries({"content_type": VALUES, "parts": VALUES | st.lists(VALUES)}),
                    "metadata": VALUES,
                    "create_time": VALUES,
                },
            )
        },
    ),
)


@settings(max_examples=150, deadline=None)
@given(NODES, VALUES, VALUES)
def test_never_raises_on_any_tree(reading: Reading, mapping: dict[str, Any], current: object, title: object) -> None:
    read(reading, {"mapping": mapping, "current_node": current, "title": title, "id": current})
