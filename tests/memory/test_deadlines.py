"""A deadline holds wherever a recall waits: for the question's vectors, for the index, between its stages."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from memento.memory import NewMemory
from memento.search import recall as stages
from memento.search.ranking import evidence
from memento.search.read_back import read_back
from memento.storage.capture import Batch
from memento.storage.database import Database, DeadlineExceeded
from memento.storage.filters import Filter
from memento.store import MemoryStore

RowMaker = Callable[..., NewMemory]


@pytest.fixture
def tea(store: MemoryStore, row: RowMaker) -> MemoryStore:
    store.commit(Batch(None, [row(str(n), f"tea {n} with milk", session_id=f"s{n % 9}") for n in range(90)]))
    store.embed_pending()
    return store


def recalled(store: MemoryStore, query: str, **options: Any) -> float:
    """Return how long a recall took that must be partial, and hold what the words gave."""
    began = time.monotonic()
    found = store.recall(query, deadline=0.3, **options)
    assert found.partial
    assert len(found) == 10
    assert "the deadline of 0.3 s passed" in found.notes[-1]
    return time.monotonic() - began


def test_a_model_that_is_slow_to_embed_the_question(tea: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = tea._semantic._models.embedder(tea._semantic.model)
    embed, slow = embedder.embed, threading.Event()
    monkeypatch.setattr(embedder, "embed", lambda texts: (slow.wait(5), embed(texts))[1])
    assert recalled(tea, "tea of the morning") < 1
    slow.set()
    assert not tea.recall("tea of the evening").partial


def test_another_thread_that_holds_the_index(tea: MemoryStore) -> None:
    tea.recall("milk")  # its vectors are known from here on
    tea.remember("another tea, so that no answer is kept", embed=False)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with tea._semantic._lock:
            held.set()
            done.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(5)
    assert recalled(tea, "milk") < 1
    done.set()
    holder.join()


@pytest.mark.parametrize("explain", [True, False])
@pytest.mark.parametrize("stage", ["_read_question", "_by_meaning", "survey", "alike", "beside", "read", "arrange"])
def test_at_whatever_stage_it_passes_the_answer_is_whole(
    tea: MemoryStore, monkeypatch: pytest.MonkeyPatch, stage: str, explain: bool
) -> None:
    def passed(*_: Any, **__: Any) -> None:
        raise DeadlineExceeded

    monkeypatch.setattr(stages, stage, passed)
    found = tea.recall(f"tea with milk, {stage}", explain=explain, context=1)
    assert found.partial
    assert len(found) == 10
    ranked = stage in ("alike", "beside", "read", "arrange")
    assert [one.features is not None for one in found] == [explain and ranked] * 10
    if explain and ranked:
        check_sum(found)


def check_sum(found: Any) -> None:
    from math import exp

    from memento.search.ranking.weights import profiles

    for one in found:
        profile = profiles()["people" if one.memory.speaker else "agents"]
        total = sum(feature.value * feature.weight for feature in one.features.values())
        assert one.score == pytest.approx(1 / (1 + exp(-(profile.bias + profile.gain * total))), abs=1e-3)


def test_questions_whose_time_has_passed_are_not_embedded_any_more(
    tea: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = tea._semantic._models.embedder(tea._semantic.model)
    embed, go_on, begun = embedder.embed, threading.Event(), list[str]()

    def slow(texts: Any) -> Any:
        begun.extend(texts)
        go_on.wait(5)
        return embed(texts)

    monkeypatch.setattr(embedder, "embed", slow)
    for number in range(40):
        assert tea.recall(f"tea of day {number}", deadline=0.02).partial
    go_on.set()
    assert not tea.recall("tea of the evening").partial
    readings = 2 * max(2, os.cpu_count() or 1)
    assert len([text for text in begun if "day" in text]) <= readings


def test_of_many_results_only_some_are_looked_at_closely(tea: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = list[int]()

    def counted(database: Any, surveyed: Any, few: Any, *given: Any, **named: Any) -> Any:
        looked_at.append(len(few))
        return evidence.read(database, surveyed, few, *given, **named)

    monkeypatch.setattr(stages, "read", counted)
    monkeypatch.setattr(stages, "MOST_CLOSELY", 70)
    found = tea.recall("tea with milk", k=90, explain=True)
    assert len({one.id for one in found}) == 90
    assert 70 <= looked_at[0] < 90
    check_sum(found)


def test_results_are_read_back_for_a_moment_only(tea: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = read_back(tea.database, [5, 6], 3, time.monotonic() + 5, {}, Filter())
    assert whole.nums == [5, 6]
    assert [len(whole.before(5)), len(whole.after(5))] == [0, 3]
    with pytest.raises(DeadlineExceeded):
        next(read_back(tea.database, [5, 6], 3, time.monotonic() - 1, {}, Filter()))
    monkeypatch.setattr(stages, "READ_SECONDS", -10.0)
    found = tea.recall("tea with milk", deadline=5)
    assert found.partial
    assert len(found.notes) == 1


def test_a_passed_deadline_returns_what_there_is(store: MemoryStore, row: RowMaker) -> None:
    store.commit(Batch(None, [row(str(n), f"tea {n} " * 20) for n in range(500)]))
    store.embed_pending()
    for deadline in (0.0, 1e-9, -1.0):
        found = store.recall("tea", deadline=deadline)
        assert found.partial
        assert "the deadline of" in found.notes[-1]
        assert found.seconds < 1
    found = store.recall("tea", deadline=5)
    assert not found.partial
    assert found[0].dense is not None
    assert store.remember("the connection still works")


def test_a_slow_query_is_stopped_by_sqlite_and_the_connection_goes_on(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.db")
    endless = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded), database.read(started + 0.1) as connection:
        connection.execute(endless).fetchall()
    assert time.monotonic() - started < 1
    with database.read() as connection:
        assert connection.execute("SELECT 1").get == 1
    database.close()


def test_a_long_question_lets_others_have_their_turn(
    store: MemoryStore, row: RowMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prompt of ten thousand characters is embedded part by part, and not beyond its deadline."""
    store.commit(Batch(None, [row("a", "tea with milk")]))
    store.embed_pending()
    embedder = store._semantic._models.embedder(store._semantic.model)
    embed, calls = embedder.embed, []

    def slow(texts: Sequence[str]) -> Any:
        calls.append(time.monotonic())
        time.sleep(0.1)
        return embed(texts)

    monkeypatch.setattr(embedder, "embed", slow)
    assert store.recall("why is the tea cold " * 500, deadline=0.3).partial
    counted = len(calls)
    assert counted < 8
    time.sleep(0.5)
    assert len(calls) <= counted + 1  # what nobody waits for is not embedded
