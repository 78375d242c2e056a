"""Runs that leave no place to go on from, standard input and `--since`: what of them is accounted for all the same."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.ingest.conftest import Ingest, Transcript

BROKEN = b'{"type":"user","message":{"content":"We dec\n'


def given(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_standard_input_is_accounted_for_as_its_latest_run(
    ingest: Ingest, transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    title = transcript.line("custom-title", customTitle="The harbour")
    said = transcript.user("We decided to keep the harbour import nightly.")
    given(monkeypatch, title + said + BROKEN)
    assert ingest.run("-").quarantined == {"broken_json": 1}
    [account] = ingest.store.accounts()
    assert (account.path, account.offset + account.open_bytes) == ("<stdin>", len(title + said + BROKEN))
    assert (account.stored, account.quarantined) == (1, 1)
    [kept] = ingest.store.quarantined()
    assert (kept.path, kept.offset, kept.length) == ("<stdin>", len(title + said), len(BROKEN))
    assert [row[2] for row in ingest.titles()] == ["The harbour"]
    given(monkeypatch, said)
    assert ingest.run("-").duplicates == 1
    assert ingest.store.quarantined() == []
    assert [account.offset + account.open_bytes for account in ingest.store.accounts()] == [len(said)]


def test_since_keeps_what_is_broken_and_titles_and_leaves_the_place_to_go_on_from(
    ingest: Ingest, transcript: Transcript, tmp_path: Path
) -> None:
    path = tmp_path / "session.jsonl"
    title = transcript.line("custom-title", customTitle="The harbour")
    old = transcript.user("We decided to keep the harbour import nightly.")
    path.write_bytes(title + old + BROKEN)
    late = 4_000_000_000_000
    assert ingest.run(path, since=late).skipped["before_since"] == 1
    assert [(kept.path, kept.offset) for kept in ingest.store.quarantined()] == [(str(path), len(title + old))]
    assert [row[2] for row in ingest.titles()] == ["The harbour"]
    assert ingest.store.accounts() == [], "nothing says that it was read"
    assert ingest.run(path).stored == 1
    assert len(ingest.store.quarantined()) == 1
    with path.open("ab") as file:
        file.write(BROKEN)
    before = ingest.store.source(str(path))
    ingest.run(path, since=late)
    assert ingest.store.source(str(path)) == before
    assert len(ingest.store.quarantined()) == 2
    ingest.run(path)
    assert len(ingest.store.quarantined()) == 2
