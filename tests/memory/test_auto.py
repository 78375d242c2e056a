"""AutoMemory: every message is offered, the policy decides, and a store that cannot be written loses nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from memento import AutoMemory, MemoryStore
from memento.base.identity import memory_id
from memento.errors import StoreError, UsageError
from memento.memory import NewMemory
from memento.storage import meta
from memento.storage.meta import JournalPosition
from memento.writes.journal import Write, append, journal_path, replay, trim

FACT = "We decided to deploy on Thursdays only, because the on-call team is complete then."
TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3


def broken(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"this is no database" * 100)


def lines(path: Path) -> list[str]:
    return journal_path(path).read_text("utf-8").splitlines()[1:]


def memory(number: int) -> NewMemory:
    return NewMemory(memory_id("test", str(number)), f"note {number}", 1000 + number, "test", tags=("a", "b"))


def test_kept_skipped_and_repeated(tmp_path: Path) -> None:
    with AutoMemory(tmp_path / "store.db", session_id="s", project="/p", source="my-agent") as agent:
        kept = agent.observe(FACT, timestamp=1_750_000_000, meta={"speaker": "Ana", "turn": 3})
        assert (kept.kept, kept.deferred) == (True, False)
        skipped = agent.observe("ok")
        assert (skipped.kept, skipped.id) == (False, "")
        assert skipped.decision.reason
        assert agent.observe(FACT).id == kept.id
        assert agent.observe(FACT, role="assistant").id != kept.id
        grown = agent.observe(FACT, key="m1").id
        assert agent.observe(FACT + " And never on Fridays.", key="m1").id == grown
        stored = agent.store.get(kept.id)
        assert stored is not None
        assert (stored.timestamp, stored.session_id, stored.project) == (1_750_000_000_000, "s", "/p")
        assert (stored.speaker, stored.meta, stored.collection) == ("Ana", {"turn": 3}, "episodic")
        assert agent.store.stats().memories == 3
        with pytest.raises(UsageError, match="role is one of"):
            agent.observe(FACT, role="boss")


def test_what_people_said_in_earlier_sessions_is_no_news(tmp_path: Path) -> None:
    news = "We adopted two kittens called Luna and Oliver from the shelter in Rotterdam."
    weights = []
    for session, speaker in (("1", "Ana"), ("2", "Ben"), ("3", "Ana")):
        with AutoMemory(tmp_path / "store.db", session_id=session) as people:
            weights.append(people.observe(news, meta={"speaker": speaker}).decision.importance)
    assert weights[1] == weights[0] > weights[2]


def test_a_resumed_session_goes_on_where_it_was(tmp_path: Path) -> None:
    said = [
        ("Ben", "Where did you buy your violin last summer?"),
        ("Ana", "In a little shop in Cremona."),
        ("Ben", FACT),
    ]
    weights: list[list[float]] = [[], []]
    with AutoMemory(tmp_path / "whole.db", session_id="s") as whole:
        for speaker, text in said:
            weights[0].append(whole.observe(text, meta={"speaker": speaker}).decision.importance)
    for speaker, text in said:
        with AutoMemory(tmp_path / "parts.db", session_id="s") as part:
            weights[1].append(part.observe(text, meta={"speaker": speaker}).decision.importance)
    with MemoryStore(tmp_path / "store.db") as store:
        for speaker, text in said:
            store.remember(text, session_id="s", speaker=speaker)
        remembered = [memory.importance for memory in reversed(store.get_recent())]
    assert weights[0] == weights[1] == remembered


def test_a_store_that_cannot_be_opened_defers_to_a_private_redacted_log(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    broken(path)
    with AutoMemory(path) as agent:
        seen = agent.observe(f"{FACT} The token is {TOKEN}.", meta={"lone": "\ud800", "speaker": "Ana"})
    assert (seen.kept, seen.deferred) == (True, True)
    assert json.loads(lines(path)[0])["memory"]["id"] == seen.id
    assert TOKEN not in lines(path)[0]
    assert journal_path(path).stat().st_mode & 0o777 == 0o600
    path.unlink()
    with MemoryStore(path) as store:
        found = store.get(seen.id)
        assert found is not None
        assert "Thursdays" in found.text
        assert replay(store._database) == 0


def test_a_full_disk_defers_and_the_next_start_replays_once(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with AutoMemory(path) as agent:
        connection = agent.store._database.connection
        connection.execute(f"PRAGMA max_page_count = {connection.pragma('page_count')}")
        seen = [agent.observe(f"{FACT} {number} " + "and so on " * 500) for number in range(5)]
        assert seen[-1].deferred
        assert agent.store.recall("Thursdays").notes is not None
    for _ in range(2):
        with MemoryStore(path) as store:
            assert store.stats().memories == 5
            assert {item.id for item in seen} == {item.id for item in store.get_recent()}


def test_without_store_and_log_the_agent_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with AutoMemory(tmp_path / "file" / "store.db") as agent:
        with pytest.raises(StoreError, match=r"neither the store nor its journal .* can be written"):
            agent.observe(FACT)
        assert not agent.observe("ok").kept


def test_a_torn_line_is_quarantined_and_takes_nothing_with_it(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    log = journal_path(path)
    append(log, Write(memory(1)))
    whole = log.read_bytes()
    log.write_bytes(whole + whole[len(whole) // 3 : len(whole) // 2])  # killed while it wrote
    append(log, Write(memory(2)))
    with MemoryStore(path) as store:
        assert {item.text for item in store.get_recent()} == {"note 1", "note 2"}
        assert store.get_recent()[0].tags == ("a", "b")
        (defect,) = store.quarantined()
        assert (defect.path, defect.reason, defect.offset) == (str(log), "broken_json", len(whole))
        assert whole.decode().count(defect.sample.strip()) == 1
    log.write_bytes(whole[:50])  # torn at the end
    with MemoryStore(path) as store:
        assert len(store.quarantined()) == 2, "the torn line of a journal without a name"
        assert store.stats().memories == 2
        known = store.source(str(log))
        assert known is not None
        with store._database.read() as connection:
            assert connection.execute("SELECT sum(bytes) FROM ledger").get == known.offset


@pytest.mark.parametrize(
    "line",
    [
        b"not json", b"[]", b"{}", b"null", b'{"id": 5, "text": null}', b"\xff\xfe", b"\x00" * 40, b"[" * 100_000,
        b'{"id": "a", "text": "b", "timestamp": "now", "source": "x"}',
        b'{"id": "a", "text": "b", "timestamp": 1, "source": "x", "tags": [1]}',
        b'{"id": "a", "text": "b", "timestamp": 99999999999999999999999, "source": "x"}',
        b'{"id": "a", "text": "b", "timestamp": 1, "source": "x", "meta": {"a": ' + b"[" * 100_000,
    ],
    ids=lambda line: ascii(line[:30]),
)  # fmt: skip
def test_no_line_keeps_the_store_from_opening(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "store.db"
    append(journal_path(path), Write(memory(1)))
    with journal_path(path).open("ab") as log:
        log.write(line + b"\n")
    with MemoryStore(path) as store:
        assert [item.text for item in store.get_recent()] == ["note 1"]
        assert len(store.quarantined()) == 1


def test_a_log_that_cannot_be_read_does_not_keep_the_store_from_opening(tmp_path: Path) -> None:
    journal_path(tmp_path / "store.db").mkdir()
    with MemoryStore(tmp_path / "store.db") as store:
        assert store.remember("a note")


def test_replaying_again_repeats_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    append(journal_path(path), Write(memory(1)))
    with MemoryStore(path) as store:
        append(journal_path(path), Write(memory(1)))
        append(journal_path(path), Write(memory(2)))

        assert replay(store._database) == 2
        with store._database.write() as connection:  # as a kill before the commit would leave it
            meta.write_journal_position(connection, JournalPosition("", 0))
    with MemoryStore(path) as store:
        assert store.stats().memories == 2
        assert replay(store._database) == 0


APPEND = """
import sys
from pathlib import Path
from memento.base.identity import memory_id
from memento.writes.journal import Write, append, journal_path
from memento.memory import NewMemory

for number in range(int(sys.argv[2]), int(sys.argv[3])):
    text = f"note {number} " * 200
    append(journal_path(Path(sys.argv[1])), Write(NewMemory(memory_id("test", str(number)), text, number, "test")))
"""


def test_appending_and_replaying_at_once_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    ranges = [(0, 100), (100, 200), (200, 300)]
    writers = [subprocess.Popen([sys.executable, "-c", APPEND, str(path), str(low), str(high)]) for low, high in ranges]
    failures: list[BaseException] = []

    def reopen() -> None:
        try:
            while any(writer.poll() is None for writer in writers):
                MemoryStore(path).close()
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=reopen) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert failures == []
    with MemoryStore(path) as store:
        assert {item.timestamp for item in store.get_recent(1000)} == set(range(300))
        assert store.quarantined() == []
        assert replay(store._database) == 0


def test_a_journal_keeps_what_is_not_in_two_backups(tmp_path: Path) -> None:
    with MemoryStore(tmp_path / "store.db") as store:
        store.remember("The first note.")
        with store._database.read() as connection:
            first = meta.read_journal_position(connection)
        store.remember("The second note.")
        with store._database.read() as connection:
            second = meta.read_journal_position(connection)
        path = journal_path(store.path)
        assert len(lines(store.path)) == 2
        trim(path, [first._replace(journal="of another"), second])
        assert len(lines(store.path)) == 2
        trim(path, [first, second])
        assert len(lines(store.path)) == 1
        trim(path, [second])
        assert len(lines(store.path)) == 1, "the position is one of the journal before"
        store.remember("The third note.")
        assert replay(store._database) == 2
        assert {item.text for item in store.get_recent()} == {"The first note.", "The second note.", "The third note."}


def test_what_was_forgotten_stays_so_when_older_rows_come_back(tmp_path: Path) -> None:
    with MemoryStore(tmp_path / "store.db") as store:
        forgotten = store.remember("The safe opens with 1234.")
        store.remember("The safe is green.")
        store.delete(forgotten)
        store.ignore("session", "private")
        with store._database.write() as connection:  # as a backup from before would bring it back
            connection.execute("DELETE FROM tombstones; DELETE FROM ignored; DELETE FROM memories")
            meta.write_journal_position(connection, JournalPosition("", 0))
    with MemoryStore(tmp_path / "store.db") as store:
        assert [item.text for item in store.get_recent()] == ["The safe is green."]
        assert store.ignored().sessions == {"private"}
        store.remember("The safe opens with 1234.")
        assert store.stats().memories == 2, "saying it again lifts the tombstone"


def test_what_is_ignored_is_not_kept(tmp_path: Path) -> None:
    with MemoryStore(tmp_path / "store.db") as store:
        store.ignore("project", "/private")
        store.ignore("session", "s-9")
    for session, project, kept in (("s", "/private/deep", False), ("s-9", "/p", False), ("s", "/p", True)):
        with AutoMemory(tmp_path / "store.db", session_id=session, project=project) as agent:
            seen = agent.observe(FACT)
            assert (seen.kept, bool(seen.id), seen.decision.reason == "ignored") == (kept, kept, not kept)
