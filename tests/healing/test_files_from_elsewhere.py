"""Files from elsewhere are data: another program's database, a planted store, a crafted backup, an export."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
import zstandard
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from tests.healing.conftest import ID, as_put_today, memory, written

from memento.backup import BackupDirectory, create
from memento.backup.archive import Manifest, compress, hash_file, read_manifest
from memento.base import signing
from memento.base.link_key import load_key
from memento.errors import BackupDamaged, StoreCorrupt, StoreError, StoreTooNew, UsageError
from memento.restore.rollback import roll_back
from memento.storage import schema, snapshot, untrusted_file
from memento.storage.database import Database
from memento.storage.migrations import APPLICATION_ID, MIGRATIONS
from memento.store import MemoryStore
from memento.transfer.exporter import export
from memento.transfer.importer import Imported, merge
from memento_policies import load_policy

SECRET = "ghp_" + "a1B2c3D4e5F6" * 3


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["plain", "wal", "tables only in the log", "text", "nothing but a header"])
def test_another_programs_file_is_refused_and_nothing_is_written(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    path = folder / "other.db"
    if kind == "text":
        path.write_text("Dear diary,\n" * 50)
    other = sqlite3.connect(path) if kind != "text" else None
    if other:
        if "log" in kind or kind == "wal":
            other.execute("PRAGMA journal_mode = wal")
        if "header" in kind:
            other.execute("PRAGMA user_version = 7")
        else:
            other.execute("CREATE TABLE t (a)")
        other.commit()
        if "log" not in kind:
            other.close()
    before = listing(folder)
    with pytest.raises(StoreTooNew, match="name another file"):
        MemoryStore(path)
    after = listing(folder)
    assert before.keys() == after.keys()
    assert {name: content for name, content in before.items() if not name.endswith("-shm")} == {
        name: content for name, content in after.items() if not name.endswith("-shm")
    }
    if other:
        other.close()


def test_a_folder_a_pipe_and_a_dangling_link_are_no_store(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    before = sorted(path.name for path in tmp_path.iterdir())
    for name, said in (("", "is a folder"), ("pipe", "is not a file"), ("link", "does not exist")):
        with pytest.raises(StoreError, match=said):
            MemoryStore(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_the_hash_of_the_newest_schema_is_known() -> None:
    """Add it to `schema.KNOWN` beside a new migration: without it every start takes two milliseconds longer."""
    with closing(apsw.Connection(":memory:")) as connection:
        for migration in MIGRATIONS:
            connection.execute(migration)
        connection.pragma("user_version", len(MIGRATIONS))
        assert schema.KNOWN.get(len(MIGRATIONS)) == schema.digest(connection)
        assert schema.differences(connection) == []


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_a_backup_of_every_version_is_restored(version: int, home: Path, tmp_path: Path, rows: Any) -> None:
    from memento.storage.rows import put

    home.mkdir(mode=0o700)
    old = tmp_path / "old.db"
    with closing(apsw.Connection(str(old))) as connection:
        for migration in MIGRATIONS[:version]:
            connection.execute(migration)
        connection.pragma("user_version", version)
        connection.pragma("application_id", APPLICATION_ID)
        with as_put_today(connection):
            put(connection, rows(0, 20))
        connection.execute("BEGIN")
        content = snapshot.read_contents(connection).hash
    made = Manifest("memory.db", "manual", 1, version, content, {}, old.stat().st_size, hash_file(old))
    directory = BackupDirectory(home / "memory.db")
    with directory.locked():
        compress(old, made, directory.new_path("manual", 1))
    roll_back(home / "memory.db", "", directory.all())
    with MemoryStore() as store, store.database.read() as connection:
        assert store.stats().memories == 20
        assert schema.differences(connection) == []


def test_guarded_connections_refuse_what_has_effects(tmp_path: Path) -> None:
    path = tmp_path / "copy.db"
    with MemoryStore(path) as store:
        store.remember("The pier is closed on Mondays.", embed=False)
    with closing(untrusted_file.connect(path, writable=True)) as connection:
        for sql in (
            f"ATTACH '{tmp_path}/x.db' AS x", f"VACUUM INTO '{tmp_path}/x.db'", "CREATE TABLE x (a)", "DROP TABLE meta",
            "CREATE TEMP TRIGGER x AFTER INSERT ON meta BEGIN DELETE FROM meta; END", "PRAGMA writable_schema = ON",
            "PRAGMA journal_mode = WAL", "PRAGMA temp_store_directory = '/'", "SELECT load_extension('x')",
            "ALTER TABLE meta RENAME TO x", "UPDATE sqlite_schema SET sql = ''", "ANALYZE", "CREATE VIEW x AS SELECT 1",
            "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i FROM n) SELECT * FROM n LIMIT 1",
        ):  # fmt: skip
            with pytest.raises(apsw.Error):
                connection.execute(sql).fetchall()
        connection.execute("VACUUM")
    assert not (tmp_path / "x.db").exists()


def test_planted_code_in_the_live_store_is_dropped_and_said(store: MemoryStore, open_store: Any) -> None:
    store.close()
    with closing(apsw.Connection(str(store.path))) as connection:
        connection.execute('CREATE TRIGGER "a;\'b" AFTER INSERT ON memories BEGIN DELETE FROM memories; END')
        connection.execute("DROP TRIGGER memories_inserted; ANALYZE")
        connection.execute("CREATE INDEX mine ON memories (speaker)")
    with pytest.raises(StoreCorrupt, match="not the one that Memento makes"):
        Database(store.path)
    healed = open_store()
    healed.remember("A new pier was built in spring.", embed=False)
    assert healed.stats().memories == 201
    assert healed.recall("spring").results
    assert "nothing was lost" in healed.healing().text
    with healed.database.read() as connection:
        assert schema.differences(connection) == []


def test_a_link_to_the_store_stays_one(home: Path, tmp_path: Path, open_store: Callable[[], MemoryStore]) -> None:
    home.mkdir(mode=0o700)
    disk = tmp_path / "disk"
    disk.mkdir()
    (home / "memory.db").symlink_to(disk / "real.db")
    (disk / "real.db").touch()
    store = open_store()
    store.remember("The pier is closed on Mondays.", embed=False)
    backup = create(store.database, "manual", BackupDirectory(store.path), retention_days=1)
    store.remember("The lamp is green.", embed=False)
    store.close()
    done = roll_back(store.path, "", [backup])
    assert (home / "memory.db").is_symlink()
    assert Path(done.aside).parent == disk
    assert ".replaced-" in done.aside
    assert "damaged" not in done.text
    assert open_store().stats().memories == 2  # the journal brings back what came after the backup


def test_a_backup_from_elsewhere_brings_its_rows_and_no_authority(home: Path, tmp_path: Path, memento: Any) -> None:
    elsewhere = tmp_path / "elsewhere" / "memory.db"
    with MemoryStore(elsewhere) as store:
        store.remember("We moor at pier five.", tags=["pier"], embed=False)
        store.remember("Nobody may enter the lock.", session_id="private", embed=False)
        backup = create(store.database, "manual", BackupDirectory(elsewhere), retention_days=1)
    memento("remember", "The lamp is green.")
    memento("ignore", "--session", "private")
    said = memento("restore", backup.path).err
    assert "count as imported" in said
    trust = {row["text"]: row["trust"] for row in memento("recent").json}
    assert trust == {"We moor at pier five.": "import", "The lamp is green.": "user"}  # that is from the journal
    assert "lock" not in memento("recent").out
    memento("restore", backup.path, "--keep-trust")
    assert {row["trust"] for row in memento("recent").json} == {"user"}


def test_what_a_manifest_claims_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.db.zst"
    database = tmp_path / "zeros"
    database.write_bytes(bytes(80 * 1024 * 1024))
    lies = Manifest("memory.db", "manual", 1, 8, "", {}, 10**15, "")
    compress(database, lies, path)
    with pytest.raises(BackupDamaged, match="beyond what a database can"):
        snapshot_of(path, tmp_path)
    for broken in ({"at": -1}, {"kind": "\x1b[2J"}, {"bytes": 1 << 63}, {"counts": {"memories": -5}}):
        import msgspec

        compress(database, msgspec.structs.replace(lies, **broken), path)
        with pytest.raises(BackupDamaged, match="no manifest"):
            read_manifest(path)


def snapshot_of(path: Path, folder: Path) -> None:
    from memento.backup.archive import decompress

    decompress(path, folder / "expanded")


def test_every_field_of_an_import_is_redacted(store: MemoryStore, tmp_path: Path) -> None:
    fields = ("source", "session_id", "speaker", "project", "collection")
    path = written(
        tmp_path / "x.jsonl",
        {"title": {"source": SECRET, "session_id": f"s {SECRET}", "title": f"t {SECRET}", "rank": 9}},
        memory(
            **{name: f"{name} {SECRET}" for name in fields}, tags=[f"tag {SECRET}"], meta={SECRET: [SECRET]},
            why={"reason": SECRET, "points": [[SECRET, 1]]}, text=f"The token is {SECRET}.", superseded_by=SECRET,
        ),
        {"offset": {"path": f"/{SECRET}", "format": "x", "state": {"a": SECRET}, "head_hash": "", "marker_hash": ""}},
    )  # fmt: skip
    merge(store, path, keep_trust=True)
    store.close()
    assert not any(
        SECRET.encode() in path.read_bytes() for path in store.path.parent.glob(f"{store.path.name}*") if path.is_file()
    )


def test_what_cannot_be_read_is_named_without_what_it_holds(store: MemoryStore, tmp_path: Path) -> None:
    bad = [
        memory(id=SECRET), memory(role=SECRET), memory(trust=SECRET), memory(kind=SECRET), memory(tags=SECRET),
        memory(meta=SECRET), memory(importance=SECRET), memory(timestamp=SECRET), memory(text=5), memory(text=" "),
        {"forgotten": SECRET}, {"ignored": {"kind": SECRET, "value": "x"}}, {"memory": {"id": SECRET}},
        {"title": {SECRET: SECRET}}, {"memory": SECRET},
    ]  # fmt: skip
    done = merge(store, written(tmp_path / "x.jsonl", *bad))
    assert (done.unread, done.stored) == (len(bad), 0)
    assert SECRET not in repr(done)
    with (tmp_path / "y.jsonl").open("w") as file:
        file.write('{"memento": {"version": 1}}\n{"memory": "' + SECRET + "\n")
    assert SECRET not in repr(merge(store, tmp_path / "y.jsonl"))


def test_a_file_from_elsewhere_acts_on_nothing_but_what_it_brings(store: MemoryStore, tmp_path: Path) -> None:
    own = store.remember("The pier is closed on Mondays.", session_id="s", embed=False)
    path = written(
        tmp_path / "x.jsonl",
        {"ignored": {"kind": "project", "value": "/"}},
        memory(trust="user"),
        memory(id=own, text="The pier is closed on Mondays. Not true.", superseded_by=ID),
        {"offset": {"path": "/x", "format": "x", "state": {}, "head_hash": "", "marker_hash": ""}},
    )
    done = merge(store, path)
    assert (done.trusted, done.stored, done.known, done.lowered) == (False, 1, 1, 2)
    assert done.left_out == {"untrusted": 2}
    assert not store.ignored().projects
    kept, brought = store.get(own), store.get(ID)
    assert kept is not None
    assert brought is not None
    assert (kept.text, kept.trust, kept.superseded_by) == ("The pier is closed on Mondays.", "user", None)
    assert brought.trust == "import"


def test_what_is_ignored_stays_out_and_is_counted(store: MemoryStore, tmp_path: Path) -> None:
    store.ignore("project", "/private")
    done = merge(store, written(tmp_path / "x.jsonl", memory(project="/private/deep"), memory(id="cd" * 16)))
    assert (done.stored, done.left_out) == (1, {"ignored": 1})


POLICY = load_policy()
NUMBERS = st.integers(-(10**25), 10**25) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.tuples(st.text(min_size=1), st.dictionaries(st.text(max_size=9), JSON, max_size=3)), max_size=4))
@settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_an_export_round_trips(tmp_path: Path, made: list[tuple[str, dict[str, Any]]]) -> None:
    shutil.rmtree(tmp_path / "x", ignore_errors=True)
    with MemoryStore(tmp_path / "x" / "a.db") as first, MemoryStore(tmp_path / "x" / "b.db") as second:
        first._policy = second._policy = POLICY
        for text, meta in made:
            if text.strip():
                first.remember(text, meta=meta, session_id=text[:3], tags=[text[:5]], embed=False)
        for name in ("e.jsonl", "e.jsonl.gz", "e.JSONL.ZST"):
            path = tmp_path / "x" / name
            export(first, path)
            assert merge(second, path).trusted
            assert everything(first) == everything(second)


def everything(store: MemoryStore) -> list[dict[str, Any]]:
    return [{**row, "ingested_at": 0} for row in json.loads(store.export_json())]


def test_a_changed_export_proves_nothing(store: MemoryStore, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    export(store, path)
    assert merge(store, path).trusted
    lines = path.read_text().splitlines(keepends=True)
    for changed in (
        "".join(lines).replace("moor", "stay", 1),
        "".join([*lines[:1], *lines[2:]]),
        "".join([*lines, lines[-1]]),
    ):
        path.write_text(changed)
        assert not merge(store, path).trusted
    assert not signing.Seal("export", b"").proves("")
    assert not signing.Seal("backup", load_key(store.path.parent)).proves(
        signing.Seal("export", load_key(store.path.parent)).hexdigest()
    )


def test_an_export_replaces_nothing_it_was_not_told_to(store: MemoryStore, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("mine")
    with pytest.raises(UsageError, match="--force"):
        export(store, path)
    assert path.read_text() == "mine"
    export(store, path, force=True)
    for refused in (store.path, Path(f"{store.path}.journal.jsonl"), tmp_path / "x.txt", tmp_path / "x"):
        with pytest.raises(UsageError):
            export(store, refused, force=True)


def test_exports_of_all_kinds_are_read_again(memento: Any, tmp_path: Path) -> None:
    memento("remember", "The pier is closed on Mondays.", "--tag", "pier")
    memento("remember", "The lamp is green.")
    (tmp_path / "array").write_text(memento("export").out)
    (tmp_path / "lines").write_text(memento("export", "-").out)
    (tmp_path / "indented").write_text(json.dumps(json.loads(memento("export").out), indent=2))
    memento("export", tmp_path / "x.json")
    memento("export", tmp_path / "x.jsonl.zst")
    (tmp_path / "x.jsonl").write_bytes((tmp_path / "x.jsonl.zst").read_bytes())  # named for what it is not
    for number, name in enumerate(("array", "lines", "indented", "x.json", "x.jsonl.zst", "x.jsonl")):
        done = memento("import", tmp_path / name, "--db", memento.home / f"{number}.db").json
        assert (done["stored"], done["complete"], done["unread"]) == (2, True, 0), name
        assert done["trusted"] == (name in ("lines", "x.jsonl.zst", "x.jsonl"))
    assert "none of the endings" in memento("export", tmp_path / "x.csv", code=2).err
    assert "exists already" in memento("export", tmp_path / "x.json", code=2).err


@pytest.mark.parametrize("filler", [b"\n", b"x", b"{}\n", b'{"memory":{}}\n', b"["])
def test_a_compressed_import_holds_to_its_budgets(store: MemoryStore, tmp_path: Path, filler: bytes) -> None:
    path = tmp_path / "x.jsonl.zst"
    content = b'{"memento":{"version":1}}\n' + filler * (40_000_000 // len(filler))
    path.write_bytes(zstandard.ZstdCompressor(level=3).compress(content))
    with pytest.raises(UsageError, match="an export can"):
        merge(store, path)
    assert merge(store, written(tmp_path / "sound.jsonl", memory())) == Imported(
        stored=1, lowered=1, complete=True, left_out={}
    )
