"""Secrets of a transcript reach no byte of the store: not the rows, the write-ahead log, the quarantine, the state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.ingest.conftest import Ingest, Transcript

SECRET = "ghp_" + "Zk3vQ9xT7bLw2NpR8sYc5mHd4jFg6aUe1K0o"
PLACES = ["prompt", "answer", "call", "result", "title", "broken", "open", "speaker", "agent", "unknown"]


def written(ingest: Ingest) -> bytes:
    """Return every byte of the store's folder, while its write-ahead log still exists."""
    return b"".join(path.read_bytes() for path in ingest.store.path.parent.rglob("*") if path.is_file())


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_anywhere_in_a_session(place: str, ingest: Ingest, tmp_path: Path, transcript: Transcript) -> None:
    say = {name: f"the token is {SECRET}" if name == place else "nothing secret here" for name in PLACES}
    lines = [
        transcript.line("custom-title", customTitle=f"Session: {say['title']}"),
        transcript.user(f"We decided to rotate the deploy token tomorrow: {say['prompt']}."),
        transcript.assistant("msg_1", f"I decided to store it in the vault instead: {say['answer']}."),
        transcript.call("msg_1", "toolu_1", f"curl -H 'X: {say['call']}' https://harbor.example"),
        transcript.result("toolu_1", f"error: request failed with status 403, {say['result']}"),
        transcript.line("later-type", text=say["unknown"]),
        transcript.user("We decided to ask an agent for a review.", agentId=say["agent"], isSidechain=True),
        f'{{"type":"user","message":{{"content":"{say["broken"]}\n'.encode(),
        transcript.call("msg_2", "toolu_2", f"echo {say['open']}"),
    ]
    (tmp_path / "session.jsonl").write_bytes(b"".join(lines))
    generic = [
        {"role": "user", "name": say["speaker"], "content": "We decided to deploy by hand this time, no script."}
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in generic))
    assert ingest.run(tmp_path).stored >= 4
    assert b"rotate the deploy token" in written(ingest)
    assert SECRET.encode() not in written(ingest)


def test_a_secret_in_an_export_and_its_title(ingest: Ingest, tmp_path: Path) -> None:
    messages = [{"role": "user", "content": f"We decided to use the key {SECRET} for now."}]
    (tmp_path / "export.json").write_text(json.dumps([{"title": f"key {SECRET}", "messages": messages}]))
    assert ingest.run(tmp_path).stored == 1
    assert SECRET.encode() not in written(ingest)
    assert "[REDACTED" in ingest.texts()[0]


def test_a_secret_in_a_path_a_working_directory_and_a_session(
    ingest: Ingest, tmp_path: Path, transcript: Transcript
) -> None:
    folder = tmp_path / f"token={SECRET}"
    folder.mkdir()
    path = folder / f"{SECRET}.jsonl"
    log = folder / "log.jsonl"
    first = transcript.user("We decided to rotate the deploy token.", cwd=f"/home/me/{SECRET}/work", sessionId=SECRET)
    path.write_bytes(first + transcript.line("custom-title", customTitle="Harbour", sessionId=SECRET, cwd=""))
    log.write_text(json.dumps({"role": "user", "content": "We decided to deploy by hand, no script."}) + "\n")
    assert ingest.run(folder).stored == 2
    again = ingest.run(folder)
    assert (again.unchanged, again.sources) == (2, 0), "found again under its redacted name"
    with path.open("ab") as file:
        file.write(transcript.user("We decided to rotate it every month from now on.", cwd=""))
    grown = ingest.run(folder)
    assert (grown.stored, grown.unchanged) == (1, 1)
    assert len({memory.project for memory in ingest.store.get_recent() if memory.source == "claude-code"}) == 1
    path.rename(folder / f"{SECRET}-2.jsonl")
    assert ingest.run(folder).stored == 0
    assert len(ingest.accounts()) == 2, "a renamed file is the same file"
    assert SECRET.encode() not in written(ingest)


def test_paths_that_differ_in_their_secret_alone_are_two_files(
    ingest: Ingest, tmp_path: Path, transcript: Transcript
) -> None:
    other = SECRET[:-4] + "9Zx8"
    for number, secret in enumerate((SECRET, other)):
        (tmp_path / secret).mkdir()
        (tmp_path / secret / "a.jsonl").write_bytes(transcript.user(f"We decided on rule {number} for the harbour."))
    assert ingest.run(tmp_path).stored == 2
    assert ingest.run(tmp_path).unchanged == 2


def test_a_project_with_a_secret_in_its_path_is_ignored_all_the_same(
    ingest: Ingest, tmp_path: Path, transcript: Transcript
) -> None:
    project = f"/home/me/{SECRET}/work"
    ingest.store.ignore("project", project)
    path = tmp_path / "a.jsonl"
    path.write_bytes(transcript.user("We decided to rotate the deploy token.", cwd=f"{project}/deep"))
    assert ingest.run(path).skipped["ignored"] == 1
    with path.open("ab") as file:
        file.write(transcript.user("We decided to rotate it every month.", cwd=f"{project}/deep"))
    assert ingest.run(path).skipped["ignored"] == 1
    assert SECRET.encode() not in written(ingest)
    assert ingest.store.unignore("project", project)
    assert ingest.run(path).stored == 2
