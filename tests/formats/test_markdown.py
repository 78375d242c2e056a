"""Markdown and plain text transcripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from memento_ingest.formats.markdown import Markdown
from memento_ingest.formats.shared import growing_text
from memento_ingest.span import Line, SourceInfo

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

FORMAT = Markdown()


def test_the_sample_file_gives_exactly_its_messages(reading: Reading) -> None:
    data = reading.fixture("generic/transcript.md")
    assert reading.said(reading.spans(FORMAT, data)) == [
        ("user", "which ferry\nto which quay"),
        ("assistant", "the Sandoya, to quay 5"),
        ("user", "when"),
        ("assistant", "at noon"),
    ]


@pytest.mark.parametrize(
    ("marker", "role", "text"),
    [
        ("User: a", "user", "a"),
        ("user:\na", "user", "a"),
        ("HUMAN: a", "user", "a"),
        ("## User\n\na", "user", "a"),
        ("# **Me**\na", "user", "a"),
        ("### 🧑 You:\na", "user", "a"),
        ("**You:** a", "user", "a"),
        ("**You**: a", "user", "a"),
        ("__You__\na", "user", "a"),
        ("You said:\na", "user", "a"),
        ("#### ChatGPT said:\na", "assistant", "a"),
        ("AI: a", "assistant", "a"),
        ("## Claude ##\na", None, ""),
        ("**Claude** (2026-01-02 03:00): a", "assistant", "a"),
        ("**Assistant (2026-01-02 03:00):** a", "assistant", "a"),
        ("### Assistant (2026-01-02 03:00)\na", "assistant", "a"),
        ("Tool [2026-01-02T03:00:00Z]: a", "tool", "a"),
        ("System: a", "system", "a"),
        (" User: a", None, ""),
        ("User:a", None, ""),
        ("Username: a", None, ""),
        ("## User guide", None, ""),
        ("**You** should: a", None, ""),
        ("> User: a", None, ""),
    ],
)
def test_markers(reading: Reading, marker: str, role: str | None, text: str) -> None:
    messages = reading.messages(reading.spans(FORMAT, marker.encode() + b"\n"))
    assert [(m.role, m.text) for m in messages] == ([(role, text)] if role else [])
    for message in messages:
        assert message.timestamp == (1767322800000 if "2026" in marker else 0)


def test_markers_inside_a_fence_are_text(reading: Reading) -> None:
    body = "look:\n````\nUser: x\n```\n## Assistant\n````"
    assert reading.said(reading.spans(FORMAT, f"User: {body}\nAssistant: b".encode())) == [
        ("user", body),
        ("assistant", "b"),
    ]


def test_a_bare_name_is_text_in_a_transcript_marked_by_headings(reading: Reading) -> None:
    data = b"## User\nwhich role?\n## Assistant\nUser: postgres\nTool: psql\n"
    assert reading.said(reading.spans(FORMAT, data)) == [
        ("user", "which role?"),
        ("assistant", "User: postgres\nTool: psql"),
    ]


def test_what_is_no_message_is_counted(reading: Reading) -> None:
    spans = reading.spans(FORMAT, b"# A chat\n\nUser:\n\nAssistant: b\n")
    assert [s.skipped for s in spans] == ["preamble", "preamble", "empty", ""]


def test_a_file_without_a_marker_is_skipped_whole(reading: Reading) -> None:
    spans = reading.spans(FORMAT, b"just\nnotes")
    assert {s.skipped for s in spans} == {"preamble"}


def test_a_message_without_end_is_cut(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing_text, "MAX_MESSAGE", 20)
    spans = reading.spans(FORMAT, b"User: a\n" + b"0123456789\n" * 5 + b"Assistant: b\n")
    assert reading.said(spans) == [("user", "a\n0123456789"), ("assistant", "b")]
    assert [s.skipped for s in spans if s.skipped] == ["too_long"] * 4


def test_the_open_message_keeps_its_key_while_it_grows(reading: Reading) -> None:
    parts = [b"User: first\n", b"more\n", b"Assistant: b\n"]
    cuts = [len(parts[0]), len(parts[0] + parts[1])]
    spans = reading.in_runs(FORMAT, b"".join(parts), cuts)
    assert sorted(reading.longest(spans).values()) == ["b", "first\nmore"]


def test_half_a_marker_is_not_text_of_the_message_before(reading: Reading) -> None:
    data = b"User: a\n## Assistant\nb\n"
    spans = reading.in_runs(FORMAT, data, range(9, 22))
    assert sorted(reading.longest(spans).values()) == ["a", "b"]


def test_the_checkpoint_stands_before_the_open_message(reading: Reading) -> None:
    parser = FORMAT.parser(SourceInfo("x"))
    offset = 0
    for line in (b"User: a\n", b"Assistant: b\n", b"more\n"):
        list(parser.feed(Line(offset, line)))
        offset += len(line)
    list(parser.finish())
    assert parser.checkpoint().offset == len(b"User: a\n")
    assert "more" not in str(parser.checkpoint().state)


def test_two_transcripts_that_begin_alike_share_only_what_is_alike(reading: Reading) -> None:
    one = reading.longest(reading.spans(FORMAT, b"User: hi\nAssistant: one\nUser: ok\n", "a.md"))
    two = reading.longest(reading.spans(FORMAT, b"User: hi\nAssistant: two\nUser: ok\n", "b.md"))
    assert len(one.keys() & two.keys()) == 1
    assert len(one.keys() | two.keys()) == 5


PIECES = ["User: a", "user:", "## Assistant", "**You:** q", "```", "~~~", "text", "", "x: y", "Tool: t", "é\u2028z"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12), st.data())
def test_any_split_at_a_line_gives_the_same_records(reading: Reading, lines: list[str], data: st.DataObject) -> None:
    ends = [0]
    for line in lines:
        ends.append(ends[-1] + len(line.encode()) + 1)
    cuts = data.draw(st.lists(st.sampled_from(ends), max_size=4))
    content = "".join(line + "\n" for line in lines).encode()
    whole = reading.longest(reading.spans(FORMAT, content))
    assert reading.longest(reading.in_runs(FORMAT, content, cuts)) == whole


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100) | st.lists(st.sampled_from(PIECES), max_size=8).map(lambda p: "\n".join(p).encode()))
def test_never_raises_on_any_bytes(reading: Reading, data: bytes) -> None:
    reading.spans(FORMAT, data)
    FORMAT.sniff(data, SourceInfo("x.md"))


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("User: a\nAssistant: b\n", "chat.md", True),
        ("User: a\nAssistant: b\n", "<stdin>", True),
        ("# Chat of Monday\n\n**You:** a\n\n**Claude:** b\n", "chat.txt", True),
        ("User: a\nAssistant: b\n", "chat.py", False),
        ("User: a\nmore\n", "chat.md", False),
        ("# Readme\n\n## User guide\n\n## Tool\n", "README.md", False),
        ("```\nUser: a\nAssistant: b\n```\n", "README.md", False),
        ("notes\n" * 40 + "User: a\nAssistant: b\n", "notes.md", False),
        ("#### User: a\n\nAssistant: b\n\nUser: c\n", ".aider.chat.history.md", False),
    ],
)
def test_sniffing(text: str, name: str, expected: bool) -> None:
    assert FORMAT.sniff(text.encode(), SourceInfo(name)) is expected


@pytest.mark.parametrize("start", ["# ", "## user ", "**user", "**user** ", "user ", "user (", "```", "#", "user:"])
@pytest.mark.timeout(10)
def test_a_long_line_of_blanks_costs_linear_time(reading: Reading, start: str) -> None:
    reading.spans(FORMAT, (start + " " * 500_000 + "x").encode())


SPECSTORY = b"""<!-- Generated by SpecStory, Markdown v2.1.0 -->

# Paint the pier (2026-01-05 12:00Z)

_**User (2026-01-05 12:00Z)**_

Paint the pier.

User: not a marker

---

blue, please

---

_**Agent (claude-opus-4-5 2026-01-05 12:01Z)**_

## User
It is painted.

---
"""


def test_specstorys_histories(reading: Reading) -> None:
    assert FORMAT.sniff(SPECSTORY, SourceInfo("a.md"))
    assert FORMAT.sniff(SPECSTORY[: SPECSTORY.index(b"_**Agent")], SourceInfo("a.md"))
    spans = reading.spans(FORMAT, SPECSTORY)
    assert reading.said(spans) == [
        ("user", "Paint the pier.\n\nUser: not a marker\n\n---\n\nblue, please"),
        ("assistant", "## User\nIt is painted."),
    ]
    first, second = reading.messages(spans)
    assert (first.timestamp, second.timestamp) == (1_767_614_400_000, 1_767_614_460_000)


@pytest.mark.parametrize("cut", range(40, len(SPECSTORY), 7))
def test_specstorys_histories_grow(cut: int, reading: Reading) -> None:
    whole = reading.longest(reading.in_runs(FORMAT, SPECSTORY, []))
    grown = reading.longest(reading.in_runs(FORMAT, SPECSTORY, [cut]))
    assert set(whole) <= set(grown)
    assert all(grown[name].startswith(text) for name, text in whole.items())
