"""Hostile files: tombstones of others, rows of another shape, values without end, pipes without end, links."""

from __future__ import annotations

import json
import os
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import apsw
import pytest
import zstandard
from tests.healing.conftest import ID, memory, written

from memento.backup import BackupDirectory, create
from memento.base.identity import row_hash
from memento.errors import UsageError
from memento.forgetting.erasure import forget
from memento.forgetting.spool import Spool
from memento.storage import ignored, tombstones, transfer
from memento.storage.rows import HASHED
from memento.store import MemoryStore
from memento.transfer.exporter import export
from memento.transfer.importer import merge
from memento_ingest.events.spool import scrub

SECRET = "ghp_" + "a1B2c3D4e5F6" * 3


def test_a_tombstone_from_elsewhere_touches_imports_only(store: MemoryStore, tmp_path: Path) -> None:
    own = store.remember("The pier is closed on Mondays.", session_id="s", embed=False)
    merge(store, written(tmp_path / "a.jsonl", memory(text="Never deploy without asking me first.")))
    forgotten = [{"forgotten": key} for text in ("", "text:") for key in (f"{text}{ID}", f"{text}{own}")]
    others = ["title:" + ID, "piece:" + ID, "value:" + ID, f"start:{ID}:0:{ID}", *tombstones.memory_keys(own, "", "s")]
    path = written(tmp_path / "b.jsonl", *forgotten, *({"forgotten": key} for key in others), memory())
    done = merge(store, path)
    assert done.left_out["untrusted"] == 1
    assert store.get(own)
    assert store.get(ID) is None  # what was imported goes, and stays out
    assert merge(store, tmp_path / "a.jsonl").forgotten == 1
    said = store.remember("Never deploy without asking me first.", embed=False)
    assert store.get(said)  # but nobody's own word goes for it
    with store.database.read() as connection:
        assert all(key.startswith("import:") for key in transfer.all_tombstones(connection))
    merge(store, written(tmp_path / "c.jsonl", {"forgotten": own}), keep_trust=True)
    assert store.get(own) is None


def test_tombstones_of_a_backup_from_elsewhere_are_checked(home: Path, tmp_path: Path, memento: Any) -> None:
    elsewhere = tmp_path / "elsewhere" / "memory.db"
    own = memento("remember", "The lamp is green.", "--session", "s", "--json").json["id"]
    with MemoryStore(elsewhere) as store:
        store.remember("We moor at pier five.", embed=False)
        session = tombstones.title_key("s").removeprefix("title:")
        with store.database.write() as connection:
            tombstones.add_tombstones(
                connection, [own, SECRET, "start:x", f"start:{session}:zz:{ID}", f"start:{session}:0:{ID}"]
            )
            ignored.add(connection, "session", f"s {SECRET}")
        backup = create(store.database, "manual", BackupDirectory(elsewhere), retention_days=1)
    memento("restore", backup.path)
    memento("remember", "The lamp is red by now.", "--session", "s")
    assert len(memento("recent").json) == 3  # the journal's too
    for path in (home / "memory.db", home / "memory.db-wal"):
        assert not path.exists() or SECRET.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        "tags = '5'", "tags = '[1,[2]]'", "tags = '{\"a\":1}'", "meta = '[1]'", "why = '\"x\"'", "meta = 'null'",
        f"meta = '{'[' * 50_000}{']' * 50_000}'",
    ],
)  # fmt: skip
def test_a_row_of_another_shape_is_damage_and_no_crash(
    home: Path, memento: Any, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    memento("remember", "We moor at pier five.")
    with closing(apsw.Connection(str(home / "memory.db"))) as connection:
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        connection.execute(f"UPDATE memories SET {change}")
        row = connection.execute(f"SELECT {', '.join(HASHED)} FROM memories").fetchone()
        connection.execute("UPDATE memories SET content_hash = ?", (row_hash(row or ()),))
    (home / "memory.db.journal.jsonl").unlink()
    monkeypatch.setenv("MEMENTO_STORAGE__AUTO_RESTORE", "false")
    assert "is not what was written" in memento("doctor", code=1).out
    for command in ("recall pier", "export -", "forget --query pier --dry-run"):
        assert "is damaged" in memento(*command.split(), code=1).err, command


@pytest.mark.parametrize(
    "content",
    [
        b"[" + b"[]," * 1_000_000 + b"0]", b"[" + b"{}," * 1_000_000 + b"{}]", b"[" + b'"",' * 1_000_000 + b'""]',
        b'{"memento":{"version":1}}\n' + b'{"forgotten":[' + b"[]," * 1_000_000 + b"0]}\n",
        b'{"memento":{"version":1}}\n' + (b'{"memory":{"meta":[' + b"0," * 150_000 + b"0]}}\n") * 20,
    ],
    ids=["arrays", "objects", "texts", "one line", "many lines"],
)  # fmt: skip
def test_values_are_within_budgets_too(store: MemoryStore, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.zst"
    path.write_bytes(zstandard.ZstdCompressor(level=3).compress(content))
    begun = time.process_time()
    with suppress(UsageError):
        assert merge(store, path).stored == 0
    assert time.process_time() - begun < 30


def test_an_array_is_cut_into_its_elements(store: MemoryStore, tmp_path: Path) -> None:
    first, second = ({**memory(id=name * 16, text=f'One ] of }} "{name}" \\, {{[')["memory"]} for name in ("ab", "cd"))
    path = tmp_path / "x.json"
    path.write_text(f" [ {json.dumps(first)} ,\n{json.dumps(second, indent=3)}\n ] \n")
    done = merge(store, path)
    assert (done.stored, done.unread, done.complete) == (2, 0, True)
    for broken in (
        "[",
        "[1]",
        "[{}, 1]",
        "[{}",
        "[{},",
        "[{}] {}",
        "[{}]]",
        "[{},]",
        "[{}}",
        "[" * 9999,
        '["',
        '[{"a":"\\',
    ):
        path.write_text(broken)
        with pytest.raises(UsageError, match="is none"):
            merge(store, path)


def test_a_pipe_that_brings_no_export_is_not_waited_for(store: MemoryStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = subprocess.Popen(["sh", "-c", f"exec yes > {tmp_path / 'pipe'}"], stderr=subprocess.DEVNULL)
    try:
        with pytest.raises(UsageError, match="is no export"):
            merge(store, tmp_path / "pipe")
        assert writer.wait(10)
    finally:
        writer.kill()


def test_an_export_replaces_no_file_of_the_store_by_another_name(store: MemoryStore, tmp_path: Path) -> None:
    store.remember("The pier is closed on Mondays.", embed=False)
    journal = Path(f"{store.path}.journal.jsonl")
    held = journal.read_bytes()
    (tmp_path / "x.jsonl").symlink_to(journal)
    (tmp_path / "y.jsonl").symlink_to(store.path)
    linked = tmp_path / "linked" / "memory.db"
    linked.parent.mkdir()
    linked.symlink_to(store.path)
    (linked.parent / "memory.db.journal.jsonl").write_text("x")
    (store.path.parent / "spool").mkdir()
    (store.path.parent / "spool" / "20260101-000.jsonl").write_text("x")
    for path in (tmp_path / "x.jsonl", tmp_path / "y.jsonl", store.path.parent / "spool" / "20260101-000.jsonl"):
        with pytest.raises(UsageError, match="of the store itself"):
            export(store, path, force=True)
    with MemoryStore(linked) as again, pytest.raises(UsageError, match="of the store itself"):
        export(again, linked.parent / "memory.db.journal.jsonl", force=True)
    assert journal.read_bytes() == held


def test_a_short_text_leaves_the_spool_with_its_session(store: MemoryStore, tmp_path: Path) -> None:
    line = '{"event":"UserPromptSubmit","session_id":"%s","prompt":"%s"}\n'
    path = tmp_path / "20260101-000.jsonl"
    path.write_text(line % ("s-1", "pin 4711") + line % ("s-2", "pin 4711") + line % ("s-1", "my pin 4711"))
    pin = store.remember("pin 4711", session_id="s-1", embed=False)
    receipt = forget(store, [memory for memory in [store.get(pin)] if memory], Spool(lambda: [path], scrub))
    assert receipt.spool == 1
    assert path.read_text() == line % ("s-2", "pin 4711") + line % ("s-1", "my pin 4711")


@pytest.mark.parametrize("at", [2**63 - 1, 1 - 2**63, -1])
def test_a_job_that_ran_at_an_impossible_time_is_due(home: Path, memento: Any, at: int) -> None:
    memento("remember", "We moor at pier five.")
    with closing(apsw.Connection(str(home / "memory.db"))) as connection:
        connection.execute("INSERT OR REPLACE INTO jobs VALUES ('hourly-backup', ?, NULL)", (at,))
    memento("jobs")


def test_an_empty_filter_beside_a_query_names_nothing(memento: Any) -> None:
    memento("remember", "We moor at pier five.")
    for empty in (["--session", ""], ["--project", ""], ["--min-importance", "0"]):
        said = memento("forget", "--query", "pier", *empty, "--yes", code=2).err
        assert "--all-matching" in said or "is empty" in said
    assert len(memento("recent").json) == 1
