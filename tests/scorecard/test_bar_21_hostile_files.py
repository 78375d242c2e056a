"""Bar 21: files from elsewhere, with every kind of statement planted in their schema. None of them has an effect.

Each is restored as a backup of the store's own and as one from elsewhere, opened as the store, salvaged and examined.
Either it is refused and the store stays as it was, or what was planted is gone and the rows are those that were
written. Another program's database and the folder around the store never change.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest

from memento.backup.archive import Manifest, compress, hash_file
from memento.backup.directory import Backup
from memento.config import load_config
from memento.errors import StoreError, StoreRestored
from memento.health import INTEGRITY_CHECKS, CheckContext, run_checks
from memento.restore.rollback import roll_back
from memento.storage import schema, snapshot
from memento.storage.database import Database
from memento.storage.ignored import Ignored
from memento.storage.migrations import MIGRATIONS
from memento.store import MemoryStore
from memento.writes.admission import Admission
from memento_policies import load_policy

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar

EFFECTS = (
    "DELETE FROM memories WHERE id <> 'x'",
    "UPDATE memories SET trust = 'user', text = 'planted'",
    "INSERT INTO tombstones (id, at) SELECT id, 1 FROM memories",
    "INSERT INTO ignored (kind, value, at) VALUES ('project', '/', 1)",
    "SELECT load_extension('{folder}/planted.so')",
    "DELETE FROM memory_tags",
)
NAMES = (
    "evil",
    'a"b',
    "a'b",
    "a;b",
    "x FROM t; --",
    "[x]",
    "`x`",
    "memories_inserted2",
    "pragma_table_info2",
    "\u202e",
    "é" * 40,
)
TABLES = ("memories", "sources", "tombstones", "meta", "sessions", "ignored")

Plant = Callable[[apsw.Connection, random.Random, Path], None]
PLANTS: dict[str, Plant] = {}


def plant(make: Plant) -> Plant:
    PLANTS[make.__name__] = make
    return make


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def name(rng: random.Random) -> str:
    return quoted(rng.choice(NAMES) + str(rng.randrange(100)))


def effect(rng: random.Random, folder: Path) -> str:
    return rng.choice(EFFECTS).format(folder=folder)


def edited(connection: apsw.Connection, sql: str, *values: object) -> None:
    """Write `sqlite_schema` itself, as no statement would."""
    connection.pragma("writable_schema", 1)
    connection.execute(sql, values)
    connection.pragma("writable_schema", "reset")


@plant
def trigger(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    event = rng.choice(("INSERT", "UPDATE", "DELETE", "UPDATE OF active"))
    when = rng.choice(("BEFORE", "AFTER"))
    connection.execute(
        f"CREATE TRIGGER {name(rng)} {when} {event} ON {rng.choice(TABLES)} BEGIN {effect(rng, folder)}; END"
    )


@plant
def own_trigger_rewritten(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    connection.execute("DROP TRIGGER memories_inserted")
    connection.execute(f"CREATE TRIGGER memories_inserted AFTER INSERT ON memories BEGIN {effect(rng, folder)}; END")


@plant
def own_object_missing(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    kind, gone = rng.choice(
        (
            ("TRIGGER", "memories_inserted"), ("TRIGGER", "memories_deleted"), ("TRIGGER", "memories_updated_codes"),
            ("INDEX", "memories_time"), ("TABLE", "tombstones"), ("TABLE", "memories_fts"), ("TABLE", "faded"),
        )
    )  # fmt: skip
    connection.execute(f"DROP {kind} {gone}")


@plant
def view_for_table(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    table = rng.choice(TABLES)
    connection.execute(f"ALTER TABLE {table} RENAME TO kept")
    connection.execute(f"CREATE VIEW {table} AS SELECT * FROM kept")
    if rng.random() < 0.5:
        connection.execute(f"CREATE TRIGGER {name(rng)} INSTEAD OF INSERT ON {table} BEGIN {effect(rng, folder)}; END")


@plant
def endless_view(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    connection.execute("DROP TABLE tombstones")
    connection.execute(
        "CREATE VIEW tombstones AS WITH RECURSIVE n (id) AS (VALUES (1) UNION ALL SELECT id + 1 FROM n) "
        "SELECT id, id AS at FROM n"
    )


@plant
def shadowed_function(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    shadowed = rng.choice(("pragma_application_id", "pragma_user_version", "pragma_table_list", "json_each"))
    connection.execute(f"CREATE {rng.choice(('VIEW', 'TABLE'))} {shadowed} AS SELECT 'memories' AS name, 1 AS value")


@plant
def named_table(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    attach = f"x\" (a); ATTACH '{folder / 'victim.db'}' AS v; DELETE FROM v.t; VACUUM INTO '{folder / 'made.db'}'; --"
    connection.execute(f"CREATE TABLE {quoted(attach)} ({quoted(attach)} PRIMARY KEY)")


@plant
def virtual_table(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    made = rng.choice(("fts5 (a)", "fts5vocab (memories_fts, col)", "rtree (i, a, b)", "dbstat"))
    with suppress(apsw.SQLError):  # a module that this library lacks
        connection.execute(f"CREATE VIRTUAL TABLE {name(rng)} USING {made}")


@plant
def index_with_code(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    kind = rng.choice(("memories (abs(length(text)))", "memories (id) WHERE length(text) > 3", "meta (value)"))
    connection.execute(f"CREATE INDEX {name(rng)} ON {kind}")


@plant
def table_with_code(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    if rng.random() < 0.3:
        coded = "value TEXT DEFAULT (hex(randomblob(9)))"
        edited(connection, "UPDATE sqlite_schema SET sql = replace(sql, 'value TEXT', ?) WHERE name = 'meta'", coded)
        return
    column = rng.choice(
        (
            "planted TEXT AS (upper(source))", "planted INTEGER CHECK (planted IS NULL OR length(planted) > 0)",
            "planted TEXT COLLATE NOCASE", "planted TEXT AS (source || zeroblob(900000000)) VIRTUAL",
        )
    )  # fmt: skip
    connection.execute(f"ALTER TABLE {rng.choice(('memories', 'quarantine'))} ADD COLUMN {column}")


@plant
def without_rowid(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    connection.execute("DROP TABLE token_codes")
    connection.execute(
        "CREATE TABLE token_codes (num INTEGER NOT NULL, model TEXT NOT NULL, codes BLOB NOT NULL, "
        "PRIMARY KEY (num, model)) STRICT, WITHOUT ROWID"
    )


@plant
def statistics(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    connection.execute("ANALYZE; UPDATE sqlite_stat1 SET stat = '1 1 unordered'")


@plant
def words_options(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    connection.execute("INSERT INTO memories_fts (memories_fts, rank) VALUES ('rank', 'bm25(9.0, 0.0)')")


@plant
def words_shadow(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    connection.execute("UPDATE memories_fts_data SET block = randomblob(length(block)) WHERE id > 10")


@plant
def swapped_pages(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    edited(
        connection,
        "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'meta') WHERE name = ?",
        rng.choice(("tombstones", "jobs")),
    )


@plant
def written_schema(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    sql = rng.choice(
        (
            "CREATE TRIGGER t AFTER INSERT ON memories BEGIN DELETE FROM memories; END",
            "CREATE TABLE sqlite_schema (type, name, tbl_name, rootpage, sql)", "CREATE VIEW v AS SELECT 1",
            "PRAGMA x", "",
        )
    )  # fmt: skip
    with suppress(apsw.Error):
        edited(connection, "INSERT INTO sqlite_schema VALUES (?, ?, ?, 0, ?)", "trigger", "t", "memories", sql)


@plant
def comment_in_table(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    hidden = rng.choice(("/* */ DEFAULT 'a' /* */", "CHECK (value <> '--')", "DEFAULT '/*' CHECK (1)"))
    edited(
        connection,
        "UPDATE sqlite_schema SET sql = replace(sql, 'value TEXT', ?) WHERE name = 'meta'",
        f"value TEXT {hidden}",
    )


@plant
def versions(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    connection.pragma("user_version", rng.choice((0, 1, 5, len(MIGRATIONS) - 1, len(MIGRATIONS) + 1, 2**31 - 1, -1)))


@plant
def log_header(connection: apsw.Connection, rng: random.Random, folder: Path) -> None:
    connection.pragma("journal_mode", "wal")
    connection.execute("CREATE TABLE planted (a)")


def base(path: Path) -> dict[str, tuple[str, str]]:
    """Make a store of a few rows in one file; return {id: (text, trust)}."""
    with MemoryStore(path) as store:
        for number in range(6):
            store.remember(f"We moor at pier {number} of the harbour.", tags=["pier"], embed=False)
        rows = held(path)
    with closing(apsw.Connection(str(path))) as connection:
        connection.pragma("journal_mode", "delete")
    for beside in path.parent.glob(f"{path.name}?*"):
        beside.unlink()
    return rows


def held(path: Path) -> dict[str, tuple[str, str]]:
    with closing(apsw.Connection(str(path))) as connection:
        return {id_: (text, trust) for id_, text, trust in connection.execute("SELECT id, text, trust FROM memories")}


class Case:
    """One planted file, and the place in which it is tried."""

    def __init__(self, folder: Path, planted: Path) -> None:
        self.folder, self.planted = folder, planted
        self.store = folder / "store" / "memory.db"
        self.victim = folder / "victim.db"

    def packed(self) -> Backup:
        """Return the file as a backup whose manifest tells the truth about it."""
        content = "0" * 32
        with suppress(Exception), closing(apsw.Connection(str(self.planted))) as connection:
            connection.set_progress_handler(lambda: True, 10_000_000)  # an endless view
            connection.execute("BEGIN")
            content = snapshot.read_contents(connection).hash
        manifest = Manifest(
            "memory.db", "manual", 1, len(MIGRATIONS), content, {"memories": 6}, self.planted.stat().st_size,
            hash_file(self.planted),
        )  # fmt: skip
        target = self.folder / "planted.db.zst"
        compress(self.planted, manifest, target)
        return Backup(target, manifest)

    def restored(self) -> None:
        roll_back(self.store, "", [self.packed()])

    def restored_from_elsewhere(self) -> None:
        admission = Admission(load_policy(), Ignored(), keeps_trust=False)
        roll_back(self.store, "", [self.packed()], admission=admission)

    def opened(self) -> None:
        shutil.copyfile(self.planted, self.store)
        MemoryStore(self.store).close()

    def salvaged(self) -> None:
        shutil.copyfile(self.planted, self.store)
        roll_back(self.store, "it was planted", [], take_over=True)

    def examined(self) -> None:
        shutil.copyfile(self.planted, self.folder / "examined.db")
        with closing(Database(self.folder / "examined.db")) as database:
            run_checks(CheckContext(database, load_config()), INTEGRITY_CHECKS)


WAYS = (Case.restored, Case.restored_from_elsewhere, Case.opened, Case.salvaged, Case.examined)


def used(path: Path, memories: int) -> None:
    """Write and read, and see that nothing else happens."""
    with MemoryStore(path) as store:
        store.remember(f"One more pier was built in spring, after {memories}.", embed=False)
        assert len(store.recall("spring pier")) > 0
        assert store.stats().memories == memories + 1
        assert not store.ignored().projects
        with store.database.read() as connection:
            assert schema.differences(connection) == []


def listing(folder: Path) -> set[str]:
    return {
        path.name for path in folder.iterdir() if not path.name.startswith(("examined.db", "planted.db", "planted"))
    }


def test_nothing_that_a_file_holds_has_an_effect(bar: Bar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMENTO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MEMENTO_MODEL_DIR", str(tmp_path / "no-model"))
    original, sound = tmp_path / "original.db", tmp_path / "sound.db"
    rows, own = base(original), base(sound)
    with closing(apsw.Connection(str(tmp_path / "victim.db"))) as connection:
        connection.execute("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    victim = (tmp_path / "victim.db").read_bytes()
    names = [*PLANTS] * (1 + bar.count("MEMENTO_HOSTILE_FILES", 0) // len(PLANTS))
    refused = mended = 0
    for planted_as in names:
        planted = tmp_path / "planted.db"
        shutil.copyfile(original, planted)
        with closing(apsw.Connection(str(planted))) as connection:
            connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 1)
            PLANTS[planted_as](connection, bar.rng, tmp_path)
        for way in WAYS if bar.soak else bar.rng.sample(WAYS, 2):
            shutil.rmtree(tmp_path / "store", ignore_errors=True)
            (tmp_path / "store").mkdir()
            shutil.copyfile(sound, tmp_path / "store" / "memory.db")
            before = listing(tmp_path)
            case, what = Case(tmp_path, planted), f"{planted_as} {way.__name__}"
            try:
                way(case)
            except StoreError:
                refused += 1
                if way in (Case.restored, Case.restored_from_elsewhere):
                    assert held(case.store) == own, what
                assert (tmp_path / "victim.db").read_bytes() == victim, what
                assert listing(tmp_path) <= before | {"examined.db"}, what
                continue
            mended += 1
            kept = held(case.store)
            assert kept.keys() <= rows.keys() | own.keys(), what
            assert all(
                text == {**rows, **own}[id_][0] and trust in ("user", "import") for id_, (text, trust) in kept.items()
            ), what
            try:
                used(case.store, len(kept))
            except StoreRestored:  # a derived part was damaged, and is rebuilt when it is met
                used(case.store, len(held(case.store)))
            assert (tmp_path / "victim.db").read_bytes() == victim, what
            assert listing(tmp_path) == before, what
            for beside in tmp_path.glob("examined.db*"):
                beside.unlink()
    bar.measured(f"{len(names):,} files with {len(PLANTS)} kinds of plants: "
                 f"{refused:,} refused, {mended:,} made sound, 0 effects")  # fmt: skip
