"""Roo Code's task histories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from memento_ingest.formats.cline.conversation import Roo
from memento_ingest.formats.registry import detect
from memento_ingest.span import SourceInfo

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

FORMAT = Roo()
HISTORY = "api_conversation_history.json"


def test_the_sample_gives_exactly_its_messages(reading: Reading) -> None:
    spans = reading.spans(FORMAT, reading.fixture(f"roo/{HISTORY}"), HISTORY)
    assert [(m.role, m.text, m.source) for m in reading.messages(spans)] == [
        ("user", "Mend the tide table", "roo"),
        ("assistant", "It was an hour behind; it is right now.", "roo"),
    ]
    assert [span.skipped for span in spans if span.skipped] == []


def test_it_is_told_from_clines_by_its_folder_or_by_the_file_beside_it(reading: Reading, tmp_path: Path) -> None:
    head = reading.fixture(f"roo/{HISTORY}")

    def detected(path: str) -> str | None:
        found = detect(head, SourceInfo(HISTORY, path))
        return found.name if found else None

    path = tmp_path / HISTORY
    assert detected(str(path)) == "cline"
    (tmp_path / "history_item.json").write_bytes(reading.fixture("roo/history_item.json"))
    assert detected(str(path)) == "roo"
    assert detected(f"/u/globalStorage/rooveterinaryinc.roo-cline/tasks/1/{HISTORY}") == "roo"
    assert detected(f"/u/globalStorage/saoudrizwan.claude-dev/tasks/1/{HISTORY}") == "cline"


def test_the_file_beside_it_is_no_transcript(reading: Reading) -> None:
    assert detect(reading.fixture("roo/history_item.json"), SourceInfo("history_item.json")) is None


def test_the_summary_of_a_condensed_task_is_dropped(reading: Reading) -> None:
    told = [
        {"role": "user", "content": "<task>Go</task>", "ts": 1767225600000},
        {"role": "assistant", "content": "So far: nothing.", "ts": 1767225601000, "isSummary": True},
        {"role": "user", "content": "<user_message>On</user_message>", "ts": 1767225602000},
    ]
    spans = reading.spans(FORMAT, json.dumps(told).encode(), HISTORY)
    assert reading.said(spans) == [("user", "Go"), ("user", "On")]
    assert [span.skipped for span in spans if span.skipped] == ["compact_summary"]
