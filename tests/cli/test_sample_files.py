"""The sample files through the real command line: exact counts, or a reason; never a traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

SEEN: Final = {
    "claude-code/notifications.jsonl": 1,
    "claude-code/cut-short.jsonl": 2,
    "claude-code/fork.jsonl": 11,
    "claude-code/resume.jsonl": 8,
    "claude-code/edge-cases.jsonl": 8,
    "claude-code/hook-attachments.jsonl": 2,
    "claude-code/sidechain.jsonl": 5,
    "claude-code/tools.jsonl": 6,
    "claude-code/teammates.jsonl": 11,
    "generic/langchain_messages.json": 2,
    "generic/messages_parts.jsonl": 4,
    "generic/openai_messages.jsonl": 5,
    "generic/role_content.jsonl": 2,
    "generic/sharegpt.json": 6,
    "generic/sharegpt_tools.json": 6,
    "generic/transcript.md": 4,
    "chatgpt/branches.json": 5,
    "claude-ai/attachments.json": 6,
}
"""Messages met in each file, tool calls included."""


@pytest.mark.parametrize("name", SEEN)
def test_exact_counts(name: str, memento: Cli, sample_files: Path) -> None:
    path = sample_files / name
    report = memento("ingest", path, "--no-embed").json
    assert report["seen"] == SEEN[name]
    assert report["stored"] + report["duplicates"] + report["extended"] == report["kept"] <= report["seen"]
    assert report["bytes_stored"] + report["bytes_skipped"] + report["bytes_quarantined"] == path.stat().st_size
    assert all(offset == accounted for offset, accounted in memento.accounts())


def test_every_other_file_is_counted_or_named(memento: Cli, sample_files: Path) -> None:
    files = [
        path for path in sample_files.rglob("*") if path.is_file() and str(path.relative_to(sample_files)) not in SEEN
    ]
    assert files
    done = memento.start("ingest", *files, "--no-embed")
    out, err = done.communicate(timeout=60)
    assert b"Traceback" not in err
    assert done.returncode in (0, 1, 3), err
    report = json.loads(out)
    assert report["sources"] + len(report["problems"]) == len(files)
    reasons = {problem["problem"] for problem in report["problems"]}
    assert all(one == "empty" or one.startswith("no transcript format ") for one in reasons)
    assert report["kept"] <= report["seen"]


def test_the_whole_folder_twice(memento: Cli, sample_files: Path) -> None:
    first = memento("ingest", sample_files, "--no-embed").json
    assert first["sources"] >= len(SEEN)
    rows = memento.rows()
    second = memento("ingest", sample_files, "--no-embed").json
    assert (second["stored"], second["extended"], second["sources"]) == (0, 0, 0)
    assert memento.rows() == rows
