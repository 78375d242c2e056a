"""Files that no format recognises, and sources that give no message: never a quiet success."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

AT = "2026-03-01T10:00:00.000Z"


def write(path: Path, *records: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def prompt(text: str) -> dict[str, Any]:
    message = {"role": "user", "content": text}
    return {"type": "user", "uuid": "1", "sessionId": "s", "timestamp": AT, "message": message}


def drifted(number: int) -> dict[str, Any]:
    """Return a record of a version whose messages are elsewhere."""
    return {"type": "event_msg", "timestamp": AT, "payload": {"type": f"novel_{number}", "words": "hello"}}


def test_a_file_that_no_format_recognises_is_named(memento: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "t"
    write(folder / "good.jsonl", prompt("We decided to paint the pier blue."))
    unknown = write(folder / "odd.jsonl", {"kind": "novel", "words": "hello"})
    (folder / "empty.jsonl").touch()
    read = memento("ingest", folder, "--no-embed").json
    assert sorted(read["unrecognised"]) == [str(folder / "empty.jsonl"), str(unknown)]
    status = memento("status").json
    assert status["unrecognised"] == [str(unknown)]
    assert [source["path"] for source in status["sources"]] == [str(folder / "good.jsonl")]
    shown = memento("status", "--table").out
    assert "no format recognises 1 file" in shown
    assert "odd.jsonl" in shown
    assert memento("stats").json["sources"] == 1
    # It is looked at again, and forgotten once it is known or gone.
    write(unknown, {**prompt("We decided to paint it green."), "uuid": "2"})
    assert memento("ingest", folder, "--no-embed").json["stored"] == 1
    assert memento("status").json["unrecognised"] == []
    write(unknown := folder / "other.jsonl", {"kind": "novel"})
    memento("ingest", folder, "--no-embed")
    unknown.unlink()
    assert memento("status").json["unrecognised"] == []


def test_a_source_without_a_message_is_flagged(memento: Cli, tmp_path: Path) -> None:
    source = write(tmp_path / "rollout.jsonl", *map(drifted, range(5)))
    flagged = [{"path": str(source), "format": "codex"}]
    ran = memento("ingest", source, "--no-embed", code=4)
    assert ran.json["without_messages"] == flagged
    assert "no message was found" in memento("ingest", source, "--no-embed", "--table", code=4).err
    assert memento("ingest", source, "--dry-run", code=4).json["without_messages"] == flagged
    assert memento("ingest", source, "--no-embed", code=4).json["unchanged"] == 1
    status = memento("status").json
    assert [one["without_messages"] for one in status["sources"]] == [True]
    assert status["without_messages"] == [str(source)]
    assert "no message was found in the records of 1 file" in memento("status", "--table").out
    with source.open("a") as file:
        file.write(
            json.dumps({"type": "event_msg", "timestamp": AT, "payload": {"type": "user_message", "message": "hi"}})
            + "\n"
        )
    assert memento("ingest", source, "--no-embed").json["without_messages"] == []
    assert [one["without_messages"] for one in memento("status").json["sources"]] == [False]


def test_a_session_of_metadata_alone_is_not_flagged(memento: Cli, tmp_path: Path) -> None:
    notes = [{"type": "mode", "sessionId": "s", "mode": "plan"} for _ in range(40)]
    said = [prompt("/clear"), prompt("<command-name>/clear</command-name>")]
    source = write(tmp_path / "s.jsonl", *notes, said[1])
    assert memento("ingest", source, "--no-embed").json["without_messages"] == []


def test_an_export_of_another_service_in_an_archive(memento: Cli, tmp_path: Path) -> None:
    path = tmp_path / "t" / "export.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("conversations.json", json.dumps([{"novel": "words"}]))
    assert memento("ingest", path, "--no-embed", code=4).json["without_messages"] == [
        {"path": str(path), "format": "archive"}
    ]
    assert [one["without_messages"] for one in memento("status").json["sources"]] == [True]


def test_standard_input_without_a_message(memento: Cli) -> None:
    data = b"".join(json.dumps(drifted(number)).encode() + b"\n" for number in range(5))
    assert memento("ingest", "-", "--no-embed", stdin=data, code=4).json["without_messages"]


def test_a_first_line_longer_than_the_head_from_anywhere(memento: Cli, tmp_path: Path) -> None:
    text = "We decided to paint the whole pier blue. " * 3_000
    record = {
        "message": {"content": text, "role": "user"},
        "type": "user",
        "sessionId": "s",
        "uuid": "1",
        "timestamp": AT,
    }
    source = write(tmp_path / "long.jsonl", record, prompt("And the bollards white, please."))
    assert memento("ingest", "-", "--no-embed", stdin=source.read_bytes()).json["kept"] == 2
    assert memento("ingest", source, "--no-embed").json["duplicates"] == 2
    assert memento("why", f"{source}:1").json[0]["verdict"] == "kept"


def test_sources_count_what_is_not_understood(memento: Cli, tmp_path: Path) -> None:
    memento.environment["HOME"] = str(tmp_path)
    folder = tmp_path / ".codex" / "sessions" / "2026"
    write(folder / "rollout-a.jsonl", *map(drifted, range(5)))
    write(folder / "rollout-b.jsonl", {"kind": "novel"})
    memento("ingest", tmp_path / ".codex", "--no-embed", code=4)
    [codex] = [one for one in memento("sources").json if one["agent"] == "codex"]
    assert (codex["files"], codex["without_messages"], codex["unrecognised"]) == (2, 1, 1)


def test_an_unrecognised_file_in_the_place_of_a_transcript_has_an_account_of_its_own(
    memento: Cli, tmp_path: Path
) -> None:
    path = write(tmp_path / "t" / "a.jsonl", prompt("We decided to paint the pier blue."))
    memento("ingest", path.parent, "--no-embed")
    [(offset, accounted)] = memento.accounts()
    assert offset == accounted == path.stat().st_size
    path.unlink()
    path.write_text('{"type": "user", "uu')
    memento("ingest", path.parent, "--no-embed", code=3)
    assert memento.accounts() == [(0, 0)]
    write(path, prompt("We decided to paint the pier green."))
    memento("ingest", path.parent, "--no-embed")
    assert memento.accounts() == [(path.stat().st_size, path.stat().st_size)]
