"""Exports as .zip files: members, accounting, limits, damage."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from memento_ingest.formats import archive
from memento_ingest.formats.archive import Archive
from memento_ingest.formats.chatgpt import ChatGPT
from memento_ingest.span import SourceInfo, Span

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

FORMAT = Archive()
CLAUDE_AI = json.dumps(
    [{"uuid": "c1", "name": "T", "chat_messages": [{"uuid": "m1", "sender": "human", "text": "from claude"}]}]
)
CHATGPT = json.dumps(
    [
        {
            "id": "c2",
            "current_node": "n",
            "mapping": {
                "n": {
                    "parent": None,
                    "message": {
                        "id": "m2",
                        "author": {"role": "user"},
                        "content": {"content_type": "text", "parts": ["from chatgpt"]},
                    },
                }
            },
        }
    ]
)


def zipped(*members: tuple[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        for name, content in members:
            made.writestr(name, content)
    return buffer.getvalue()


def outcome(spans: list[Span]) -> list[str]:
    return [span.skipped or span.defect or span.messages[0].text for span in spans]


def test_the_conversations_of_every_member_are_read_wherever_it_lies(reading: Reading) -> None:
    data = zipped(
        ("chat.html", "<html>"),
        ("export/conversations.json", CHATGPT),
        ("conversations-001.json", CLAUDE_AI),
        ("notes/talk.md", "User: from markdown\nAssistant: yes\n"),
        ("lines.jsonl", '{"role":"user","content":"from lines"}\n'),
    )
    spans = reading.spans(FORMAT, data, "export.zip")
    assert outcome(spans) == ["not_a_transcript", "from chatgpt", "from claude", "from markdown", "yes", "from lines"]
    assert [m.source for m in reading.messages(spans)] == [
        "chatgpt",
        "claude-ai",
        "markdown",
        "markdown",
        "generic-jsonl",
    ]
    assert reading.messages(spans)[2].session_id == "talk"


def test_a_member_has_the_keys_it_has_outside(reading: Reading) -> None:
    inside = reading.longest(reading.spans(FORMAT, zipped(("conversations.json", CHATGPT)), "export.zip"))
    assert inside == reading.longest(reading.spans(ChatGPT(), CHATGPT.encode()))


def test_the_exports_samples_zipped(reading: Reading) -> None:
    one = reading.fixture("chatgpt/branches.json")
    two = reading.fixture("claude-ai/attachments.json")
    data = zipped(("a/conversations.json", one), ("b/conversations.json", two))
    assert len(reading.messages(reading.spans(FORMAT, data, "x.zip"))) == 5 + 6


def test_a_span_lies_in_its_members_bytes(reading: Reading) -> None:
    data = zipped(("a.json", CHATGPT), ("b.json", CLAUDE_AI), ("c.json", "[]"))
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        starts = [member.header_offset for member in made.infolist()]
    assert [span.offset for span in reading.spans(FORMAT, data, "x.zip")] == starts


def test_members_that_are_no_transcripts_are_counted(reading: Reading) -> None:
    data = zipped(
        ("folder/", ""),
        ("package.json", '{"name": "x"}'),
        ("image.png", b"\x89PNG"),
        ("inner.zip", zipped(("conversations.json", CHATGPT))),
        ("inner.json", zipped(("conversations.json", CHATGPT))),
        ("empty.json", ""),
        ("../../etc/conversations.json", CHATGPT),
    )
    expected = ["directory", "unrecognised", "not_a_transcript", "nested_archive", "unrecognised"]
    assert outcome(reading.spans(FORMAT, data, "x.zip")) == [*expected, "not_a_transcript", "from chatgpt"]


def test_an_encrypted_member_is_a_defect(reading: Reading) -> None:
    data = bytearray(zipped(("conversations.json", CHATGPT), ("b.json", CLAUDE_AI)))
    directory = data.index(b"PK\x01\x02")
    data[directory + 8] |= 1
    assert outcome(reading.spans(FORMAT, bytes(data), "x.zip")) == ["encrypted", "from claude"]


def test_an_unknown_compression_is_a_defect(reading: Reading) -> None:
    data = zipped(("conversations.json", CHATGPT), compression=zipfile.ZIP_LZMA)
    assert outcome(reading.spans(FORMAT, data, "x.zip")) == ["unknown_compression"]


def test_a_bomb_is_not_opened(reading: Reading) -> None:
    data = zipped(("conversations.json", b" " * 4_000_000), ("b.json", CLAUDE_AI))
    assert outcome(reading.spans(FORMAT, data, "x.zip")) == ["compression_ratio", "from claude"]


def test_a_bomb_that_lies_about_its_compressed_size_is_not_opened(reading: Reading) -> None:
    data = bytearray(zipped(("conversations.json", b" " * 4_000_000)))
    struct.pack_into("<L", data, data.index(b"PK\x01\x02") + 20, 3_000_000)
    assert outcome(reading.spans(FORMAT, bytes(data), "x.zip")) == ["compression_ratio"]


def test_a_member_beyond_the_size_limit_is_not_opened(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBER", 10)
    assert outcome(reading.spans(FORMAT, zipped(("conversations.json", CHATGPT)), "x.zip")) == ["too_large"]


def test_too_many_members(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 2)
    data = zipped(*((f"{n}.json", CLAUDE_AI) for n in range(5)))
    assert outcome(reading.spans(FORMAT, data, "x.zip")) == ["from claude", "from claude", "too_many_members"]


def test_a_directory_too_large_to_hold_is_not_read(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_MAX_DIRECTORY", 100)
    data = zipped(*((f"{n}.json", CLAUDE_AI) for n in range(5)))
    assert outcome(reading.spans(FORMAT, data, "x.zip")) == ["broken_archive"]


def test_zip64_end_records_are_read(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    data = zipped(("a.json", CHATGPT), ("b.json", CLAUDE_AI))
    assert b"PK\x06\x06" in data
    assert outcome(reading.spans(FORMAT, data, "x.zip")) == ["from chatgpt", "from claude"]


def test_a_damaged_member_costs_no_other(reading: Reading) -> None:
    noise = random.Random(1).randbytes(2000).hex()
    data = bytearray(zipped(("a.json", CHATGPT[:-1] + f', "{noise}"]'), ("b.json", CLAUDE_AI)))
    data[600:700] = bytes(100)
    spans = reading.spans(FORMAT, bytes(data), "x.zip")
    assert outcome(spans)[-2:] == ["broken_member", "from claude"]


@pytest.mark.parametrize("data", [b"PK\x03\x04", b"PK\x03\x04" + b"x" * 100, zipped(("a.json", CHATGPT))[:-30]])
def test_a_broken_archive_is_a_defect(reading: Reading, data: bytes) -> None:
    assert outcome(reading.spans(FORMAT, data, "x.zip")) == ["broken_archive"]


def test_a_stream_that_cannot_seek_is_a_defect(reading: Reading) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    (span,) = FORMAT.read(Pipe(b"PK\x03\x04" * 50_000), SourceInfo("<stdin>"))
    assert (span.length, span.defect) == (200_000, "not_seekable")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4))
def test_never_raises_on_a_damaged_archive(reading: Reading, damage: list[tuple[int, bytes]]) -> None:
    data = bytearray(zipped(("a.json", CHATGPT), ("b.jsonl", '{"role":"user","content":"a"}\n'), ("c.md", "User: a\n")))
    for position, value in damage:
        at = position % len(data)
        data[at : at + len(value)] = value
    reading.spans(FORMAT, bytes(data), "x.zip")


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        (b"PK\x03\x04rest", "export.zip", True),
        (b"PK\x03\x04rest", "EXPORT.ZIP", True),
        (b"PK\x03\x04rest", "<stdin>", True),
        (b"PK\x03\x04rest", "letter.docx", False),
        (b"PK\x03\x04rest", "package.whl", False),
        (b"text", "export.zip", False),
    ],
)
def test_sniffing(head: bytes, name: str, expected: bool) -> None:
    assert FORMAT.sniff(head, SourceInfo(name)) is expected


def test_members_together_hold_to_one_budget(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each member is small enough to need no ratio; all of them are a bomb."""
    monkeypatch.setattr(archive, "_TOTAL_FROM", 4 * 1024 * 1024)
    members = [(f"{number}.jsonl", b"\n" * 900_000) for number in range(50)]
    spans = reading.spans(FORMAT, zipped(*members), "bomb.zip")
    assert spans[-1].defect == "compression_ratio"
    lines = [(f"{number}.jsonl", b'{"role": "user", "content": "a"}\n' * 30_000) for number in range(5)]
    assert "too_many_lines" in {span.defect for span in reading.spans(FORMAT, zipped(*lines), "lines.zip")}
