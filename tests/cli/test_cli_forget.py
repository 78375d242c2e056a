"""`forget` and `delete` as a user runs them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

TEXT = "We decided to keep the harbour's master key behind the blue barrel in shed number nine."


def test_forget_asks_lists_and_gives_a_receipt(memento: Cli) -> None:
    kept = memento("remember", TEXT, "--json").json["id"]
    memento("remember", "The lamp is green.")
    refused = memento("forget", "--query", "master key barrel", code=2)
    assert "blue barrel" in refused.err
    assert "say --yes" in refused.err
    assert [one["id"] for one in memento("forget", kept, "--dry-run").json] == [kept]
    assert "blue barrel" in memento("forget", kept, "--dry-run", "--table").out
    assert len(memento("recent").json) == 2
    receipt = memento("forget", kept, "--yes", "--json").json
    assert (receipt["ids"], receipt["left"], receipt["journal"]) == ([kept], [], 1)
    assert [one["text"] for one in memento("recent").json] == ["The lamp is green."]
    memento("forget", "--session", "none of that name", code=3)
    memento("forget", code=2)
    memento("forget", "ffff", "--yes", code=3)


def test_the_spool_is_scrubbed(memento: Cli) -> None:
    spool = memento.home / "spool"
    spool.mkdir(parents=True)
    facts = {"v": 1, "agent": "codex", "event": "UserPromptSubmit", "session_id": "s"}
    texts = (TEXT, "We decided that we like the green lamp best.")
    records = [{**facts, "received": time.time_ns() // 10**6, "id": text[-9:], "prompt": text} for text in texts]
    lines = [json.dumps(record) for record in records]
    path = spool / "20260101-000.jsonl"
    path.write_text("\n".join(lines) + "\n")
    memento("ingest", path, "--no-embed")
    (kept,) = [one["id"] for one in memento("recent").json if "barrel" in one["text"]]
    assert memento("forget", kept, "--yes", "--json").json["spool"] == 1
    assert path.read_text().count("\n") == 1
    memento("ingest", path, "--no-embed", "--json")
    assert [one["text"] for one in memento("recent").json] == [texts[1]]
    assert not [file for file in memento.home.rglob("*") if file.is_file() and b"blue barrel" in file.read_bytes()]


def test_an_edited_document_does_not_bring_it_back(memento: Cli, tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text(f"User: {TEXT}\n\nAssistant: That is noted, the key stays there.\n\nUser: We decided to go on.\n")
    memento("ingest", notes, "--no-embed")
    found = [one["id"] for one in memento("recent").json if "barrel" in one["text"]]
    assert len(found) == 1
    memento("forget", found[0], "--yes")
    notes.write_text("User: We decided on a new beginning.\n\n" + notes.read_text())
    memento("ingest", notes, "--no-embed")
    assert not [one for one in memento("recent").json if "barrel" in one["text"]]
