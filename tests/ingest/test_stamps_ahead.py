"""A stamp ahead of the clock, by every way in: clamped, flagged, never first in `recent`, never taken over."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from memento.auto import AutoMemory
from memento.base.identity import row_hash
from memento.base.times import MOST_AHEAD, now_ms, to_ms
from memento.config import load_config
from memento.curation.consolidation import consolidate
from memento.health import ENVIRONMENT_CHECKS, INTEGRITY_CHECKS, CheckContext, run_checks
from memento.memory import STATED_TIME, Memory
from memento.storage.capture import Batch
from memento.storage.rows import HASHED
from memento.store import MemoryStore
from memento.transfer.exporter import export
from memento.transfer.importer import merge

if TYPE_CHECKING:
    from tests.ingest.conftest import Ingest

GOOD: Final = "2026-03-04T10:00:00.000Z"
FUTURE: Final = (datetime.now(UTC) + timedelta(days=400)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
SAID: Final = (
    "We decided that the harbor service keeps its queue in Postgres.",
    "We decided that the lantern service gets its own database.",
    "We decided that the anchor service is written in Go.",
)
Record = dict[str, Any]


def _generic(text: str, stamp: str | None, number: int) -> Record:
    return {"role": "user", "content": text, **({"timestamp": stamp} if stamp else {})}


def _claude_code(text: str, stamp: str | None, number: int) -> Record:
    record = {"type": "user", "uuid": f"u{number}", "sessionId": "s", "message": {"role": "user", "content": text}}
    return {**record, "parentUuid": f"u{number - 1}" if number else None, **({"timestamp": stamp} if stamp else {})}


def _codex(text: str, stamp: str | None, number: int) -> Record:
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    return {"type": "response_item", "payload": message, **({"timestamp": stamp} if stamp else {})}


META: Final[Record] = {
    "timestamp": GOOD,
    "type": "session_meta",
    "payload": {"id": "s", "cwd": "/w", "timestamp": GOOD},
}
FORMATS: Final = {"generic-jsonl": _generic, "claude-code": _claude_code, "codex": _codex}


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("format_", FORMATS)
def test_the_messages_after_it_take_over_the_last_stamp_that_was_right(
    ingest: Ingest, tmp_path: Path, format_: str, at_once: bool
) -> None:
    """In one run, and in a run for each line, where the parser's state lies in the store between them."""
    path = tmp_path / "rollout-s.jsonl"
    stamps = (GOOD, FUTURE, None)
    records = [
        FORMATS[format_](text, stamp, number) for number, (text, stamp) in enumerate(zip(SAID, stamps, strict=True))
    ]
    lines = [json.dumps(record) + "\n" for record in ([META] if format_ == "codex" else []) + records]
    before = now_ms()
    for text in ["".join(lines)] if at_once else lines:
        with path.open("a") as file:
            file.write(text)
        ingest.run(path, format_=format_)
    found = {memory.text: memory for memory in ingest.store.get_recent(10)}
    first, second, third = (found[text] for text in SAID)
    assert first.timestamp == third.timestamp == to_ms(GOOD)
    assert before <= second.timestamp <= now_ms()
    assert second.meta[STATED_TIME] == to_ms(FUTURE)
    assert STATED_TIME not in first.meta
    assert STATED_TIME not in third.meta
    assert [memory.text for memory in ingest.store.get_recent(10)][-1] == second.text


def test_a_run_that_began_in_the_future_stamps_no_message(ingest: Ingest, tmp_path: Path) -> None:
    path = tmp_path / ".aider.chat.history.md"
    path.write_text(f"\n# aider chat started at {FUTURE[:19].replace('T', ' ')}\n\n#### {SAID[0]}\n\nIt is done.\n\n")
    os.utime(path, (1_750_000_000, 1_750_000_000))
    ingest.run(path)
    (memory,) = (one for one in ingest.store.get_recent(10) if one.role == "user")
    assert memory.timestamp == 1_750_000_000_000
    assert STATED_TIME not in memory.meta


def test_a_chat_that_was_begun_in_the_future_stamps_no_message(ingest: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "conversations.json"
    nodes = {
        "a": {"id": "a", "parent": None, "children": ["b"], "message": None},
        "b": {
            "id": "b",
            "parent": "a",
            "children": [],
            "message": {"id": "b", "author": {"role": "user"}, "content": {"content_type": "text", "parts": [SAID[0]]}},
        },
    }
    began = to_ms(FUTURE) / 1000
    chat = {"title": "t", "create_time": began, "mapping": nodes, "current_node": "b", "conversation_id": "c"}
    path.write_text(json.dumps([chat]))
    os.utime(path, (1_750_000_000, 1_750_000_000))
    ingest.run(path)
    (memory,) = ingest.store.get_recent(10)
    assert (memory.timestamp, STATED_TIME in memory.meta) == (1_750_000_000_000, False)


@pytest.mark.parametrize(
    "stamp",
    [
        FUTURE,
        to_ms(FUTURE) // 1000,
        to_ms(FUTURE),
        to_ms(FUTURE) * 1000,
        to_ms(FUTURE) * 1_000_000,
        str(to_ms(FUTURE)),
        FUTURE[:-5] + "-05:00",
        FUTURE[:19],
        FUTURE[:10],
        "9999-12-31T23:59:59Z",
        99_999_999_999_999,
    ],
    # Named, since the stamps depend on the time: workers that collect in another second must find the same tests.
    ids=["iso", "s", "ms", "us", "ns", "digits", "offset", "no-zone", "day", "last-year", "far-ms"],
)
def test_in_any_notation(ingest: Ingest, tmp_path: Path, stamp: str | int) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_text(json.dumps({"role": "user", "content": SAID[0], "timestamp": stamp}) + "\n")
    ingest.run(path)
    (memory,) = ingest.store.get_recent(10)
    assert memory.timestamp <= now_ms()
    assert memory.meta[STATED_TIME] > now_ms()


def test_a_clock_that_is_a_little_fast_is_not_ahead(store: MemoryStore) -> None:
    soon = now_ms() + MOST_AHEAD - 10_000
    memory = store.get(store.remember("The clock of the other machine is fast.", timestamp=soon, embed=False))
    assert memory is not None
    assert (memory.timestamp, STATED_TIME in memory.meta) == (soon, False)


def test_what_was_stored_while_the_clock_was_fast_is_not_first(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = now_ms() + 3650 * 86_400_000
    with monkeypatch.context() as clock:
        clock.setattr("memento.base.times.time.time_ns", lambda: later * 1_000_000)
        fast = store.remember("The lamp is blue.")
    right = store.remember("The lamp is green.")
    assert [memory.id for memory in store.get_recent(5)] == [right, fast]
    assert [memory.id for memory in store.get_recent(1)] == [right]
    with monkeypatch.context() as clock:  # a clock before 2020 judges no stamp
        clock.setattr("memento.base.times.time.time_ns", lambda: 10**18)
        assert [memory.id for memory in store.get_recent(5)] == [fast, right]


def test_written_by_a_program(tmp_path: Path) -> None:
    path, config = tmp_path / "memory.db", load_config({}, {"MEMENTO_HOME": str(tmp_path)})
    with AutoMemory(path, session_id="s", config=config) as agent:
        observed = agent.observe(SAID[0], timestamp=FUTURE).id
    with MemoryStore(path, config=config) as store:
        ids = [observed, store.remember(SAID[1], timestamp=to_ms(FUTURE), embed=False)]
        assert all(flagged(store.get(one)) for one in ids)
        store.remember("Said earlier.", timestamp="2020-05-05", embed=False)
        assert store.get_recent(1)[0].text == "Said earlier."
        assert store.stats().last == to_ms("2020-05-05")


def test_through_an_export(tmp_path: Path) -> None:
    """The flag goes along; a file of another program, or of an older version, is clamped on its way in."""
    config = load_config({}, {"MEMENTO_HOME": str(tmp_path)})
    with MemoryStore(tmp_path / "one.db", config=config) as store:
        store.remember(SAID[0], timestamp=FUTURE, embed=False)
        export(store, tmp_path / "out.jsonl")
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    changed = [_unclamped(line) for line in lines]
    (tmp_path / "old.jsonl").write_text("\n".join(changed) + "\n")
    for name in ("out", "old"):
        with MemoryStore(tmp_path / f"{name}.db", config=config) as store:
            merge(store, tmp_path / f"{name}.jsonl")
            (memory,) = store.get_recent(5)
            assert flagged(memory)


def _unclamped(line: str) -> str:
    value = json.loads(line)
    if "memory" in value:
        value["memory"] |= {"timestamp": to_ms(FUTURE), "meta": {}}
    return json.dumps(value)


def test_rows_of_an_older_version(store: MemoryStore) -> None:
    """Not first in `recent` before they are corrected, told by doctor, set right by consolidation."""
    old = store.remember(SAID[0], embed=False)
    make_unclamped(store, old, to_ms(FUTURE))
    store.remember(SAID[1], timestamp="2026-01-01", embed=False)
    assert [one.text for one in store.get_recent(2)] == [SAID[1], SAID[0]]
    assert advice(store, "stamps") == "`memento consolidate` sets it right"
    assert consolidate(store, dry_run=True).counts["clamp"] == 1
    assert store.get_recent(2)[1].timestamp == to_ms(FUTURE)
    assert consolidate(store).counts["clamp"] == 1
    corrected = store.get(old)
    assert flagged(corrected)
    assert corrected is not None
    assert corrected.meta[STATED_TIME] == to_ms(FUTURE)
    assert "clamp" not in consolidate(store).counts
    assert not [
        one for one in run_checks(CheckContext(store.database, store.config), INTEGRITY_CHECKS) if one.level != "ok"
    ]
    assert "set the clock" in advice(store, "stamps")


def test_none_is_nothing_to_tell(store: MemoryStore) -> None:
    store.remember(SAID[0], embed=False)
    assert advice(store, "stamps") == advice(store, "clock") == ""


def test_it_supersedes_nothing_and_is_superseded(store: MemoryStore) -> None:
    def said(text: str, when: str | int) -> str:
        return store.remember(text, timestamp=when, session_id=str(when), embed=False)

    first = said("The port is 5432.", "2026-01-01")
    wrong = said("The port is now 5433.", FUTURE)
    consolidate(store)
    assert [superseded(store, one) for one in (first, wrong)] == [None, None]
    second = said("The port is now 5434.", "2026-02-01")
    consolidate(store)
    assert [superseded(store, one) for one in (first, wrong, second)] == [second, None, None]
    last = said("The port is now 5435.", now_ms() + 60_000)
    consolidate(store)
    assert [superseded(store, one) for one in (first, wrong, second)] == [second, last, last]


def test_of_equal_texts_it_does_not_stand_for_the_others(store: MemoryStore) -> None:
    text = "The harbor service keeps its queue in Postgres, in a table of its own, and never in Redis."
    wrong = store.remember(text, timestamp=FUTURE, session_id="1", embed=False)
    right = store.remember(text, timestamp="2026-01-01", session_id="2", embed=False)
    consolidate(store)
    assert (superseded(store, wrong), superseded(store, right)) == (right, None)


def test_what_grows_stays_flagged(ingest: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    for text in (SAID[0], f"{SAID[0]} {SAID[1]}"):
        path.write_text(json.dumps({"id": "m1", "role": "user", "content": text, "timestamp": FUTURE}) + "\n")
        ingest.run(path)
        assert all(flagged(memory) for memory in ingest.store.get_recent(10))


def flagged(memory: Memory | None) -> bool:
    return memory is not None and STATED_TIME in memory.meta and memory.timestamp <= now_ms()


def superseded(store: MemoryStore, memory_id: str) -> str | None:
    memory = store.get(memory_id)
    assert memory is not None
    return memory.superseded_by


def advice(store: MemoryStore, check: str) -> str:
    found = run_checks(CheckContext(store.database, store.config), ENVIRONMENT_CHECKS)
    return next((one.advice for one in found if one.check == check), "")


def make_unclamped(store: MemoryStore, memory_id: str, timestamp: int) -> None:
    """Give a row the stamp that an older version would have stored."""
    with store.database.write() as connection:
        row = next(connection.execute(f"SELECT {', '.join(HASHED)} FROM memories WHERE id = ?", (memory_id,)))
        values = {**dict(zip(HASHED, row, strict=True)), "timestamp": timestamp}
        connection.execute(
            "UPDATE memories SET timestamp = ?, content_hash = ? WHERE id = ?",
            (timestamp, row_hash(values.values()), memory_id),
        )


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with MemoryStore(tmp_path / "memory.db", config=load_config({}, {"MEMENTO_HOME": str(tmp_path)})) as opened:
        opened.commit(Batch(None))
        yield opened
