"""Compressed rollouts: the same messages under the same keys, bounded, and no byte unaccounted for."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest
import zstandard

from memento_ingest.formats.codex import Codex, compressed as codex_zst
from memento_ingest.formats.codex.compressed import CodexZst
from memento_ingest.formats.registry import detect
from memento_ingest.span import SourceInfo

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

NAME = "rollout-2026-09-01T10-12-16-01a05a85-f872-79d3-85c3-c1933dc86828.jsonl.zst"


def rollout(turns: int) -> bytes:
    noise = random.Random(7)
    lines = [{"type": "session_meta", "payload": {"id": "s1", "cwd": "/w", "cli_version": "0.140.0"}}]
    for number in range(turns):
        text = f"{number} {noise.randbytes(200).hex()}"
        lines.append({"type": "event_msg", "payload": {"type": "user_message", "message": text}})
        lines.append({"type": "event_msg", "payload": {"type": "agent_message", "message": f"re {text}"}})
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@pytest.mark.parametrize("turns", [1, 5000])
def test_compressing_a_rollout_changes_no_message(reading: Reading, turns: int) -> None:
    plain = rollout(turns)
    packed = zstandard.ZstdCompressor().compress(plain)
    expected = reading.messages(reading.spans(Codex(), plain))
    assert len(expected) == 2 * turns
    found = detect(packed[:65536], SourceInfo(NAME))
    assert isinstance(found, CodexZst)
    assert reading.messages(reading.spans(found, packed)) == expected


def test_frames_one_after_another_are_one_rollout(reading: Reading) -> None:
    plain = rollout(20)
    compressor = zstandard.ZstdCompressor(write_content_size=False)
    packed = compressor.compress(plain[:3000]) + compressor.compress(plain[3000:])
    assert reading.messages(reading.spans(CodexZst(), packed)) == reading.messages(reading.spans(Codex(), plain))


def test_a_damaged_frame_gives_what_comes_before_it(reading: Reading) -> None:
    packed = zstandard.ZstdCompressor().compress(rollout(5000))
    damaged = packed[: len(packed) // 2] + b"\0" * 1000 + packed[len(packed) // 2 + 1000 :]
    spans = reading.spans(CodexZst(), damaged)
    assert spans[-1].defect == "broken_archive"
    assert len(reading.messages(spans)) > 1000


def test_a_frame_cut_short_is_read_as_far_as_it_goes(reading: Reading) -> None:
    packed = zstandard.ZstdCompressor().compress(rollout(5000))
    assert len(reading.messages(reading.spans(CodexZst(), packed[: len(packed) // 2]))) > 1000


@pytest.mark.parametrize(("limit", "defect"), [("MAX_SIZE", "too_large"), ("MAX_RATIO", "compression_ratio")])
def test_what_grows_beyond_measure_is_left(
    reading: Reading, monkeypatch: pytest.MonkeyPatch, limit: str, defect: str
) -> None:
    monkeypatch.setattr(codex_zst, limit, 10)
    monkeypatch.setattr(codex_zst, "_RATIO_FROM", 1000)
    packed = zstandard.ZstdCompressor().compress(rollout(1) + b'{"type":"world_state","payload":{}}\n' * 100_000)
    assert reading.spans(CodexZst(), packed)[-1].defect == defect


@pytest.mark.parametrize("plain", [b"", b"hello\n" * 9, b'{"role":"user","content":"x"}\n' * 9])
def test_other_compressed_files_are_not_taken_for_rollouts(plain: bytes) -> None:
    packed = zstandard.ZstdCompressor().compress(plain)
    assert not CodexZst().sniff(packed, SourceInfo(NAME))
    assert not CodexZst().sniff(packed[:6], SourceInfo(NAME))
    assert not CodexZst().sniff(packed[:4] + b"\xff" * 90, SourceInfo(NAME))


@pytest.mark.parametrize("filler", [b"\n", b" \n", b"{}\n", b"x\n"])
def test_more_lines_than_bytes_end_in_one_defect(reading: Reading, filler: bytes) -> None:
    packed = zstandard.ZstdCompressor(level=19).compress(rollout(1) + filler * (4_000_000 // len(filler)))
    assert len(packed) < 10_000
    spans = reading.spans(CodexZst(), packed)
    assert len(reading.messages(spans)) == 2
    assert sum(span.length for span in spans) == len(packed)
    assert filler.isspace() or spans[-1].defect == "too_many_lines"
    assert len(spans) < 200_000
