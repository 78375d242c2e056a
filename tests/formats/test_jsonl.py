from __future__ import annotations

import json
import math
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from memento_ingest.jsonl import BLANK, Record, records
from memento_ingest.span import Line

START = 1000


def read(data: bytes) -> list[Record]:
    """Return the records of a line, having checked that they tile it."""
    found = records(Line(START, data))
    position = START
    for record in found:
        assert record.offset == position
        assert record.length > 0
        assert not (record.defect and record.value is not None)
        position += record.length
    assert position == START + len(data)
    return found


def values(data: bytes) -> list[Any]:
    return [record.value for record in read(data) if not record.defect]


def defects(data: bytes) -> list[str]:
    return [record.defect for record in read(data) if record.defect]


@pytest.mark.parametrize("value", [{"a": 1}, [1], "text", 42, 1.5, None, True, {}, [], {"é": "\u2028\x85"}])
def test_one_value_of_any_type_is_one_record(value: object) -> None:
    data = json.dumps(value, ensure_ascii=False).encode() + b"\n"
    assert read(data) == [Record(START, len(data), value, "")]


@pytest.mark.parametrize("data", [b"\n", b" \t\r\n", b"   "])
def test_an_empty_line_is_blank_and_no_defect(data: bytes) -> None:
    (record,) = read(data)
    assert record.value is BLANK
    assert record.blank
    assert not record.defect


def test_no_bytes_hold_no_record() -> None:
    assert read(b"") == []


@pytest.mark.parametrize(
    ("data", "expected", "broken"),
    [
        (b'{"a":1}{"b":2}\n', [{"a": 1}, {"b": 2}], []),
        (b'{"a":1} {"b":2},{"c":3}\n', [{"a": 1}, {"b": 2}, {"c": 3}], ["broken_json"]),
        (b'{"type":"user","c":"hel{"type":"x","d":"y"}\n', [{"type": "x", "d": "y"}], ["broken_json"]),
        (b'{"a":1,{"b":2}\n', [{"b": 2}], ["broken_json"]),
        (b'{"a":{"b":2}\n', [{"b": 2}], ["broken_json"]),
        (b'{"a":{"b":1},"c":\n', [{"b": 1}], ["broken_json", "broken_json"]),
        (b'{"a":1}"}]}\n', [{"a": 1}], ["broken_json"]),
        (b'{"m":{"a":1{"b":{"c":2}}}}\n', [{"b": {"c": 2}}], ["broken_json", "broken_json"]),
        (b'\0\0\0{"a":1}\n', [{"a": 1}], ["nul_bytes"]),
        (b'{"a":1}\0\0\0\n', [{"a": 1}], ["nul_bytes"]),
        (b'{"a":"x\0\0{"b":2}\n', [{"b": 2}], ["broken_json"]),
        (b"\0\0\0\0\n", [], ["nul_bytes"]),
        (b'{"a" "b"}\n', [], ["broken_json"]),
        (b'{"a":"\\\n', [], ["broken_json"]),
        (b'\x1e{"a":1}\n', [{"a": 1}], ["broken_json"]),
    ],
)
def test_complete_objects_are_recovered_from_a_broken_line(
    data: bytes, expected: list[object], broken: list[str]
) -> None:
    assert values(data) == expected
    assert defects(data) == broken


def test_bad_text_is_replaced_and_the_record_kept() -> None:
    assert values(b'{"a":"x\xff\xfey"}\n') == [{"a": "x\ufffd\ufffdy"}]
    assert values(rb'{"a":"\ud800","b":"\udc00x","c":"\ud83d\ude00","d":"\\ud800"}') == [
        {"a": "\ufffd", "b": "\ufffdx", "c": "😀", "d": "\\ud800"}
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le"])
def test_byte_order_marks(encoding: str) -> None:
    mark = "" if encoding == "utf-8-sig" else "\ufeff"
    data = (mark + '{"a":"é中"}\n{"b":"ü"}\n').encode(encoding)
    lines = [line + b"\n" for line in data.split(b"\n")[:-1]]
    assert [value for line in lines for value in values(line)] == [{"a": "é中"}, {"b": "ü"}]


def test_numbers_beyond_every_limit() -> None:
    (value,) = values(b'{"a":' + b"9" * 5000 + b',"b":NaN,"c":-Infinity,"d":1e999,"e":' + b"8" * 400 + b"}\n")
    assert value["a"] == math.inf
    assert math.isnan(value["b"])
    assert (value["c"], value["d"], value["e"]) == (-math.inf, math.inf, int("8" * 400))


@pytest.mark.parametrize("opening", [b'{"a":', b"["])
def test_depth_100_000_is_a_defect_and_the_record_after_it_is_kept(opening: bytes) -> None:
    closing = b"}" if opening[:1] == b"{" else b"]"
    data = opening * 100_000 + b"1" + closing * 100_000
    assert defects(data + b"\n") == ["too_deep"]
    assert values(data + b'{"z":1}\n') == [{"z": 1}]
    assert not values(opening * 100_000 + b"\n")


def test_very_long_strings_of_a_long_line_lose_their_middle() -> None:
    long = 'wörd 🎉 \\ " ' * 400_000
    data = json.dumps({"a": long, "b": "x" * 2_000_000, "c": "short"}, ensure_ascii=False).encode() + b"\n"
    (record,) = read(data + b"")
    assert record.length == len(data)
    assert record.value["c"] == "short"
    head, _, tail = record.value["a"].partition("left out]")
    assert long.startswith(head.split(" … [")[0])
    assert long.endswith(tail.removeprefix(" … "))
    assert len(head) + len(tail) < 200_000
    assert record.value["b"] == " … [2,000,000 bytes left out] … "
    spliced = read(data.strip() + data)
    assert [r.value["c"] for r in spliced] == ["short", "short"]
    assert values(b'{"a":"' + b"x" * 3_000_000 + b'"}\n') == [{"a": "x" * 3_000_000}]


@given(st.binary(max_size=200))
def test_any_bytes_are_tiled(data: bytes) -> None:
    read(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(
    st.sampled_from(["type", "uuid", "message"]) | st.text(max_size=6), JSON, min_size=1, max_size=4
)


@settings(max_examples=300)
@given(st.lists(OBJECTS, min_size=1, max_size=5), st.data())
def test_any_damage_to_a_line_is_tiled(objects: list[dict[str, Any]], data: st.DataObject) -> None:
    line = bytearray(b"".join(json.dumps(value).encode("utf-8", "replace") for value in objects) + b"\n")
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, len(line) - 1))
        end = place + data.draw(st.integers(0, 6))
        line[place:end] = data.draw(st.sampled_from([b"", b"\0\0", b'"', b"{", b"}", b"\\", b"\xff", b'{"']))
        if not line:
            break
    read(bytes(line))


@given(st.lists(OBJECTS, min_size=1, max_size=6))
def test_records_that_lost_their_newlines_are_all_recovered(objects: list[dict[str, Any]]) -> None:
    line = b"".join(json.dumps(value).encode() for value in objects)
    found = read(line + b"\n")
    assert [json.dumps(r.value) for r in found] == [json.dumps(json.loads(json.dumps(value))) for value in objects]


@settings(max_examples=300)
@given(OBJECTS, st.lists(st.text("abc def", max_size=8), min_size=1, max_size=4), st.data())
def test_a_record_spliced_into_another_is_recovered(cut: dict[str, Any], texts: list[str], data: st.DataObject) -> None:
    first = json.dumps({"type": "user", **cut}).encode()
    first = first[: data.draw(st.integers(1, len(first) - 1))]
    second = {"type": "assistant", "message": {"content": texts}}
    assert second in values(first + json.dumps(second).encode() + b"\n")


@pytest.mark.parametrize(
    "garbage",
    [
        b'{"a":' * 400_000,
        b'{"' * 1_000_000,
        b'{"a" ' * 400_000 + b"}" * 400_000,
        b'{"a":"' + b"\\n" * 1_000_000,
        b'{"a":{"m":[{"type":"text","x":"y"},' * 60_000,
        random.Random(7).randbytes(2_000_000),
    ],
    ids=["open", "quotes", "balanced", "escapes", "nested", "noise"],
)
def test_garbage_takes_linear_time(garbage: bytes) -> None:
    begin = time.process_time()
    read(garbage)
    assert time.process_time() - begin < 5
