"""A minimum score: what scores less is no answer, "nothing found" is one, and the reader learns what was left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memento import MemoryStore
from memento.base.identity import memory_id
from memento.config import load_config
from memento.memory import STATED_TIME, NewMemory
from memento.storage.capture import Batch

Opener = Callable[..., MemoryStore]
QUESTION = "When does the harbour ferry leave in the morning?"
ANSWER = "The harbour ferry leaves at ten past six every morning, from pier two."
OTHERS = [
    "The build takes twelve minutes on the new machine.",
    "We painted the lighthouse red and white.",
    "The ferry ticket costs four coins.",
    "Somebody left an umbrella in the office.",
]


@pytest.fixture
def opener(tmp_path: Path, model_dir: Path) -> Iterator[Opener]:
    opened: list[MemoryStore] = []

    def open_store(settings: str = "") -> MemoryStore:
        (tmp_path / "config.yaml").write_text(settings)
        environment = {"MEMENTO_HOME": str(tmp_path), "MEMENTO_MODEL_DIR": str(model_dir)}
        opened.append(MemoryStore(tmp_path / "m.db", config=load_config(environment=environment)))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture
def store(opener: Opener) -> MemoryStore:
    opened = opener()
    for place, text in enumerate([ANSWER, *OTHERS]):
        opened.remember(text, session_id=f"s{place}", timestamp=1_700_000_000_000 - place * 86_400_000)
    return opened


def between(store: MemoryStore, query: str = QUESTION) -> float:
    """Return a score that the best result reaches and no other."""
    first, second, *_ = (one.score for one in store.recall(query, min_score=0))
    assert first > second
    return (first + second) / 2


def test_what_scores_less_is_left_out(store: MemoryStore) -> None:
    every = store.recall(QUESTION, min_score=0)
    for least in (0.0, *(one.score for one in every), 1.0):
        kept = store.recall(QUESTION, min_score=least)
        assert [one.id for one in kept] == [one.id for one in every if one.score >= least]
        assert bool(kept.notes) == (not kept)
    assert [one.text for one in store.recall(QUESTION, min_score=between(store))] == [ANSWER]


def test_where_nothing_is_left_a_note_says_what_there_was(store: MemoryStore) -> None:
    every = store.recall(QUESTION, k=3, min_score=0)
    found = store.recall(QUESTION, k=3, min_score=1)
    assert not found
    assert not found.partial
    (note,) = found.notes
    assert note.startswith("3 results score less than 1, the best ")
    assert float(re.findall(r"the best ([0-9.]+);", note)[0]) == every[0].score
    (note,) = store.recall(QUESTION, k=1, min_score=1).notes
    assert note.startswith("1 result scores less than 1")
    assert note.endswith("a minimum score of 0 returns it")


def test_the_setting_holds_unless_a_score_is_given(store: MemoryStore, opener: Opener) -> None:
    least = between(store)
    other = opener(f"recall: {{min_score: {least}}}\n")
    assert [one.text for one in other.recall(QUESTION)] == [ANSWER]
    assert [one.text for one in other.batch_recall([QUESTION])[0]] == [ANSWER]
    assert len(other.recall(QUESTION, min_score=0)) == len(store.recall(QUESTION, min_score=0)) > 1


def test_operators_alone_have_no_relevance(store: MemoryStore) -> None:
    assert len(store.recall("since:2020-01-01", min_score=1)) == 1 + len(OTHERS)
    assert not store.recall("since:2020-01-01", plain=True, min_score=1)
    assert not store.recall(f"since:2020-01-01 {QUESTION}", min_score=1)


def test_what_the_deadline_leaves_without_a_ranking_has_no_floor(store: MemoryStore) -> None:
    assert [one.text for one in store.recall(QUESTION, min_score=between(store))] == [ANSWER]
    cut = store.recall(QUESTION, deadline=0, min_score=1)
    assert cut.partial
    assert not any("less than" in one for one in cut.notes)


def test_the_setting_spares_what_has_no_embedding(opener: Opener, tmp_path: Path) -> None:
    """A score of words alone is lower: without a model, a floor made for embeddings would leave nothing."""
    store = opener("recall: {min_score: 1.0}\n")
    store.remember(ANSWER)
    assert not store.recall(QUESTION)
    environment = {"MEMENTO_HOME": str(tmp_path), "MEMENTO_MODEL_DIR": str(tmp_path / "none")}
    with MemoryStore(tmp_path / "bare.db", config=load_config(environment=environment)) as bare:
        bare.remember(ANSWER)
        assert [one.text for one in bare.recall(QUESTION)] == [ANSWER]
        assert not bare.recall(QUESTION, min_score=1)


def test_what_replaced_a_relevant_fact_comes_with_it_whatever_it_scores(opener: Opener) -> None:
    store = opener()
    old = store.remember(ANSWER, session_id="a")
    newest = store.remember("From May on, a quarter to seven.", session_id="b")
    for text in OTHERS:
        store.remember(text, session_id="c")
    with store.database.write() as connection:
        connection.execute("UPDATE memories SET superseded_by = ? WHERE id = ?", (newest, old))
    scores = {one.id: one.score for one in store.recall(QUESTION, min_score=0)}
    assert scores[newest] < scores[old]
    assert [one.id for one in store.recall(QUESTION, min_score=scores[old])] == [newest, old]


def test_a_session_that_answers_fills_the_places_that_the_others_do_not_reach(opener: Opener) -> None:
    store = opener()
    for number in range(8):
        store.remember(f"The harbour ferry leaves at ten past {number} in the morning.", session_id="loud")
    for place, text in enumerate(OTHERS * 2):
        store.remember(f"{text} It was day {place}.", session_id=f"o{place}")
    every = store.recall(QUESTION, min_score=0)
    assert [one.memory.session_id for one in every].count("loud") == 5
    least = min(one.score for one in store.recall(QUESTION, k=16, min_score=0) if one.memory.session_id == "loud")
    assert [one.memory.session_id for one in store.recall(QUESTION, min_score=least)] == ["loud"] * 8


def test_by_time_returns_the_same_results_oldest_first(opener: Opener) -> None:
    store, hour = opener(), 3_600_000
    times = {"a": 5 * hour, "b": hour, "c": 0, "d": 3 * hour, "e": 2 * hour}
    rows = [
        NewMemory(memory_id("t", key), f"The harbour ferry {key} leaves in the morning.", time, "t", f"s-{key}")
        for key, time in times.items()
    ]
    flagged = NewMemory(memory_id("t", "f"), "The ferry f leaves.", hour // 2, "t", meta={STATED_TIME: 1 << 42})
    store.commit(Batch(None, [*rows, flagged]))
    by_score = [one.id for one in store.recall(QUESTION, k=6)]
    by_time = [one.id for one in store.recall(QUESTION, k=6, by_time=True)]
    assert sorted(by_score) == sorted(by_time)
    assert by_time == [memory_id("t", key) for key in ("b", "e", "d", "a", "c", "f")]
    assert {one.id for one in store.recall(QUESTION, k=2, by_time=True)} == set(by_score[:2])
