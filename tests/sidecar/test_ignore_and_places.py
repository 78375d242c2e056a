"""What is kept out, and where the sidecar looks: the agents' own places, and what a user names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memento.config import load_config
from memento.store import MemoryStore
from memento_ingest.batch_ingest import Ingestion, Options
from memento_ingest.discovery import File
from memento_ingest.locations import Place
from memento_ingest.sidecar.places import files_of, watched
from memento_ingest.sidecar.sweep import Sweep


def prompt(number: int, session: str, cwd: str) -> str:
    text = f"We decided on rule number {number} for the harbour."
    message = {"role": "user", "content": text}
    record = {"type": "user", "uuid": f"u-{number}", "sessionId": session, "cwd": cwd, "message": message}
    return json.dumps({**record, "timestamp": "2026-01-01T00:00:00Z"}) + "\n"


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    return MemoryStore(config=load_config({}, {"MEMENTO_HOME": str(tmp_path / "home")}))


def ingest(store: MemoryStore, *paths: Path) -> dict[str, int]:
    report = Ingestion(store.policy, Options(), store).run([str(path) for path in paths])
    return dict(report.skipped)


def test_an_ignored_project_and_session_stay_out_until_they_are_wanted_again(
    store: MemoryStore, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(
        prompt(1, "open", "/w/public") + prompt(2, "open", "/w/private/deep") + prompt(3, "closed", "/w/public")
    )
    store.ignore("project", "/w/private")
    store.ignore("session", "closed")
    assert ingest(store, log) == {"ignored": 2}
    assert ["number 1 " in memory.text for memory in store.get_recent()] == [True]
    assert store.unignore("project", "/w/private")
    assert not store.unignore("project", "/w/private")
    assert ingest(store, log) == {"ignored": 1}
    assert len(store.get_recent()) == 2


def test_ignoring_a_neighbour_with_the_same_beginning_changes_nothing(store: MemoryStore, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(prompt(1, "s", "/w/privateer"))
    store.ignore("project", "/w/private")
    assert ingest(store, log) == {}


def test_ignore_with_forget_deletes_and_ingestion_does_not_bring_it_back(store: MemoryStore, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(prompt(1, "a", "/w/x") + prompt(2, "b", "/w/x/y") + prompt(3, "c", "/w/xy"))
    ingest(store, log)
    assert store.ignore("project", "/w/x", forget=True) == 2
    log.rename(tmp_path / "copy.jsonl")
    ingest(store, tmp_path / "copy.jsonl")
    assert [memory.session_id for memory in store.get_recent()] == ["c"]


def test_only_an_agents_own_files_count_in_its_place(tmp_path: Path) -> None:
    root = tmp_path / "agent"
    (root / "sessions").mkdir(parents=True)
    for name in ("sessions/a.jsonl", "sessions/notes.jsonl", "settings.json"):
        (root / name).write_text("{}\n")
    (root / "sessions" / "link.jsonl").symlink_to(root / "sessions" / "a.jsonl")
    place = Place("agent", root, ("sessions/*.jsonl",), ("notes.jsonl",))
    assert files_of(place) == [root / "sessions" / "a.jsonl"]
    found = watched([], [place])
    assert [changed.path for changed in Sweep(*found).changed()] == [root / "sessions" / "a.jsonl"]


def test_a_place_of_single_files_is_not_walked(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / ".aider.chat.history.md").write_text("#### hi\n")
    place = Place("aider", project, (".aider.chat.history.md",))
    assert watched([], [place]).roots == [project / ".aider.chat.history.md"]
    assert files_of(place) == [project / ".aider.chat.history.md"]


def test_a_sweep_returns_a_file_until_it_was_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("1\n")
    sweep = Sweep(*watched([tmp_path], []))
    [changed] = sweep.changed()
    path.write_text("1\n2\n")
    sweep.read(changed)
    [again] = sweep.changed()
    assert again.signature.size == 4
    sweep.read(again)
    assert sweep.changed() == []
    path.unlink()
    assert sweep.changed() == []
    assert sweep.done == {}


def test_a_database_counts_as_changed_when_its_log_grows(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"x")
    sweep = Sweep(*watched([tmp_path], []))
    for changed in sweep.changed():
        sweep.read(changed)
    log = tmp_path / "x.db-wal"
    log.write_bytes(b"more")
    assert [changed.path for changed in sweep.changed_among([log])] == [path]
    assert [changed.path for changed in sweep.changed()] == [path]


def test_a_file_that_a_link_replaced_since_the_sweep_is_not_read(store: MemoryStore, tmp_path: Path) -> None:
    private = tmp_path / "private.jsonl"
    private.write_text(prompt(1, "s", "/w"))
    path = tmp_path / "watched.jsonl"
    path.symlink_to(private)
    ingestion = Ingestion(store.policy, Options(), store)
    with pytest.raises(OSError, match="symbolic"):
        list(ingestion.file(File(path, named=False)))
    assert store.get_recent() == []
