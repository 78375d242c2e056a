"""`memento why`: the decision behind a memory, and behind a line of a transcript."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def record(number: int, kind: str, content: Any, **message: Any) -> str:
    fields = {"type": kind, "uuid": f"u{number}", "sessionId": "s", "timestamp": f"2026-09-01T00:00:{number:02}.000Z"}
    return json.dumps({**fields, "message": {"role": kind, "content": content, **message}}) + "\n"


@pytest.fixture
def session(tmp_path: Path) -> Path:
    path = tmp_path / "session.jsonl"
    text = {"type": "text", "text": "The importer commits once per thousand rows now,"}
    path.write_text(
        record(1, "user", "We decided to keep the importer in one process.")
        + record(2, "user", "ok")
        + "{broken\n"
        + record(4, "assistant", [text], id="msg_1")
        + record(5, "assistant", [{"type": "text", "text": "I decided that after measuring it twice."}], id="msg_1")
        + record(6, "user", "I prefer tabs in Makefiles.")
        + "\n"
    )
    return path


def why(memento: Cli, what: object) -> dict[str, Any]:
    (explained,) = memento("why", str(what)).json
    assert isinstance(explained, dict)
    return explained


def test_lines(memento: Cli, session: Path) -> None:
    assert why(memento, f"{session}:1")["stored"] is False
    memento("ingest", session, "--no-embed")
    kept = why(memento, f"{session}:1")
    assert (kept["verdict"], kept["stored"], kept["role"]) == ("kept", True, "user")
    assert kept["points"]
    assert "decision" in [name for name, _ in kept["weighed"]]
    assert why(memento, kept["where"])["text"] == kept["text"]
    assert why(memento, f"{session}:2")["verdict"] == "skipped"
    assert why(memento, f"{session}:7")["reason"] == "blank"


def test_a_quarantined_line(memento: Cli, session: Path) -> None:
    memento("ingest", session, "--no-embed")
    (entry,) = memento("quarantine").json
    bad = why(memento, f"{session}:3")
    end = entry["offset"] + entry["length"]
    assert (bad["verdict"], bad["reason"]) == ("quarantined", entry["reason"])
    assert bad["where"] == f"bytes {entry['offset']}-{end}"


def test_both_lines_of_a_merged_message(memento: Cli, session: Path) -> None:
    memento("ingest", session, "--no-embed")
    first = memento("why", f"{session}:4").json
    second = memento("why", f"{session}:5").json
    kept = [one for one in [*first, *second] if one["verdict"] == "kept"]
    assert kept
    assert all(one["text"].endswith("measuring it twice.") and one["stored"] for one in kept)
    assert {one["reason"] for one in second} <= {"merged_block", kept[0]["reason"]}


def test_as_text(memento: Cli, session: Path) -> None:
    memento("ingest", session, "--no-embed")
    shown = memento.on_terminal("why", f"{session}:1")[1].splitlines()
    assert shown[0].startswith("kept: ")
    assert shown[0].endswith(", in the store)")
    assert shown[1].strip().startswith("user: We decided")
    assert "importance" in shown[2]


def test_what_cannot_be_explained(memento: Cli, session: Path) -> None:
    assert "there is no memory" in memento("why", "0" * 32, code=3).err
    assert "has no line 9" in memento("why", f"{session}:9", code=2).err
    assert "cannot read" in memento("why", f"{session}.gone:1", code=2).err
    assert "cannot read" in memento("why", f"{session.parent}:1", code=2).err
    assert "one chatgpt document" in memento("why", f"{SAMPLES}/chatgpt/conversations.json:3", code=2).err
    assert "name one with --format" in memento("why", f"{__file__}:1", code=2).err
    assert "there is no format x" in memento("why", f"{session}:1", "--format", "x", code=2).err
    assert "there is no memory" in memento("why", f"{session}:{'9' * 5_000}", code=3).err
