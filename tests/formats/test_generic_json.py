"""JSON documents: cutting them into objects, broken ones, generic shapes."""

from __future__ import annotations

import io
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st

from memento_ingest.formats.generic.document import GenericJson
from memento_ingest.formats.generic.lines import GenericJsonl
from memento_ingest.formats.shared.json_elements import elements
from memento_ingest.span import SourceInfo

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

FORMAT = GenericJson()
CHAT = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
SAID = [("user", "a"), ("assistant", "b")]


@pytest.mark.parametrize(
    ("name", "users", "assistants", "tools", "sessions"),
    [
        ("langchain_messages.json", 1, 1, 0, 1),
        ("sharegpt.json", 3, 3, 0, 2),
        ("sharegpt_tools.json", 2, 2, 2, 2),
    ],
)
def test_sample_files_give_exactly_their_messages(
    reading: Reading, name: str, users: int, assistants: int, tools: int, sessions: int
) -> None:
    spans = reading.spans(FORMAT, reading.fixture(f"generic/{name}"), name)
    roles = [role for role, _ in reading.said(spans)]
    assert [roles.count(role) for role in ("user", "assistant", "tool")] == [users, assistants, tools]
    assert len(roles) == users + assistants + tools
    assert len({message.session_id for message in reading.messages(spans)}) == sessions
    assert not any(span.skipped or span.defect for span in spans)


@pytest.mark.parametrize(
    "value",
    [
        CHAT,
        [CHAT],
        {"messages": CHAT},
        [{"messages": CHAT}],
        {"id": "x", "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
        {"conversations": [{"messages": CHAT}]},
        {"version": 2, "conversations": [{"messages": CHAT}], "more": {"n": 1}},
        [{"type": "human", "data": {"content": "a"}}, {"type": "ai", "data": {"content": "b"}}],
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_shapes(reading: Reading, value: object, indent: int | None) -> None:
    data = json.dumps(value, indent=indent).encode()
    assert FORMAT.sniff(data, SourceInfo("x.json"))
    assert reading.said(reading.spans(FORMAT, data)) == SAID
    assert reading.said(reading.spans(FORMAT, b"\xef\xbb\xbf" + data)) == SAID


def test_each_list_of_messages_is_a_conversation_of_its_own(reading: Reading) -> None:
    spans = reading.spans(FORMAT, json.dumps([CHAT, CHAT]).encode())
    assert len(reading.messages(spans)) == 4
    assert len(reading.longest(spans)) == 2


def test_an_array_of_messages_has_the_keys_of_the_same_conversation_as_lines(reading: Reading) -> None:
    as_lines = b"".join(json.dumps(message).encode() + b"\n" for message in CHAT)
    lines = reading.longest(reading.spans(GenericJsonl(), as_lines))
    document = reading.longest(reading.spans(FORMAT, json.dumps(CHAT).encode()))
    assert [key for _, key in document] == [key for _, key in lines]


def test_a_broken_conversation_costs_no_other(reading: Reading) -> None:
    good = json.dumps({"messages": CHAT})
    spans = reading.spans(FORMAT, f'[{good}, {{"messages": [oops]}}, "stray", {good}]'.encode())
    assert reading.said(spans) == SAID * 2
    assert [span.defect for span in spans] == ["", "broken_json", "broken_json", ""]


@pytest.mark.parametrize("cut", [1, 5, 40, 60, 100, 130])
def test_a_document_cut_short_gives_what_was_complete(reading: Reading, cut: int) -> None:
    one = json.dumps({"messages": CHAT})
    data = f"[{one}, {one}".encode()
    spans = reading.spans(FORMAT, data[:cut])
    complete = (cut > len(one)) + (cut >= len(data))
    assert reading.said(spans) == SAID * complete
    assert all(span.sample for span in spans if span.defect)


@pytest.mark.parametrize(
    "data", [b"", b"  ", b"[]", b"{}", b"[{}]", b"null", b'"text"', b"]}", b"{" * 9, b"\xff\xfe[\0"]
)
def test_documents_without_a_message(reading: Reading, data: bytes) -> None:
    assert reading.said(reading.spans(FORMAT, data)) == []
    assert not FORMAT.sniff(data, SourceInfo("x.json"))


@pytest.mark.parametrize(
    "inner",
    [b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b"9" * 5000, b'"\xff"', b'"\\ud800"'],
)
def test_hostile_values_cost_at_most_their_own_conversation(reading: Reading, inner: bytes) -> None:
    good = json.dumps({"messages": CHAT}).encode()
    spans = reading.spans(
        FORMAT, b"[" + b'{"messages":[{"role":"user","content":"x","e":' + inner + b"}]}," + good + b"]"
    )
    assert reading.said(spans)[-2:] == SAID


def test_texts_hold_no_nul_and_no_lone_surrogate(reading: Reading) -> None:
    spans = reading.spans(FORMAT, rb'[{"role":"user","content":"a\u0000b\ud83d"}]')
    assert reading.said(spans) == [("user", "ab\ufffd")]


def test_an_element_too_large_to_hold_is_counted(reading: Reading) -> None:
    rest = b'[{"a":1},' + b'{"b":"' + b'x\\"{' * 500 + b'"},\n {"c":3}]'
    for size in (1, 7, 100, 5000):
        chunks = [rest[n : n + size] for n in range(0, len(rest), size)]
        cut = list(elements(chunks, max_element=300))
        values = [e.data[e.start : e.end] for e in cut if not e.defect]
        assert values[0] == b'{"a":1}'
        if size < 5000:
            assert [e.defect for e in cut] == ["", "too_long", ""]
            assert values[1] == b'{"c":3}'
            assert len(cut[1].data) < len(rest)
        position = 0
        for element in cut:
            assert element.offset == position
            position += element.length
        assert position == len(rest)


STRUCTURES: st.SearchStrategy[Any] = st.recursive(
    st.integers(-9, 9) | st.text(st.sampled_from('{}[]",\\é \n'), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.dictionaries(st.text(max_size=3), STRUCTURES, max_size=3), max_size=5), st.integers(1, 40), st.data()
)
def test_elements_are_the_items_wherever_the_chunks_end(items: list[Any], size: int, data: st.DataObject) -> None:
    text = json.dumps(items, ensure_ascii=False, indent=data.draw(st.sampled_from([None, 1]))).encode()
    chunks = [text[n : n + size] for n in range(0, len(text), size)]
    cut = list(elements(chunks))
    assert [json.loads(e.data[e.start : e.end]) for e in cut if e.start < len(e.data)] == items
    assert b"".join(e.data for e in cut) == text


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=60)
    | st.lists(st.sampled_from(list('{}[]",:\\ a1')), max_size=60).map(lambda c: "".join(c).encode())
)
def test_never_raises_on_any_bytes(reading: Reading, data: bytes) -> None:
    reading.spans(FORMAT, data)
    FORMAT.sniff(data, SourceInfo("x.json"))


def test_a_large_document_is_read_in_pieces() -> None:
    # 40 MB of conversations through a stream that counts what is outstanding: one conversation is held, not the file.
    rng = random.Random(3)
    text = "".join(rng.choices('abc "\\{}[]\n', k=20_000))
    one = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    count = 40_000_000 // len(one)
    document = io.BytesIO(b"[" + b",".join([one] * count) + b"]")
    seen = 0
    for span in FORMAT.read(document, SourceInfo("x.json")):
        assert len(span.messages) == 1
        seen = span.offset + span.length
        assert document.tell() - seen <= 2 * 1024 * 1024
    assert seen == len(document.getvalue())
