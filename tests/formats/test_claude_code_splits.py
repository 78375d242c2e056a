"""Whatever the records and wherever a source is split: the same messages, and every byte in one span."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st

from memento_ingest.formats.claude_code import ClaudeCode, parser as parser_module, state as state_module
from memento_ingest.lines import read_lines
from memento_ingest.span import Checkpoint, Line, SourceInfo, Span
from memento_policies import Message

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

SECRET = "sk-unredacted"
TEXTS = st.sampled_from(["one", "one two", "one two three", "four", "", "(no content)", f"token {SECRET}", "é\0\u2028"])
FEW = st.sampled_from([None, "", "1", "2", "3", "4"])
CALLS = st.sampled_from(["t1", "t2", "t3", None])
BLOCKS = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXTS),
    st.builds(lambda i, text: {"type": "tool_use", "id": i, "name": "Bash", "input": {"command": text}}, CALLS, TEXTS),
    st.builds(lambda i, text: {"type": "tool_result", "tool_use_id": i, "content": text}, CALLS, TEXTS),
    st.sampled_from([{"type": "thinking", "thinking": SECRET}, {"type": "image"}, {"type": "new"}, {}, 5, "bare"]),
)
CONTENT = st.one_of(st.lists(BLOCKS, max_size=3), TEXTS, st.none())
MESSAGE = st.fixed_dictionaries(
    {"content": CONTENT}, optional={"id": FEW, "model": st.sampled_from(["m", "<synthetic>"])}
)
FLAGS = st.sampled_from([None, False, False, True])
ENVELOPE = {
    "uuid": st.none() | st.integers(0, 30).map(str),
    "parentUuid": st.none() | st.integers(0, 30).map(str),
    "sessionId": FEW,
    "cwd": st.sampled_from(["/a", "/b"]),
    "timestamp": st.sampled_from(["2026-09-01T00:00:00.000Z", "2026-09-01T00:00:01.000Z", "soon", 1_788_220_800_000]),
    "isSidechain": FLAGS,
    "isMeta": FLAGS,
    "forkedFrom": st.builds(lambda u: {"messageUuid": u}, FEW),
}
TYPES = st.sampled_from(
    ["user", "user", "assistant", "assistant", "assistant", "progress", "system", "later", "summary"]
)
RECORDS: st.SearchStrategy[Any] = st.one_of(
    st.fixed_dictionaries({"type": TYPES, "message": MESSAGE}, optional=ENVELOPE),
    st.builds(
        lambda kind, prompt: {"type": "attachment", "attachment": {"type": kind, "prompt": prompt}},
        st.sampled_from(["queued_command", "hook_success"]),
        CONTENT,
    ),
    st.fixed_dictionaries({"type": TYPES}, optional={name: st.integers() for name in (*ENVELOPE, "message")}),
    st.sampled_from([5, "text", [], None]),
)


def said(message_id: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    return {"type": "assistant", "message": {"id": message_id, "content": list(blocks)}}


def call(call_id: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "Bash", "input": {"command": f"run {call_id}"}}


def result(call_id: str) -> dict[str, Any]:
    return {"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": call_id, "content": "ok"}]}}


# The records that depend on one another, few enough that they meet.
USUAL: list[dict[str, Any]] = [
    *(said("m1", {"type": "text", "text": text}) for text in ("one", "one two", "three")),
    *(said("m1", call(name)) for name in ("t1", "t2")),
    said("m1", {"type": "text", "text": "three"}, call("t3")),
    said("m2", {"type": "text", "text": "four"}),
    said("m2", call("t1")),
    said("", {"type": "text", "text": "five"}),
    *(result(name) for name in ("t1", "t2", "t3")),
    {"type": "user", "message": {"content": "go"}},
    {"type": "progress", "cwd": "/a", "timestamp": "2026-09-01T00:00:00.000Z"},
    {"type": "progress", "sessionId": "s2"},
]
# Turns that hang on a few earlier ones, so that there are branches.
TREE = st.builds(
    lambda uuid, parent: {"type": "user", "uuid": uuid, "parentUuid": parent, "message": {"content": "go"}},
    st.integers(0, 30).map(str),
    st.integers(0, 3).map(str),
)
MIXED = st.sampled_from(USUAL) | st.sampled_from(USUAL) | RECORDS
LINES = st.one_of(
    st.lists(MIXED, max_size=8),
    st.lists(MIXED, min_size=12, max_size=30),
    st.lists(TREE | st.sampled_from(USUAL), min_size=6, max_size=20),
).map(lambda found: [json.dumps(record).encode() + b"\n" for record in found])


@pytest.fixture(scope="module", autouse=True)
def _near_limits() -> Iterator[None]:
    """Make every bound small enough that short sources reach it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parser_module, "LOOKBACK_LINES", 5)
        patch.setattr(parser_module, "MAX_CALLS", 2)
        patch.setattr(state_module, "MAX_CALLS", 2)
        patch.setattr(state_module, "MAX_MESSAGES", 3)
        patch.setattr(state_module, "WINDOW", 6)
        yield


def dirty(draw: st.DrawFn, lines: list[bytes]) -> bytes:
    """Join lines, some without their newline, some cut, with NULs and bad bytes between them."""
    damage = st.sampled_from([b"", b"", b"", b"\0\0\0", b"\xff", b"\n", b'{"type":"us', b"}"])
    parts = []
    for line in lines:
        kept = line if draw(st.integers(0, 5)) else line[: draw(st.integers(0, len(line)))]
        parts += [kept.rstrip(b"\n") if not draw(st.integers(0, 5)) else kept, draw(damage)]
    return b"".join(parts)


@st.composite
def sources(draw: st.DrawFn) -> bytes:
    lines = draw(LINES)
    return dirty(draw, lines) if draw(st.booleans()) else b"".join(lines)


def best(messages: list[Message]) -> dict[str, tuple[Any, ...]]:
    """Return what a store would hold: the longest text of each key, with what else the message states."""
    kept: dict[str, tuple[Any, ...]] = {}
    for m in messages:
        fields = (len(m.text), m.text, m.role, m.kind, m.session_id, m.project, m.timestamp, json.dumps(dict(m.meta)))
        kept[m.key] = max(kept.get(m.key, fields), fields)
    return kept


def messages_of(spans: list[Span]) -> list[Message]:
    return [message for span in spans for message in span.messages]


def run(lines: list[Line], checkpoint: Checkpoint | None, *, finish: bool) -> tuple[list[Span], Checkpoint]:
    parser = ClaudeCode().parser(SourceInfo("x", modified=1), checkpoint)
    spans = [span for line in lines for span in parser.feed(line)]
    if finish:
        spans += parser.finish()
    found = parser.checkpoint()
    return spans, Checkpoint(found.offset, json.loads(json.dumps(found.state)))


def check_tiling(spans: list[Span], start: int, end: int) -> None:
    spans = sorted(spans, key=lambda span: span.offset)
    assert all(span.length > 0 for span in spans)
    assert all(sum(map(bool, (span.messages, span.skipped, span.defect))) == 1 for span in spans)
    assert sum(span.length for span in spans) == end - start
    assert all(before.offset + before.length == after.offset for before, after in pairwise(spans))
    assert not spans or spans[0].offset == start


@settings(max_examples=400, deadline=None)
@given(sources(), st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=8))
def test_any_split_gives_the_same_messages_and_tiles_the_bytes(data: bytes, splits: list[tuple[int, bool]]) -> None:
    lines = [line for line in read_lines(io.BytesIO(data)) if isinstance(line, Line)]
    whole, _ = run(lines, None, finish=True)
    check_tiling(whole, 0, len(data))

    for cuts in (splits, [(size, False) for size in range(len(lines))]):
        parts = in_runs(lines, len(data), cuts)
        assert best(messages_of(parts)) == best(messages_of(whole))
        assert {key for span in parts for key in span.inactive} == {key for span in whole for key in span.inactive}


def in_runs(lines: list[Line], size: int, cuts: list[tuple[int, bool]]) -> list[Span]:
    """Read ever more lines, each run from the checkpoint of the one before, with or without ending the source."""
    parts: list[Span] = []
    checkpoint: Checkpoint | None = None
    for count, finish in [*sorted(cuts), (len(lines), True)]:
        start = checkpoint.offset if checkpoint else 0
        fed = [line for line in lines[:count] if line.offset >= start]
        spans, ended = run(fed, checkpoint, finish=finish)
        end = fed[-1].end if fed else start
        if finish:
            check_tiling(spans, start, end)
        assert start <= ended.offset <= end
        assert ended.offset in {line.offset for line in lines} | {size}
        assert SECRET not in json.dumps(ended.state)
        parts += spans
        checkpoint = ended
    return parts


@settings(max_examples=100, deadline=None)
@given(LINES, st.lists(st.integers(0, 5000), max_size=6))
def test_a_growing_file_read_at_any_byte_gives_the_same_messages(
    reading: Reading, lines: list[bytes], cuts: list[int]
) -> None:
    data = b"".join(lines)
    whole = reading.in_runs(ClaudeCode(), data, [])
    parts = reading.in_runs(ClaudeCode(), data, [min(cut, len(data)) for cut in cuts])
    assert reading.longest(parts) == reading.longest(whole)


@settings(max_examples=100, deadline=None)
@given(LINES)
def test_keys_do_not_depend_on_the_files_name(lines: list[bytes]) -> None:
    def keys(name: str) -> list[str]:
        parser = ClaudeCode().parser(SourceInfo(name))
        found = [Line(0, line) for line in lines]
        return [m.key for m in messages_of([s for line in found for s in parser.feed(line)] + list(parser.finish()))]

    assert keys("a.jsonl") == keys("0a1b2c3d-0000-4000-8000-000000000001.jsonl") == keys("agent-7.jsonl")
