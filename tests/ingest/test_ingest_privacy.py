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
