"""Bar 8: flipped bits, zeroed pages, torn sectors: one examination finds what changes an answer, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from memento.base.identity import memory_id
from memento.config import load_config
from memento.health import INTEGRITY_CHECKS, CheckContext, run_checks
from memento.memory import NewMemory
from memento.storage import integrity, snapshot, vectors
from memento.storage.capture import Batch
from memento.store import MemoryStore

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar

PAGE, SECTOR = 4096, 512
WORDS = "harbour lighthouse anchor pier keeper lamp green barrel rope tide storm sail".split()
ANSWER = (
    "SELECT num, id, text, timestamp, source, session_id, role, speaker, trust, importance, tags, collection, project, "
    "meta, embedding FROM memories ORDER BY num"
)


@pytest.fixture
def sound(bar: Bar, tmp_path: Path) -> Path:
    """A store of 300 embedded memories, closed."""
    path = tmp_path / "sound.db"
    with MemoryStore(path, config=load_config({}, {"MEMENTO_HOME": str(tmp_path)})) as store:
        rows = [
            NewMemory(memory_id("t", str(n)), _text(bar), n, "t", "s", tags=tuple(bar.rng.sample(WORDS, 2)))
            for n in range(300)
        ]
        store.commit(Batch(None, rows))
        _embed(store, bar)
    return path


def _text(bar: Bar) -> str:
    return " ".join(bar.rng.choices(WORDS, k=bar.rng.randrange(5, 200)))


def _embed(store: MemoryStore, bar: Bar) -> None:
    import numpy as np

    generator = np.random.default_rng(bar.seed)
    with store.database.write() as connection:
        waiting = vectors.pending_texts(
            connection, [row.num for row in vectors.pending_rows(connection, "random@1", 300)]
        )
        made = [(row, generator.standard_normal(384).astype(np.float32).tobytes()) for row in waiting]
        vectors.write(connection, "random@1", made)


def answers(path: Path) -> list[Any]:
    """Return every row, what each word finds, and what each tag filters."""
    with snapshot.closing(snapshot.open_copy(path)) as connection:
        found: list[Any] = list(connection.execute(ANSWER))
        for word in WORDS:
            found += connection.execute("SELECT rowid FROM memories_fts WHERE memories_fts MATCH ?", (word,)).fetchall()
            found += connection.execute("SELECT num FROM memory_tags WHERE tag = ?", (word,)).fetchall()
        found += connection.execute("SELECT id FROM memories WHERE timestamp > 150 ORDER BY timestamp").fetchall()
        found += connection.execute("SELECT id FROM memories WHERE session_id = 's' ORDER BY id").fetchall()
    return found


def is_found(path: Path) -> bool:
    """Tell whether an examination finds the file damaged."""
    try:
        with snapshot.closing(snapshot.open_copy(path)) as connection:
            if integrity.check_structure(connection):
                return True
            scan = integrity.check_rows(connection)
            if scan.damaged or scan.unsound:
                return True
            return bool(
                integrity.check_fulltext(connection)
                + integrity.check_tags(connection)
                + integrity.check_references(connection)
            )
    except Exception:
        return True


def _flip(bar: Bar, content: bytearray) -> None:
    content[bar.rng.randrange(len(content))] ^= 1 << bar.rng.randrange(8)


def _zero_page(bar: Bar, content: bytearray) -> None:
    start = bar.rng.randrange(len(content) // PAGE) * PAGE
    content[start : start + PAGE] = bytes(PAGE)


def _tear_sector(bar: Bar, content: bytearray) -> None:
    start = bar.rng.randrange(len(content) // SECTOR) * SECTOR
    content[start : start + SECTOR] = bar.rng.choice((bytes(SECTOR), bar.rng.randbytes(SECTOR)))


@pytest.mark.parametrize(
    ("name", "small", "damage"),
    [("BIT_FLIPS", 100, _flip), ("ZEROED_PAGES", 20, _zero_page), ("TORN_SECTORS", 20, _tear_sector)],
)
def test_damage_that_changes_an_answer_is_found(
    bar: Bar, sound: Path, name: str, small: int, damage: Callable[[Bar, bytearray], None], tmp_path: Path
) -> None:
    count = bar.count(f"MEMENTO_{name}", small)
    before, clean = answers(sound), sound.read_bytes()
    changed = 0
    for number in range(count):
        content = bytearray(clean)
        damage(bar, content)
        path = tmp_path / "damaged.db"
        path.write_bytes(content)
        try:
            same = answers(path) == before
        except Exception:
            same = False
        if not same:
            changed += 1
            assert is_found(path), f"number {number} changed an answer and was not found"
    assert changed > 0
    bar.measured(f"{count:,} x {name.lower().replace('_', ' ')}: {changed:,} changed answers, all found")


def test_a_sound_store_is_never_called_damaged(bar: Bar, sound: Path, tmp_path: Path) -> None:
    checks = bar.count("MEMENTO_CLEAN_CHECKS", 30)
    path = tmp_path / "used.db"
    shutil.copy(sound, path)
    with MemoryStore(path, config=load_config({}, {"MEMENTO_HOME": str(tmp_path)})) as store:
        for number in range(checks):
            row = NewMemory(memory_id("t", str(1_000 + number % 50)), "more " * bar.rng.randrange(1, 400), number, "t")
            store.commit(Batch(None, [row]))
            if bar.rng.random() < 0.3:
                _embed(store, bar)
            if bar.rng.random() < 0.1:
                store.delete(bar.rng.choice(store.get_recent(100)).id)
            found = [
                one.text
                for one in run_checks(CheckContext(store.database, store.config), INTEGRITY_CHECKS)
                if one.level != "ok"
            ]
            assert found == []
    bar.measured(f"{checks:,} examinations of a sound store: 0 false alarms")


def test_what_sqlite_itself_would_find(bar: Bar, sound: Path, tmp_path: Path) -> None:
    """The reason for the hashes: a flipped bit in a text is not seen by SQLite's own check."""
    content = sound.read_bytes()
    where = content.index(b"lighthouse anchor")
    path = tmp_path / "damaged.db"
    path.write_bytes(content[:where] + b"lighthoUse" + content[where + 10 :])
    with snapshot.closing(apsw.Connection(str(path))) as connection:
        assert connection.execute("PRAGMA quick_check").get == "ok"
    assert is_found(path)
