"""The shared sample files through the real command line: exact counts, or a reason; never a traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

FIXTURES: Final = Path(__file__).resolve().parents[3] / "shared" / "fixtures"
SEEN: Final = {
    "claude-code/av-queued_system_messages.jsonl": 1,
    "claude-code/av-truncated.jsonl": 2,
    "claude-code/dag_fork.jsonl": 11,
    "claude-code/dag_resume.jsonl": 8,
    "claude-code/edge_cases.jsonl": 8,
    "claude-code/hook_attachments.jsonl": 2,
    "claude-code/sidechain.jsonl": 5,
    "claude-code/simonw-sample_session.jsonl": 6,
    "claude-code/teammates__ef000000-0000-4000-8000-000000000001.jsonl": 11,
    "generic/langchain_messages.json": 2,
    "generic/messages_parts_first5.jsonl": 10,
    "generic/openai_messages.jsonl": 5,
    "generic/role_content.jsonl": 2,
    "generic/sharegpt_fastchat_first5.json": 18,
    "generic/sharegpt_tools_first5.json": 42,
    "generic/transcript.md": 4,
    "chatgpt/polylogue-representative-01.json": 4,
    "claude-ai/polylogue-representative-00.json": 14,
}
"""Messages met in each file, tool calls included."""

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="the shared sample files are not here")


@pytest.mark.parametrize("name", SEEN)
def test_exact_counts(name: str, memento: Cli) -> None:
    path = FIXTURES / name
    report = memento("ingest", path, "--no-embed").json
    assert report["seen"] == SEEN[name]
    assert report["stored"] + report["duplicates"] + report["extended"] == report["kept"] <= report["seen"]
    assert report["bytes_stored"] + report["bytes_skipped"] + report["bytes_quarantined"] == path.stat().st_size
    assert all(offset == accounted for offset, accounted in memento.accounts())


def test_every_other_file_is_counted_or_named(memento: Cli) -> None:
    files = [path for path in FIXTURES.rglob("*") if path.is_file() and str(path.relative_to(FIXTURES)) not in SEEN]
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


def test_the_whole_folder_twice(memento: Cli) -> None:
    first = memento("ingest", FIXTURES, "--no-embed").json
    assert first["sources"] >= len(SEEN)
    rows = memento.rows()
    second = memento("ingest", FIXTURES, "--no-embed").json
    assert (second["stored"], second["extended"], second["sources"]) == (0, 0, 0)
    assert memento.rows() == rows
