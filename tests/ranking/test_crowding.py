"""What must not crowd out the rest: a text that is said again and again, a session that goes on about one thing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memento import MemoryStore
from memento.base.identity import memory_id
from memento.config import load_config
from memento.memory import NewMemory
from memento.search.ranking.order import arrange, spread
from memento.search.ranking.weights import Ranked
from memento.storage import fulltext
from memento.storage.capture import Batch
from memento.storage.filters import Filter
from memento.storage.turns import Turn, replacements

Opener = Callable[[bool], MemoryStore]
COPIES = 300
"""More than either search brings, and more than are looked at closely."""


@pytest.fixture
def opener(tmp_path: Path, model_dir: Path) -> Iterator[Opener]:
    opened: list[MemoryStore] = []

    def open_store(with_model: bool) -> MemoryStore:
        folder = str(model_dir if with_model else tmp_path / "none")
        environment = {"MEMENTO_HOME": str(tmp_path), "MEMENTO_MODEL_DIR": folder}
        opened.append(MemoryStore(tmp_path / "m.db", config=load_config(environment=environment)))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


def fill(store: MemoryStore, texts: list[tuple[str, str]]) -> list[str]:
    """Write (session, text) pairs in their order; return their ids."""
    memories = [
        NewMemory(memory_id("t", str(number)), text, 1_700_000_000_000 + number * 60_000, "t", session)
        for number, (session, text) in enumerate(texts)
    ]
    store.commit(Batch(None, memories))
    return [memory.id for memory in memories]


@pytest.mark.parametrize("with_model", [True, False])
def test_a_text_said_in_hundreds_of_sessions_leaves_room_for_others(opener: Opener, with_model: bool) -> None:
    store = opener(with_model)
    others = [(f"o{n}", f"The tests of module {n} failed for want of a fixture, so it was fixed.") for n in range(8)]
    fill(store, [*((f"c{n}", "Please run the tests and fix what fails.") for n in range(COPIES)), *others])
    if with_model:
        store.embed_pending()
    found = store.recall("run the tests and fix what fails")
    assert [one.copies for one in found] == [COPIES - 1] + [0] * len(others)
    assert {one.memory.session_id for one in found[1:]} == {session for session, _ in others}
    assert len(store.recall("run the tests and fix what fails", k=3)) == 3


@pytest.mark.parametrize("with_model", [True, False])
def test_a_session_of_hundreds_of_turns_leaves_room_for_others(opener: Opener, with_model: bool) -> None:
    store = opener(with_model)
    loud = [("loud", f"The parser fails on line {n} of the log.") for n in range(COPIES)]
    fill(store, [*loud, *((f"o{n}", f"A parser of session {n} was slow.") for n in range(8))])
    if with_model:
        store.embed_pending()
    for limit in (1, 5, 8, 10, 20):
        sessions = [one.memory.session_id for one in store.recall("The parser fails on a line of the log", k=limit)]
        assert len(sessions) == limit
        assert sessions.count("loud") <= max(5, limit // 2, limit - 8)
    alone = store.recall("The parser fails on a line of the log", k=20, spread=False)
    assert {one.memory.session_id for one in alone} == {"loud"}


@pytest.mark.parametrize("others", [0, 3])
def test_others_are_searched_for_once_where_there_are_any(
    opener: Opener, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    store, searches = opener(False), list[str]()
    loud = [("only", f"The parser fails on line {n} of the log.") for n in range(COPIES)]
    fill(store, [*loud, *((f"o{n}", f"A parser, {n} times slow.") for n in range(others))])
    best = fulltext.search_any

    def counted(connection: Any, holding: Any, within: Filter, limit: int) -> Any:
        searches.append(within.but_session)
        return best(connection, holding, within, limit)

    monkeypatch.setattr(fulltext, "search_any", counted)
    sessions = [one.memory.session_id for one in store.recall("the parser fails")]
    assert sessions.count("only") == 10 - others
    assert searches == (["", "only"] if others else [""])


def test_what_replaced_a_fact_is_found_with_it(opener: Opener) -> None:
    store = opener(False)
    vault = "The deploy key of the web shop lies in the vault named alpha."
    versions = [vault, "It is in beta now.", "And by now in gamma."]
    old, newer, newest = fill(store, [("s", text) for text in versions])
    fill_more = [("t", f"Where the deploy key of web shop {n} lies, nobody knows.") for n in range(100)]
    store.commit(
        Batch(None, [NewMemory(memory_id("u", str(n)), text, n + 1, "t", s) for n, (s, text) in enumerate(fill_more)])
    )
    question = "Where does the deploy key of the web shop lie, in which vault?"
    assert store.recall(question)[0].id == old
    with store.database.write() as connection:
        connection.executemany("UPDATE memories SET superseded_by = ? WHERE id = ?", [(newer, old), (newest, newer)])
    found = [one.id for one in store.recall(question, spread=False)]
    assert found.index(newest) < found.index(newer) < found.index(old)
    alone = [one.id for one in store.recall(question, before=1_700_000_000_001)]
    assert old in alone
    assert newer not in alone
    with store.database.write() as connection:
        connection.execute("UPDATE memories SET superseded_by = ? WHERE id = ?", (old, newest))
        assert len(replacements(connection, [1])) == 3
    assert {old, newer, newest} <= {one.id for one in store.recall(question, spread=False)}


def test_what_was_replaced_waits_with_its_replacement() -> None:
    def ranked(num: int, session: str, superseded_by: str | None = None) -> Ranked:
        turn = Turn(num, f"m{num}", session, 0, "user", "", 0.5, active=True, superseded_by=superseded_by, length=9)
        return Ranked(turn, 1 - num / 100, ())

    loud = [ranked(num, "loud") for num in range(5)]
    ranking = [*loud, ranked(5, "a", "m6"), ranked(6, "loud"), *(ranked(num, f"o{num}") for num in range(7, 12))]
    shown = [one.ranked.turn.num for one in spread(arrange(ranking, {}, {}, {}))]
    assert shown == [0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 6, 5]
