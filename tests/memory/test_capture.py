"""Offset and rows are one transaction: a kill at any moment loses nothing and repeats nothing."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from memento.base.identity import memory_id
from memento.memory import NewMemory
from memento.storage import capture, sources
from memento.storage.capture import Batch
from memento.storage.database import Database
from memento.storage.sources import Defect, LedgerKey, SessionTitle, SourceState, Tally

STORED = LedgerKey("stored", "test")
KILLS = 25

READER = """
import random, sys
from pathlib import Path
from memento.base.identity import memory_id
from memento.memory import NewMemory
from memento.storage import capture, sources
from memento.storage.capture import Batch
from memento.storage.database import Database
from memento.storage.sources import LedgerKey, SourceState, Tally

database = Database(Path(sys.argv[1]))
rng = random.Random(int(sys.argv[2]))
print("reading", flush=True)
while True:
    with database.read() as connection:
        known = sources.find(connection, "transcript", 0, 0)
    start = known.offset if known else 0
    end = start + rng.randint(1, 40)
    rows = [NewMemory(memory_id("test", str(n)), f"record {n} " * 20, n, "test") for n in range(start, end)]
    ledger = {LedgerKey("stored", "test"): Tally(end - start, end - start)}
    counts = capture.commit(database, Batch(SourceState("transcript", "test", offset=end), rows, ledger))
    assert len(counts.stored) == end - start, counts
"""


def test_offset_and_rows_agree_after_every_kill(tmp_path: Path) -> None:
    """A record's number is its offset, so that offset n stands for exactly the records 0 .. n-1."""
    path, seed = tmp_path / "store.db", 20261122
    rng = random.Random(seed)
    offset = 0
    for kill in range(KILLS):
        child = subprocess.Popen(
            [sys.executable, "-c", READER, str(path), str(kill)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert child.stdout
        assert child.stdout.readline() == b"reading\n", child.communicate()
        time.sleep(rng.uniform(0.0, 0.05))
        child.send_signal(signal.SIGKILL)
        _, error = child.communicate()
        assert b"Error" not in error, error.decode()
        database = Database(path)
        with database.read() as connection:
            known = sources.find(connection, "transcript", 0, 0)
            numbers = [n for (n,) in connection.execute("SELECT timestamp FROM memories ORDER BY timestamp")]
            ledger = connection.execute("SELECT sum(messages), sum(bytes) FROM ledger").fetchone()
            assert connection.pragma("quick_check") == "ok"
        database.close()
        before, offset = offset, known.offset if known else 0
        assert offset >= before, f"seed {seed}"
        assert numbers == list(range(offset)), f"seed {seed}, kill {kill}"
        assert ledger == ((offset, offset) if offset else (None, None))
    assert offset > 100


def state(path: str, offset: int, **fields: object) -> SourceState:
    return SourceState(path, "test", offset=offset, **fields)  # type: ignore[arg-type]


def test_a_batch_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.db")
    good = NewMemory(memory_id("test", "1"), "one", 1, "test")
    bad = replace(good, id=memory_id("test", "2"), meta={"no": object()})
    with pytest.raises(TypeError, match="JSON serializable"):
        capture.commit(database, Batch(state("a", 10), [good, bad], {STORED: Tally(2, 10)}))
    with database.read() as connection:
        for table in ("memories", "sources", "ledger"):
            assert connection.execute(f"SELECT count(*) FROM {table}").get == 0
    assert capture.commit(database, Batch(state("a", 10), [good], {STORED: Tally(1, 10)})).stored == (good.id,)
    database.close()


def test_ledger_adds_up_and_a_restart_voids_it(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.db")
    defect = Defect(4, 2, "broken_json", "{")

    def ledger() -> list[tuple[object, ...]]:
        with database.read() as connection:
            return connection.execute("SELECT outcome, messages, bytes FROM ledger").fetchall()

    capture.commit(database, Batch(state("a", 10), ledger={STORED: Tally(1, 10)}, defects=[defect]))
    capture.commit(database, Batch(state("a", 30), ledger={STORED: Tally(2, 20)}, defects=[defect]))
    assert ledger() == [("stored", 3, 30)]
    with database.read() as connection:
        assert [(q.path, q.offset, q.sample) for q in sources.quarantined(connection, 9)] == [("a", 4, "{")]
    capture.commit(database, Batch(state("a", 5), ledger={STORED: Tally(1, 5)}, restart=True))
    assert ledger() == [("stored", 1, 5)]
    with database.read() as connection:
        assert sources.quarantined(connection, 9) == []
    database.close()


def test_a_renamed_source_keeps_its_account(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.db")
    capture.commit(database, Batch(state("old", 10, device=1, inode=7), ledger={STORED: Tally(1, 10)}))
    capture.commit(database, Batch(state("new", 3), ledger={STORED: Tally(1, 3)}))
    with database.read() as connection:
        found = sources.find(connection, "elsewhere", 1, 7)
    assert found is not None
    assert found.path == "old"
    renamed = Batch(state("new", 20, device=1, inode=7), ledger={STORED: Tally(1, 10)}, renamed_from="old")
    capture.commit(database, renamed)
    with database.read() as connection:
        assert connection.execute("SELECT path, messages, ledger.bytes FROM sources JOIN ledger").fetchall() == [
            ("new", 2, 20)
        ]
    capture.commit(database, Batch(state("new", 25), ledger={STORED: Tally(1, 5)}, renamed_from="new"))
    with database.read() as connection:
        assert connection.execute("SELECT bytes FROM ledger").fetchall() == [(25,)]
    database.close()


def test_an_incomplete_last_line_is_quarantined_only_until_the_next_read(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.db")
    capture.commit(database, Batch(state("a", 10), defects=[Defect(10, 3, sources.INCOMPLETE_LINE, '{"a')]))
    with database.read() as connection:
        assert len(sources.quarantined(connection, 9)) == 1
    capture.commit(database, Batch(state("a", 20)))
    with database.read() as connection:
        assert sources.quarantined(connection, 9) == []
    database.close()


def test_of_two_titles_the_higher_rank_stays(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.db")
    for title, rank in (("prompt", 1), ("summary", 3), ("later prompt", 1), ("later summary", 3)):
        capture.commit(database, Batch(state("a", 1), titles=[SessionTitle("claude-code", "s", title, rank)]))
    with database.read() as connection:
        assert connection.execute("SELECT title FROM sessions").fetchall() == [("later summary",)]
    database.close()
