"""Dirty input: every byte is stored, skipped or quarantined with file and offset, and nothing raises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

if TYPE_CHECKING:
    from tests.ingest.conftest import Ingest, Stores, Transcript

DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.fixture
def good(transcript: Transcript) -> tuple[bytes, bytes]:
    return (
        transcript.user("We decided to keep the reading of dirty files boring."),
        transcript.user("I prefer a quarantine entry to a missing record."),
    )


def damaged(ingest: Ingest, folder: Path, good: tuple[bytes, bytes], bad: bytes) -> list[tuple[int, int, str]]:
    """Read bad bytes between two good records; both must be stored. Return what was quarantined."""
    path = folder / "session.jsonl"
    path.write_bytes(good[0] + bad + good[1])
    report = ingest.whole(path)
    assert len(ingest.texts()) >= 2
    assert report.bytes_quarantined == sum(entry.length for entry in ingest.quarantine())
    assert {entry.path for entry in ingest.quarantine()} <= {str(path)}
    return [(entry.offset - len(good[0]), entry.length, entry.reason) for entry in ingest.quarantine()]


@pytest.mark.parametrize(
    ("bad", "reasons"),
    [
        (b'{"type":"user","message":\n', ["broken_json"]),
        (b"<html>503 Service Unavailable</html>\n", ["broken_json"]),
        (b"\0" * 4096 + b"\n", ["nul_bytes"]),
        (b"\0" * 4096, ["nul_bytes"]),
        (b"\xff\xfe\xfd\n", ["broken_json"]),
        (DEEP + b"\n", ["too_deep"]),
        (b'{"type":"user","n":' + b"9" * 5_000 + b"\n", ["broken_json"]),
        (b"\n \t\n\r\n", []),
        (b'42\n"text"\n[1]\nnull\n', []),
        (b'{"type":"later","deep":' + DEEP + b"}\n", ["too_deep"]),
    ],
    ids=["cut", "html", "nuls", "nuls-spliced", "no-utf8", "deep", "digits", "blank", "no-objects", "deep-field"],
)
def test_bad_lines(bad: bytes, reasons: list[str], ingest: Ingest, tmp_path: Path, good: tuple[bytes, bytes]) -> None:
    entries = damaged(ingest, tmp_path, good, bad)
    assert [reason for _, _, reason in entries] == reasons
    assert all(offset == 0 for offset, _, _ in entries)


def test_spliced_records_are_both_recovered(ingest: Ingest, tmp_path: Path, transcript: Transcript) -> None:
    """As in anthropics/claude-code#81843: one record ends up inside another."""
    first = transcript.user("We decided that the first half of a splice is lost.")
    second = transcript.user("We decided that a record inside another one is recovered.")
    third = transcript.user("We decided that records without a newline between them are two.")
    path = tmp_path / "session.jsonl"
    path.write_bytes(first[:90] + second + second[:-1] + third)
    report = ingest.whole(path)
    assert ingest.texts() == [json.loads(line)["message"]["content"] for line in (second, third)]
    assert report.quarantined == {"broken_json": 1}
    (entry,) = ingest.quarantine()
    assert (entry.offset, entry.length) == (0, 90)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (rb"lone \ud800 surrogate", "lone � surrogate"),
        (b"bad \xff byte", "bad � byte"),
        (rb"a \u0000 NUL", None),
        ("line\u2028separator".encode(), "separator"),
        (b"integer", "integer"),
    ],
    ids=["surrogate", "utf-8", "nul", "u2028", "integer"],
)
def test_bad_text_inside_a_good_record(
    field: bytes, expected: str | None, ingest: Ingest, tmp_path: Path, transcript: Transcript
) -> None:
    line = transcript.user("We decided: MARK.", n=0).replace(b"MARK", field).replace(b'"n": 0', b'"n": ' + b"7" * 5_000)
    path = tmp_path / "session.jsonl"
    path.write_bytes(line)
    assert ingest.whole(path).stored == 1
    (text,) = ingest.texts()
    assert "\0" not in text
    assert expected is None or expected in text


def test_a_line_of_forty_megabytes(ingest: Ingest, tmp_path: Path, good: tuple[bytes, bytes]) -> None:
    long = json.dumps({"type": "user", "message": {"content": "word " * 8_000_000}}).encode() + b"\n"
    assert damaged(ingest, tmp_path, good, long) == []
    assert damaged(ingest, tmp_path, good, long[:-2] + b"\n") != []


def test_a_document_cut_short_keeps_its_whole_conversations(ingest: Ingest, tmp_path: Path) -> None:
    one = [{"role": "user", "content": "We decided to export conversations every Friday."}]
    data = json.dumps([{"messages": one}, {"messages": one * 2}]).encode()
    path = tmp_path / "export.json"
    path.write_bytes(data[:-30])
    report = ingest.whole(path)
    assert report.stored == 1
    assert [entry.offset + entry.length for entry in ingest.quarantine()][-1] == len(data) - 30


@pytest.mark.parametrize("name", ["export.zip", "binary.jsonl", "binary.json", "binary.md", "binary"])
def test_a_binary_file_is_no_transcript(name: str, ingest: Ingest, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x7fELF\x02\x01\x01\0" + bytes(range(256)) * 64)
    report = ingest.run(path)
    assert report.problems == [(str(path), "no transcript format recognises it: name one with --format")]
    for format_ in ("claude-code", "generic-jsonl", "generic-json", "markdown", "archive", "chatgpt", "claude-ai"):
        ingest.run(path, format_=format_)
    assert ingest.texts() == []


def test_what_is_quarantined_is_listed_once(ingest: Ingest, tmp_path: Path, good: tuple[bytes, bytes]) -> None:
    path = tmp_path / "session.jsonl"
    path.write_bytes(good[0] + b"{broken\n")
    ingest.run(path)
    with path.open("ab") as file:
        file.write(b"{broken too\n" + good[1])
    ingest.run(path)
    assert [entry.offset - len(good[0]) for entry in ingest.quarantine()] == [0, 8]
    path.write_bytes(good[0])
    ingest.run(path)
    path.write_bytes(b"".join(good))
    ingest.run(path)
    assert ingest.quarantine() == []


GARBAGE = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"}{", b"\n", b"\0", b'{"type":"user"', b"\xe2\x80\xa8", b'"\\ud800"', b"]]", b'{"role":']),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_accounted_for(
    data: Any, stores: Stores, conversation: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = b"".join(conversation)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole)))
        cut = data.draw(st.integers(0, 50))
        whole = whole[:at] + data.draw(GARBAGE) + whole[at + cut :]
    path = tmp_path_factory.mktemp("damaged") / "session.jsonl"
    path.write_bytes(whole)
    ingest = stores.new()
    report = ingest.whole(path, format_="claude-code")
    last = ingest.accounts()[0][1]
    kept_out = sum(entry.length for entry in ingest.quarantine() if entry.offset < last)
    assert kept_out <= report.bytes_quarantined
    ingest.run(path, format_="claude-code")
    assert len(ingest.rows()) == report.stored
