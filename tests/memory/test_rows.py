"""Rows converge on the same content in any order, and everything derived from them stays consistent."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from memento.base.identity import memory_id, row_hash
from memento.memory import NewMemory
from memento.storage import rows
from memento.storage.database import Database
from memento.storage.tombstones import MIN_UNIQUE_LENGTH

FULL = "we deploy on Thursdays — “never” on Fridays 🚀\nand the key is C++"
VERSIONS = ["w", "we deploy", "we deplox…", "we deplox🚀", FULL[:30], FULL]
"""Texts of one record, each of higher rank than the one before: longer, or as long and greater in UTF-8."""


def version(record: int, grown: int) -> NewMemory:
    """Return a record as it was after it grew `grown` times; everything else follows from the text."""
    text = VERSIONS[grown]
    tags = tuple(f"tag{n}" for n in range(grown))
    return NewMemory(
        memory_id("test", str(record)), text, 1000 * record, "test", f"s{record % 2}", importance=grown / 7, tags=tags,
        meta={"length": len(text)} if grown else {}, why={"points": [["length", 0.1 * grown]]},
    )  # fmt: skip


def check_consistent(connection: apsw.Connection) -> None:
    """Hash, FTS and tags agree with every row."""
    connection.execute("INSERT INTO memories_fts (memories_fts, rank) VALUES ('integrity-check', 1)")
    columns = ", ".join(rows.HASHED)
    for *hashed, content_hash in connection.execute(f"SELECT {columns}, content_hash FROM memories"):
        assert content_hash == row_hash(hashed)
    tagged = set(connection.execute("SELECT tag, num FROM memory_tags"))
    listed: list[tuple[Any, ...]] = connection.execute("SELECT num, tags FROM memories").fetchall()
    assert tagged == {(tag, num) for num, tags in listed for tag in json.loads(tags)}
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def contents(connection: apsw.Connection) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT id, content_hash, text, tags, active FROM memories ORDER BY id").fetchall()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "store.db")
    yield database
    database.close()


def test_new_grown_and_repeated(database: Database) -> None:
    first, grown = version(1, 1), version(1, 3)
    with database.write() as connection:
        assert rows.put(connection, [first, first]).stored == (first.id,)
        assert rows.put(connection, [first]).duplicates == 1
        assert rows.put(connection, [grown, first])[:4] == ((), (grown.id,), 1, 0)
        assert [memory.text for memory in rows.by_prefix(connection, first.id)] == [grown.text]
        check_consistent(connection)


def test_growth_takes_the_embedding_away(database: Database) -> None:
    with database.write() as connection:
        rows.put(connection, [version(1, 1)])
        columns = "model, embedding_seq, embedding, embedding_hash"
        connection.execute(f"UPDATE memories SET ({columns}) = ('m', 1, x'00', x'00')")
        rows.put(connection, [version(1, 1)])
        assert connection.execute("SELECT model FROM memories").get == "m"
        rows.put(connection, [version(1, 2)])
        assert connection.execute(f"SELECT {columns} FROM memories").fetchone() == (None,) * 4


def test_what_was_deleted_stays_out_until_it_is_revived(database: Database) -> None:
    memory = version(1, 1)
    with database.write() as connection:
        rows.put(connection, [memory])
        assert rows.delete(connection, [memory.id, "unknown"]) == 1
        assert rows.put(connection, [memory, version(1, 4), version(2, 1)])[:4] == ((version(2, 1).id,), (), 0, 2)
        assert rows.put(connection, [memory], revive=True).stored == (memory.id,)
        assert rows.put(connection, [version(1, 4)]).extended == (memory.id,)
        check_consistent(connection)


def test_every_read_of_many(database: Database) -> None:
    memories = [version(number, 1) for number in range(1300)]
    with database.write() as connection:
        rows.put(connection, memories)
        nums = [num for (num,) in connection.execute("SELECT num FROM memories")]
        assert len(rows.by_nums(connection, nums)) == 1300
        assert [memory.timestamp for memory in rows.all_memories(connection)] == [1000 * n for n in range(1300)]


def test_a_hash_sees_every_flipped_bit_of_a_row() -> None:
    columns = ["id", "some text", 5, "test", None, 0.5]
    known = row_hash(columns)
    raw = b"some text"
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        assert row_hash(["id", flipped.decode("latin-1"), *columns[2:]]) != known
    assert row_hash(["ids", "ome text", *columns[2:]]) != known


Action = tuple[int, int]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, len(VERSIONS) - 1)), max_size=25),
    st.randoms(use_true_random=False),
)
def test_any_order_split_and_repetition_converges(actions: list[Action], random: Any) -> None:
    def store(order: list[Action], name: str) -> list[tuple[Any, ...]]:
        with tempfile.TemporaryDirectory() as folder:
            database = Database(Path(folder, name))
            while order:
                size = random.randint(1, len(order))
                with database.write() as connection:
                    rows.put(connection, [version(*action) for action in order[:size]])
                order = order[size:]
            with database.read() as connection:
                check_consistent(connection)
                found = contents(connection)
            database.close()
            return found

    shuffled = [*actions, *random.sample(actions, len(actions) // 2)]
    random.shuffle(shuffled)
    assert store(actions, "a") == store(shuffled, "b")


class StoredRows(RuleBasedStateMachine):
    """Put, grow, delete, revive, deactivate in any order, against a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = Database(Path(self.folder.name, "store.db"))
        self.model: dict[int, int] = {}
        self.forgotten: set[int] = set()
        self.texts: set[tuple[int, int]] = set()
        """Session and version of the forgotten texts that are long enough to be told from others."""

    def _is_refused(self, record: int, grown: int) -> bool:
        begins = any(session == record % 2 and VERSIONS[grown].startswith(VERSIONS[v]) for session, v in self.texts)
        return record in self.forgotten or begins or grown in {version for _, version in self.texts}

    @rule(record=st.integers(0, 3), grown=st.integers(0, len(VERSIONS) - 1), revive=st.booleans())
    def put(self, record: int, grown: int, revive: bool) -> None:
        memory = version(record, grown)
        with self.database.write() as connection:
            counts = rows.put(connection, [memory], revive=revive)
        if revive:
            self.forgotten.discard(record)
            self.texts -= {(0, grown), (1, grown)}
        known = self.model.get(record)
        if not revive and self._is_refused(record, grown):
            assert counts[:4] == ((), (), 0, 1)
        elif known is None:
            assert counts[:4] == ((memory.id,), (), 0, 0)
            self.model[record] = grown
        elif known < grown:
            assert counts[:4] == ((), (memory.id,), 0, 0)
            self.model[record] = grown
        else:
            assert counts[:4] == ((), (), 1, 0)

    @rule(record=st.integers(0, 3))
    def delete(self, record: int) -> None:
        with self.database.write() as connection:
            assert rows.delete(connection, [version(record, 0).id]) == (record in self.model)
        if (known := self.model.pop(record, None)) is not None:
            self.forgotten.add(record)
            if len(VERSIONS[known]) >= MIN_UNIQUE_LENGTH:
                self.texts.add((record % 2, known))

    @rule(record=st.integers(0, 3))
    def deactivate(self, record: int) -> None:
        with self.database.write() as connection:
            rows.deactivate(connection, [version(record, 0).id])

    @invariant()
    def agrees(self) -> None:
        with self.database.read() as connection:
            check_consistent(connection)
            found = {identity: text for identity, _, text, _, _ in contents(connection)}
        assert found == {version(r, g).id: version(r, g).text for r, g in self.model.items()}

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()


def test_rows_agree_with_a_dictionary_after_any_actions() -> None:
    run_state_machine_as_test(StoredRows, settings=settings(max_examples=40, stateful_step_count=20, deadline=None))


@given(st.lists(st.tuples(st.text(), st.text()), min_size=2, max_size=2, unique=True))
def test_different_records_have_different_ids(pairs: list[tuple[str, str]]) -> None:
    (source_a, key_a), (source_b, key_b) = pairs
    if f"{source_a}\0{key_a}" != f"{source_b}\0{key_b}":
        assert memory_id(source_a, key_a) != memory_id(source_b, key_b)
    assert memory_id(source_a, key_a) == memory_id(source_a, key_a)


def test_an_id_is_32_hex_digits_whatever_the_key() -> None:
    assert memory_id("claude-code", "a") == memory_id("claude-code", "a")
    assert len(memory_id("x", "lone \ud800 surrogate")) == 32
