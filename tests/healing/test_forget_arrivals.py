"""Tombstones that arrive later, by import, restore or replay, take everything with them; and what they keep out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from memento.backup import BackupDirectory, create
from memento.config import load_config
from memento.errors import StoreError
from memento.forgetting.erasure import forget
from memento.forgetting.selection import select
from memento.memory import NewMemory
from memento.restore.rollback import roll_back
from memento.storage import tombstones
from memento.storage.capture import Batch
from memento.storage.sources import Defect, LedgerKey, SessionTitle, SourceState, Tally
from memento.store import MemoryStore
from memento.transfer.exporter import export
from memento.transfer.importer import merge
from memento.writes import journal
from memento_ingest.batch_ingest import Ingestion, Options

Rows = Callable[[int, int], list[NewMemory]]
SECRET = "The zibberwock is kept in the mulgrave vault, said old fennimore."
WORDS = (b"zibberwock", b"mulgrave", b"fennimore", b"quibbletag", b"ottershaw", b"vossburg", b"brackenfield")
PROJECT = "/srv/vossburg"


def fill(store: MemoryStore, rows: Rows) -> str:
    """Store a memory with a tag, a speaker, a project, a title and a quarantined sample; return its id."""
    template = replace(rows(9_000, 1)[0], session_id="mulgrave-1", text=SECRET, tags=("quibbletag",))
    memory = replace(template, speaker="Ottershaw", project=PROJECT, meta={"near": ["Brackenfield common"]})
    early = replace(memory, text="Zibberwock, zibberwock. " * 2)
    sample = json.dumps({"message": SECRET})[:-5]
    state = SourceState("/t/one.jsonl", "test", offset=10, state={"cwd": PROJECT, "line": 3})
    ledger = {LedgerKey("quarantined", "broken_json"): Tally(1, 10)}
    title = SessionTitle("test", "mulgrave-1", "About the zibberwock", 1)
    store.commit(Batch(None, [early]))
    store.commit(Batch(state, [memory], ledger, [Defect(0, 10, "broken_json", sample)], [title]))
    return memory.id


def held(home: Path) -> list[str]:
    found = [(path.name, path.read_bytes().lower()) for path in home.rglob("*") if path.is_file()]
    return [f"{word.decode()} in {name}" for name, content in found for word in WORDS if word in content]


def open_at(home: Path) -> MemoryStore:
    return MemoryStore(config=load_config({}, {"MEMENTO_HOME": str(home)}))


def test_an_import_takes_all_of_it_out_of_the_other_store(rows: Rows, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    with open_at(ours) as store, open_at(theirs) as other:
        kept = fill(store, rows)
        fill(other, rows)
        other.commit(Batch(None, rows(0, 100)))
        export(other, tmp_path / "before.jsonl")
        assert len(held(theirs)) >= len(WORDS)
        assert forget(store, select(store, [kept])).left == []
        export(store, tmp_path / "after.jsonl")
        merge(other, tmp_path / "after.jsonl", keep_trust=True)
    assert held(ours) == []
    assert held(theirs) == []
    with open_at(ours) as store:
        assert merge(store, tmp_path / "before.jsonl").stored == 100
    assert held(ours) == []


def test_a_restore_takes_it_out_of_what_the_backup_brings(rows: Rows, tmp_path: Path) -> None:
    home = tmp_path / "ours"
    with open_at(home) as store:
        store.commit(Batch(None, rows(0, 100)))
        kept = fill(store, rows)
        store.ignore("session", "quiet")
        backup = create(
            store.database, "manual", BackupDirectory(store.path), retention_days=7, to=tmp_path / "aside.db.zst"
        )
        store.ignore("project", "/srv/elsewhere")
        forget(store, select(store, [kept]))
        journal.journal_path(store.path).unlink()  # two backups held it
    roll_back(home / "memory.db", "", [backup], take_over=False)
    with open_at(home) as store:
        assert store.get(kept) is None
        assert store.stats().memories == 100
        assert store.ignored().projects == {"/srv/elsewhere"}
        assert store.ignored().sessions == {"quiet"}
    assert held(home) == []


def test_what_was_forgotten_stays_out_under_every_other_name(store: MemoryStore, rows: Rows) -> None:
    kept = fill(store, rows)
    memory = replace(rows(9_000, 1)[0], session_id="mulgrave-1", text=SECRET, project=PROJECT)
    forget(store, select(store, [kept]))
    longer = replace(memory, id="ab" * 16, text=f"{SECRET} And he told nobody else.")
    quoted = replace(memory, id="cd" * 16, text=f"Somebody said: {SECRET}")
    elsewhere = replace(longer, id="ef" * 16, session_id="another")
    counts = store.commit(Batch(None, [longer, quoted, elsewhere]))
    assert (counts.stored, counts.forgotten) == ((quoted.id, elsewhere.id), 1)


@pytest.mark.parametrize("sample", ['{"message": "' + SECRET, "x" * 50 + SECRET[10:] + "tail", json.dumps(SECRET * 3)])
def test_a_sample_that_holds_a_piece_is_stored_empty(store: MemoryStore, rows: Rows, sample: str) -> None:
    kept = fill(store, rows)
    forget(store, select(store, [kept]))
    state = SourceState("/t/two.jsonl", "test", offset=10)
    ledger = {LedgerKey("quarantined", "broken_json"): Tally(1, 10)}
    store.commit(Batch(state, (), ledger, [Defect(0, 10, "broken_json", sample), Defect(1, 1, "broken_json", "other")]))
    assert {(one.offset, one.sample) for one in store.quarantined() if one.path == "/t/two.jsonl"} == {
        (0, ""), (1, "other"),
    }  # fmt: skip


def test_a_parser_goes_on_without_the_project_until_there_is_a_memory_of_it(store: MemoryStore, rows: Rows) -> None:
    kept = fill(store, rows)
    forget(store, select(store, [kept]))
    state = SourceState("/t/one.jsonl", "test", offset=20, state={"cwd": PROJECT, "line": 4})
    store.commit(Batch(state))
    found = store.source("/t/one.jsonl")
    assert found is not None
    assert found.state == {"cwd": "", "line": 4}
    assert found.head_hash == b"", "it is read from its beginning, which tells the project"
    store.commit(Batch(state, [replace(rows(1, 1)[0], id="ab" * 16, project=PROJECT, text="We begin again.")]))
    found = store.source("/t/one.jsonl")
    assert found is not None
    assert found.state == {"cwd": PROJECT, "line": 4}


def test_a_transcript_in_a_forgotten_project_is_named(store: MemoryStore, rows: Rows, tmp_path: Path) -> None:
    project = tmp_path / "brackenfield"
    project.mkdir()
    transcript = project / "notes.md"
    transcript.write_text("x")
    memory = replace(rows(9_000, 1)[0], id="ab" * 16, project=str(project), text=SECRET)
    store.commit(Batch(SourceState(str(transcript), "markdown", offset=1), [memory]))
    receipt = forget(store, select(store, [memory.id]))
    assert [place.partition(": ")[0] for place in receipt.left] == [str(transcript)]
    transcript.unlink()
    from memento.forgetting.erasure import finish

    assert finish(store).left == []
    store.close()
    assert not [one for one in held(store.path.parent) if "brackenfield" in one]


def test_a_store_that_cannot_be_written_forgets_nothing(
    store: MemoryStore, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = fill(store, rows)

    def fails(*_: object) -> list[object]:
        raise StoreError("full")

    with monkeypatch.context() as patch:
        patch.setattr(journal, "write", fails)
        with pytest.raises(StoreError):
            forget(store, select(store, [kept]))
    assert store.get(kept) is not None


def test_tombstones_hold_no_text() -> None:
    keys = tombstones.memory_keys("ab" * 16, SECRET, "mulgrave-1")
    assert all(tombstones.KEY.fullmatch(key) for key in keys)
    assert not any(word.decode() in key for key in keys for word in WORDS)


def codex(*said: str) -> str:
    """Return a rollout, which states its folder on its first line only."""
    head = {"id": "01a05a85-f872-79d3-85c3-c1933dc86828", "cwd": PROJECT, "cli_version": "0.140.0"}
    records = [{"timestamp": "2026-09-01T00:00:00.000Z", "type": "session_meta", "payload": head}]
    for text in said:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        event = {"type": "user_message", "message": text, "images": []}
        records.append({"timestamp": "2026-09-01T00:00:01.000Z", "type": "response_item", "payload": item})
        records.append({"timestamp": "2026-09-01T00:00:01.000Z", "type": "event_msg", "payload": event})
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize("ignored", [False, True])
def test_a_session_that_goes_on_keeps_its_project(store: MemoryStore, tmp_path: Path, ignored: bool) -> None:
    transcript = tmp_path / "rollout.jsonl"

    def read(*said: str) -> None:
        transcript.write_text(codex(*said))
        Ingestion(store.policy, Options(), store).run([str(transcript)])

    first, second, third = (f"We decided that rule {name} holds for the harbour." for name in ("one", "two", "three"))
    read(first)
    if ignored:
        store.ignore("project", PROJECT)
    forget(store, select(store, project=PROJECT))
    read(first, second)
    read(first, second, third)
    found = {memory.text: memory.project for memory in store.get_recent(300) if memory.source == "codex"}
    assert found == ({} if ignored else {second: PROJECT, third: PROJECT})
