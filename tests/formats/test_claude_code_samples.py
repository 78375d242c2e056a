"""What is in each Claude Code sample, counted by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memento_ingest.formats.claude_code import ClaudeCode
from memento_ingest.span import SourceInfo, Span

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

EXPECTED = {
    "notifications.jsonl": {"user turn": 1, "task_notification": 2},
    "cut-short.jsonl": {"user turn": 1, "assistant turn": 1, "incomplete_line": 1},
    "fork.jsonl": {"user turn": 7, "assistant turn": 4},
    "resume.jsonl": {"user turn": 5, "assistant turn": 3},
    "edge-cases.jsonl": {
        "user turn": 5,
        "assistant turn": 2,
        "tool tool_call": 1,
        "tool_use": 2,
        "local_command": 2,
        "no_text": 2,
        "not_an_object": 3,
        "unknown_type": 1,
        "title": 1,
    },
    "hook-attachments.jsonl": {"user turn": 1, "assistant turn": 1, "hook_output": 4, "attachment": 1},
    "sidechain.jsonl": {"user turn": 1, "assistant turn": 3, "tool tool_call": 1, "tool_use": 3},
    "tools.jsonl": {
        "user turn": 2,
        "assistant turn": 2,
        "tool tool_call": 2,
        "tool_use": 1,
        "title": 1,
    },
    "teammates.jsonl": {
        "user turn": 1,
        "assistant turn": 1,
        "tool tool_call": 9,
        "tool_use": 9,
        "teammate_message": 2,
    },
}


def spans_of(reading: Reading, name: str) -> list[Span]:
    data = reading.fixture(f"claude-code/{name}")
    spans = sorted(reading.in_runs(ClaudeCode(), data, []), key=lambda span: span.offset)
    reading.check_tiling(spans, len(data))
    return spans


def counts(spans: list[Span]) -> dict[str, int]:
    words = Counter(span.skipped or span.defect for span in spans if not span.messages)
    words.update(f"{message.role} {message.kind}" for span in spans for message in span.messages)
    return dict(words)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_line_gives_its_message_or_a_reason(reading: Reading, name: str) -> None:
    assert counts(spans_of(reading, name)) == EXPECTED[name]
    data = reading.fixture(f"claude-code/{name}")
    assert ClaudeCode().sniff(data[:65536], SourceInfo(name))


def test_no_sample_is_left_out(sample_files: Path) -> None:
    folder = sample_files / "claude-code"
    assert {path.name for path in folder.iterdir()} == set(EXPECTED)


def test_the_fork_marks_the_branch_it_leaves(reading: Reading) -> None:
    spans = spans_of(reading, "fork.jsonl")
    (fork,) = [span for span in spans if span.inactive]
    assert fork.messages[0].text == "From 15 April instead"
    assert fork.inactive == ("d#0", "e", "f", "g#0", "h")
    assert {message.session_id for span in spans for message in span.messages} == {"s1", "s2", "s3"}


def test_other_agents_files_are_not_taken_for_claude_codes(sample_files: Path) -> None:
    for path in sample_files.rglob("*.jsonl"):
        is_own = path.parent.name == "claude-code"
        assert ClaudeCode().sniff(path.read_bytes()[:65536], SourceInfo(path.name)) == is_own, path.name
