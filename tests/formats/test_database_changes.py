"""What the mark of a database does not show: rows imported, replaced or stamped wrongly, found by comparison."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from memento.config import Config, Settings
from memento.store import MemoryStore
from memento_ingest.batch_ingest import Ingestion, Options
from memento_ingest.formats.goose.database import Goose
from memento_ingest.formats.opencode.database import OpenCode
from memento_ingest.formats.shared.database import row_digests
from memento_ingest.formats.shared.database.row_digests import GROUPS, RowDigests, next_comparison, row_digest
from memento_ingest.report import Report
from memento_ingest.sidecar.capture import CaptureWorker
from memento_ingest.sidecar.sweep import Sweep
from memento_ingest.span import LOOK_AGAIN, SourceInfo
from memento_policies import load_policy

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

HOUR = 3_600_000
T0 = 1767225600000
FACT = "We decided that the harbour opens gate {0} at noon; remember gate {0}."
SCHEMA = """
CREATE TABLE session(id text primary key, parent_id text, directory text, title text);
CREATE TABLE message(id text primary key, session_id text, time_created integer, time_updated integer, data text);
CREATE TABLE part(id text primary key, message_id text, session_id text, time_created integer, time_updated integer,
                  data text);
INSERT INTO session VALUES ('s', NULL, '/w', 'T');
INSERT INTO message VALUES ('m', 's', 1, 1, '{"role":"user"}');
"""


def now() -> int:
    return time.time_ns() // 1_000_000


class OpenCodeDb:
    """opencode's database."""

    def __init__(self, path: Path, schema: str = SCHEMA) -> None:
        self.path = path
        self.connection = apsw.Connection(str(path))
        self.connection.execute(schema)

    def add(self, *numbers: int, at: Any = T0, text: str = FACT, rowid: int | None = None) -> None:
        with self.connection:
            for number in numbers:
                data = json.dumps({"type": "text", "text": text.format(number)})
                self.connection.execute(
                    "INSERT INTO part(rowid, id, message_id, session_id, time_created, time_updated, data) "
                    "VALUES (?, ?, 'm', 's', ?, ?, ?)",
                    (rowid, f"p{number:06}", T0, at, data),
                )

    def complete(self, *numbers: int, at: Any) -> None:
        with self.connection:
            for number in numbers:
                data = json.dumps({"type": "text", "text": FACT.format(number)})
                row = (data, at, f"p{number:06}")
                self.connection.execute("UPDATE part SET data = ?, time_updated = ? WHERE id = ?", row)


class Followed:
    """A store, runs of `ingest`, and the sidecar's worker over one folder."""

    def __init__(self, home: Path, watched: Path) -> None:
        self.policy, self.watched = load_policy(), watched
        self.store = MemoryStore(home / "memory.db", config=Config(Settings(), home))
        sweep = Sweep([watched], lambda path: path.suffix in (".db", ".vscdb", ".sqlite"))
        self.worker = CaptureWorker(Ingestion(self.policy, Options(live=True), self.store), sweep, lambda _: None)

    def ingest(self) -> Report:
        return Ingestion(self.policy, Options(), self.store).run([str(self.watched)])

    def look(self) -> None:
        self.worker.add(self.worker.sweep.changed())
        while self.worker.step():
            pass
        assert self.worker.problems == {}

    def numbers(self) -> set[int]:
        texts = [memory.text for memory in self.store.get_recent(100_000)]
        assert len(texts) == len(set(texts))
        return {number for number in range(400) if FACT.format(number) in texts}


@pytest.fixture
def db(tmp_path: Path) -> OpenCodeDb:
    (tmp_path / "watched").mkdir()
    return OpenCodeDb(tmp_path / "watched" / "opencode.db")


@pytest.fixture
def followed(tmp_path: Path, db: OpenCodeDb, monkeypatch: pytest.MonkeyPatch) -> Iterator[Followed]:
    """Comparisons are due 0.1 s after the last one."""
    monkeypatch.setattr(row_digests, "COMPARE_EVERY_MS", 100)
    monkeypatch.setattr(row_digests, "COMPARE_SHARE", 1e9)
    (tmp_path / "home").mkdir()
    made = Followed(tmp_path / "home", db.path.parent)
    yield made
    made.store.close()


def read(followed: Followed, how: str) -> None:
    """Read what changed: by `ingest`, or by the sidecar, whose first look may find the comparison not due yet."""
    if how == "ingest":
        followed.ingest()
        return
    followed.look()
    time.sleep(0.15)
    followed.look()


WAYS = pytest.mark.parametrize("how", ["ingest", "watch"])


@WAYS
def test_rows_imported_before_the_mark_are_read(followed: Followed, db: OpenCodeDb, how: str) -> None:
    db.add(*range(100, 130), at=now())
    read(followed, how)
    for number in range(15):
        db.add(number, at=T0 - HOUR, rowid=-number)
    read(followed, how)
    assert followed.numbers() == {*range(15), *range(100, 130)}


@WAYS
@pytest.mark.parametrize("keeps_inode", [True, False])
def test_a_database_replaced_in_place_is_read(
    followed: Followed, db: OpenCodeDb, tmp_path: Path, how: str, keeps_inode: bool
) -> None:
    db.add(*range(100, 130), at=now())
    read(followed, how)
    db.connection.close()
    other = OpenCodeDb(tmp_path / "other")
    other.add(*range(20), at=T0 - HOUR)
    other.connection.close()
    if keeps_inode:
        db.path.write_bytes(other.path.read_bytes())
    else:
        other.path.replace(db.path)
    read(followed, how)
    assert followed.numbers() == {*range(20), *range(100, 130)}


@WAYS
@pytest.mark.parametrize("stamp", [HOUR, 20 * 365 * 24 * HOUR, "seconds", "text", "none", "negative"])
def test_a_row_with_a_wrong_time_hides_no_other(followed: Followed, db: OpenCodeDb, how: str, stamp: Any) -> None:
    wrong = {"seconds": now() // 1000, "text": "2026-01-01T00:00:00Z", "none": None, "negative": -HOUR}
    db.add(1, at=wrong.get(stamp) if isinstance(stamp, str) else now() + stamp)
    db.add(*range(2, 7), at=now(), text="We decided")
    read(followed, how)
    db.complete(*range(2, 7), at=now())
    read(followed, how)
    assert followed.numbers() == set(range(1, 7))
    for number in range(10, 15):  # also rows that are themselves stamped so
        db.add(number, at=wrong.get(stamp) if isinstance(stamp, str) else now() + stamp, text="We decided")
    read(followed, how)
    db.complete(*range(10, 15), at=wrong.get(stamp) if isinstance(stamp, str) else now() + stamp)
    read(followed, how)
    assert followed.numbers() == {*range(1, 7), *range(10, 15)}


def test_the_sidecar_finds_what_is_completed_beside_a_row_ahead_at_once(
    followed: Followed, db: OpenCodeDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_digests, "COMPARE_EVERY_MS", HOUR)
    db.add(1, at=now() + HOUR)
    db.add(*range(2, 7), at=now(), text="We decided")
    followed.look()
    db.complete(*range(2, 7), at=now())
    followed.look()
    assert followed.numbers() == set(range(1, 7))


def test_a_clock_set_back_hides_nothing(followed: Followed, db: OpenCodeDb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_digests, "COMPARE_EVERY_MS", HOUR)
    ahead = now() + 10 * HOUR
    for module in ("row_changes", "row_digests"):
        monkeypatch.setattr(f"memento_ingest.formats.shared.database.{module}.now_ms", lambda: ahead)
    db.add(*range(5), at=ahead, text="We decided")
    followed.look()
    for module in ("row_changes", "row_digests"):
        monkeypatch.setattr(f"memento_ingest.formats.shared.database.{module}.now_ms", now)
    db.complete(*range(5), at=now())
    followed.look()
    assert followed.numbers() == set(range(5))


def test_a_comparison_that_is_due_later_comes_though_nothing_changes(
    followed: Followed, db: OpenCodeDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_digests, "COMPARE_EVERY_MS", 3_000)
    db.add(*range(100, 110), at=now())
    followed.look()
    db.add(200, at=now())
    for number in range(5):
        db.add(number, at=T0, rowid=-number)
    followed.look()
    assert followed.worker.sweep.again, "it is remembered that a comparison is to come"
    assert followed.worker.sweep.changed() == []
    time.sleep(3)
    followed.look()
    assert followed.numbers() == {*range(5), *range(100, 110), 200}
    assert followed.worker.sweep.again == {}


def test_ingest_compares_what_a_sidecar_that_was_stopped_did_not(
    followed: Followed, db: OpenCodeDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_digests, "COMPARE_EVERY_MS", HOUR)
    db.add(*range(100, 110), at=now())
    followed.look()
    for number in range(5):
        db.add(number, at=T0, rowid=-number)
    followed.look()
    assert followed.ingest().stored == 5
    assert followed.ingest().stored == 0


def test_few_rows_are_read_again_for_one_that_changed(reading: Reading, db: OpenCodeDb) -> None:
    db.add(*range(5_000), at=T0)
    _, mark = reading.database(OpenCode(), db.path)
    assert reading.database(OpenCode(), db.path, mark)[0] == []
    db.connection.execute("UPDATE part SET data = replace(data, 'noon', 'nine') WHERE id = 'p000777'")
    spans, mark = reading.database(OpenCode(), db.path, mark)
    assert 1 <= len(spans) <= 5_000 / GROUPS * 5
    assert reading.database(OpenCode(), db.path, mark)[0] == []


def test_new_numbers_are_no_change(reading: Reading, db: OpenCodeDb) -> None:
    db.add(*range(500), at=T0)
    db.connection.execute("DELETE FROM part WHERE rowid % 2")
    _, mark = reading.database(OpenCode(), db.path)
    db.connection.execute(  # as a dump that is loaded gives them, and VACUUM may
        "CREATE TEMP TABLE copy AS SELECT * FROM part; DELETE FROM part; INSERT INTO part SELECT * FROM copy"
    )
    assert db.connection.execute("SELECT max(rowid) FROM part").get == 250
    spans, mark = reading.database(OpenCode(), db.path, mark)
    assert spans == []
    db.add(900, at=T0)
    assert len(reading.messages(reading.database(OpenCode(), db.path, mark)[0])) == 1


def test_a_part_is_read_again_when_its_message_or_title_comes_later(reading: Reading, db: OpenCodeDb) -> None:
    db.connection.execute("DELETE FROM message; UPDATE session SET title = ''")
    db.add(1)
    spans, mark = reading.database(OpenCode(), db.path)
    assert reading.messages(spans) == []
    db.connection.execute("""INSERT INTO message VALUES ('m', 's', 1, 1, '{"role":"user"}')""")
    spans, mark = reading.database(OpenCode(), db.path, mark)
    assert reading.said(spans) == [("user", FACT.format(1))]
    db.connection.execute("UPDATE session SET title = 'Gates'")
    spans, mark = reading.database(OpenCode(), db.path, mark)
    assert {title.text for span in spans for title in span.titles} == {"Gates"}


def test_a_session_described_later_gets_its_title(reading: Reading, tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "sessions.db"))
    connection.execute("CREATE TABLE sessions(id text primary key, name text, working_dir text)")
    connection.execute("CREATE TABLE messages(id integer primary key, session_id text, role text, content_json text)")
    connection.execute("""INSERT INTO messages VALUES (1, 's', 'user', '[{"type":"text","text":"hi"}]')""")
    spans, mark = reading.database(Goose(), tmp_path / "sessions.db")
    assert reading.said(spans) == [("user", "hi")]
    connection.execute("INSERT INTO sessions VALUES ('s', 'Greeting', '/w')")
    spans, mark = reading.database(Goose(), tmp_path / "sessions.db", mark)
    assert {title.text for span in spans for title in span.titles} == {"Greeting"}
    assert reading.database(Goose(), tmp_path / "sessions.db", mark)[0] == []


def test_a_state_without_digests_has_all_read_again(reading: Reading, db: OpenCodeDb) -> None:
    """A mark of the version before: what it missed is found."""
    db.add(*range(5))
    _, mark = reading.database(OpenCode(), db.path)
    old = {"part": {"rowid": 5, "id": "p000004", "updated": T0}}
    spans, mark = reading.database(OpenCode(), db.path, mark._replace(state=old))
    assert len(reading.messages(spans)) == 5
    for broken in ([], [1] * 3, ["x"] * GROUPS, None):
        state = {"part": {**mark.state["part"], "digests": broken}}
        assert len(reading.messages(reading.database(OpenCode(), db.path, mark._replace(state=state))[0])) == 5


def test_a_damaged_database_that_is_followed_is_not_compared_at_every_write(reading: Reading, db: OpenCodeDb) -> None:
    db.add(*range(2_000), at=T0)
    _, mark = reading.database(OpenCode(), db.path)
    (size,) = db.connection.execute("PRAGMA page_size").fetchone() or (0,)
    db.connection.close()
    data = bytearray(db.path.read_bytes())
    page = data.rfind(b"harbour", 0, len(data) // 2) // size * size
    data[page : page + 100] = b"\xff" * 100
    db.path.write_bytes(data)
    spans, after = reading.database(OpenCode(), db.path, mark)
    assert spans[-1].defect == "damaged_database"
    assert reading.messages(spans)
    assert after.state["part"]["digests"] == mark.state["part"]["digests"]
    assert next_comparison(after.state["part"]) > now()


def test_a_session_left_out_is_read_when_it_is_captured_again(followed: Followed, db: OpenCodeDb) -> None:
    followed.store.ignore("session", "s")
    db.add(*range(5))
    followed.ingest()
    assert followed.numbers() == set()
    followed.store.unignore("session", "s")
    followed.ingest()
    assert followed.numbers() == set(range(5))


def test_two_databases_are_kept_apart(followed: Followed, db: OpenCodeDb) -> None:
    other = OpenCodeDb(db.path.with_name("opencode-dev.db"))
    db.add(*range(5))
    other.add(*range(3, 9))
    followed.look()
    for number in range(20, 25):
        other.add(number, at=T0, rowid=-number)
    read(followed, "watch")
    assert followed.numbers() == {*range(9), *range(20, 25)}


def test_the_state_is_small_and_holds_no_text(followed: Followed, db: OpenCodeDb) -> None:
    db.add(*range(3_000))
    followed.ingest()
    known = followed.store.source(str(db.path))
    assert known is not None
    text = json.dumps(dict(known.state))
    assert len(text) < 16_000
    assert "p00" not in text
    assert LOOK_AGAIN not in known.state


def test_what_waits_is_counted_in_rows(reading: Reading, db: OpenCodeDb) -> None:
    def waiting(live: bool) -> int:
        return OpenCode().reader(SourceInfo("opencode.db", str(db.path), live=live), mark).waiting()

    db.add(*range(100), at=now() - HOUR)
    _, mark = reading.database(OpenCode(), db.path)
    assert (waiting(live=True), waiting(live=False)) == (0, 0)
    db.add(100, 101, at=now())
    db.complete(5, at=now())
    assert (waiting(live=True), waiting(live=False)) == (3, 2)
    db.add(102, at=T0, rowid=-1)
    assert (waiting(live=True), waiting(live=False)) == (3, 3)


def test_digests_go_by_content_and_not_by_order() -> None:
    one, two = RowDigests(), RowDigests()
    for key in ("a", "b", "c"):
        one.add(key, row_digest([key.encode(), None]))
    for key in ("c", "a", "b"):
        two.add(key, row_digest([key.encode(), None]))
    assert one.differing(two) == frozenset()
    two.add("b", row_digest([b"b", b""]))
    assert len(one.differing(two)) == 1
    assert row_digest([b"ab", b"c"]) != row_digest([b"a", b"bc"])
    assert row_digest([None]) != row_digest([b""])
