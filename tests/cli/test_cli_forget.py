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
    assert "say --yes" in refused.err, "and nothing is forgotten"
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


def test_a_query_takes_what_holds_its_words_and_nothing_near(memento: Cli, tmp_path: Path) -> None:
    kept = memento("remember", TEXT, "--json").json["id"]
    twice = memento("remember", f"Once more: {TEXT}", "--json").json["id"]
    said = [{"role": "user", "content": f"We decided on a green harbour lamp at pier {n}."} for n in range(30)]
    (tmp_path / "lamps.jsonl").write_text("".join(json.dumps(one) + "\n" for one in said))
    memento("ingest", tmp_path / "lamps.jsonl", "--format", "generic-jsonl", "--no-embed")
    listed = memento("forget", "--query", "the master key", "--dry-run").json
    assert {one["id"] for one in listed} == {kept, twice}
    assert {(one["by"], one["score"]) for one in listed} == {("words", 1.0)}
    assert "1.00 by words" in memento("forget", "--query", "the master key", "--dry-run", "--table").out
    memento("forget", "--query", "quarterly revenue", "--dry-run", code=3)
    refused = memento("forget", "--query", "the master key", "--yes", code=2)
    assert "--all-matching" in refused.err
    assert memento("stats").json["memories"] == 32
    assert len(memento("forget", "--query", "harbour lamp", "--dry-run", "--table").out.splitlines()) == 30
    assert len(memento("forget", "--query", "the master key", "--yes", "--all-matching", "--json").json["ids"]) == 2
    assert memento("stats").json["memories"] == 30


def test_a_query_takes_what_clearly_says_the_same(memento_with_model: Cli) -> None:
    cli = memento_with_model
    hidden = "The lighthouse keeper hides the spare key under the third stone from the left, near the old anchor."
    kept = cli("remember", hidden, "--json").json["id"]
    cli("remember", "The build pipeline takes twelve minutes on the new machine.")
    cli("remember", "We decided to paint the lighthouse in red and white.")
    (found,) = cli("forget", "--query", "where the spare key is hidden", "--dry-run").json
    assert (found["id"], found["by"]) == (kept, "meaning")
    assert found["score"] >= 0.6
    forget = ("forget", "--query", "where the spare key is hidden", "--dry-run", "--min-score")
    assert len(cli(*forget, "0").json) == len(cli(*forget, str(found["score"] - 0.01)).json) == 1
    cli(*forget, str(found["score"] + 0.01), code=3)
    assert [one["id"] for one in cli("forget", "--query", "spare key", "--dry-run", "--min-score", "1").json] == [kept]
    assert "give that too" in cli("forget", kept, "--min-score", "1", "--yes", code=2).err
    cli("forget", "--query", "database", "--dry-run", code=3)


def test_a_title_goes_even_where_no_memory_is_left(memento: Cli, tmp_path: Path) -> None:
    transcript = tmp_path / "s.jsonl"
    first = {"type": "user", "uuid": "u", "sessionId": "s-1", "message": {"role": "user", "content": "ok"}}
    title = {"type": "custom-title", "customTitle": "A quillwort affair", "sessionId": "s-1"}
    transcript.write_text(json.dumps(first) + "\n" + json.dumps(title) + "\n")
    memento("ingest", transcript, "--no-embed")
    assert b"quillwort" in memento.database.read_bytes()
    assert memento("forget", "--session", "s-1", "--yes", "--json").json["titles"] == 1
    with transcript.open("a") as file:
        file.write(json.dumps({**title, "customTitle": "The quillwort affair, again"}) + "\n")
    memento("ingest", transcript, "--no-embed")
    memento("export", memento.home / "all.jsonl")
    assert not [file for file in memento.home.rglob("*") if file.is_file() and b"quillwort" in file.read_bytes()]
    memento("forget", "--session", "s-1", "--yes", code=3)


def test_what_delete_leaves_is_finished(memento: Cli) -> None:
    kept = memento("remember", TEXT, "--tag", "keys", "--json").json["id"]
    memento("backup")
    memento("delete", kept)
    memento("forget", "--session", "none of that name", "--yes", code=3)
    assert memento("forget", "--finish", "--json").json["left"] == []
    memento("forget", "--finish", kept, code=2)
    assert not [file for file in memento.home.rglob("*") if file.is_file() and b"blue barrel" in file.read_bytes()]
