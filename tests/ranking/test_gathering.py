"""Gathering: results that together cover a question, what each adds, and an order of events from all of the time."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from memento import MemoryStore
from memento.base.identity import memory_id
from memento.config import load_config
from memento.memory import NewMemory
from memento.search.ranking.cover import cover, parts
from memento.search.ranking.order import Placed
from memento.search.ranking.subject import about, asks_for_order
from memento.search.ranking.weights import Ranked
from memento.storage.capture import Batch
from memento.storage.turns import Around, Turn
from memento_ingest.server.client import from_wire, to_wire

DAY = 86_400_000
START = 1_700_000_000_000


@pytest.fixture
def store(tmp_path: Path, model_dir: Path) -> Iterator[MemoryStore]:
    environment = {"MEMENTO_HOME": str(tmp_path), "MEMENTO_MODEL_DIR": str(model_dir)}
    with MemoryStore(tmp_path / "m.db", config=load_config(environment=environment)) as opened:
        yield opened


def fill(store: MemoryStore, said: Sequence[tuple[str, int, str]]) -> None:
    """Write (session, day, text) in their order."""
    rows = [
        NewMemory(memory_id("t", str(place)), text, START + day * DAY + place * 1_000, "t", session)
        for place, (session, day, text) in enumerate(said)
    ]
    store.commit(Batch(None, rows))
    store.embed_pending()


def placed(num: int, score: float, session: str = "", superseded_by: str | None = None) -> Placed:
    turn = Turn(num, f"m{num}", session, num * DAY, "user", "", 0.5, active=True, superseded_by=superseded_by, length=9)
    return Placed(Ranked(turn, score, ()))


def beside(*pairs: tuple[int, int]) -> Mapping[int, Around]:
    """Return the neighbours of pairs of turns, the first right before the second."""
    after = {first: (second,) for first, second in pairs}
    before = {second: (first,) for first, second in pairs}
    return {num: Around(before.get(num, ()), after.get(num, ())) for num in after.keys() | before.keys()}


def numbers(results: Sequence[Placed]) -> list[int]:
    return [one.ranked.turn.num for one in results]


@pytest.mark.parametrize(
    ("asked", "is_about"),
    [
        ("Can you list the order in which I brought up different aspects of my move, in order?", "my move"),
        ("Walk me through the sequence in which we discussed the import job across our chats.", "the import job"),
        ("In what order did I mention the tax, the roof and the car?", "the tax, the roof and the car"),
        ("How did my kitchen plans progress in order (mention 8 items)?", "How did my kitchen plans progress"),
        ("Tell me about the flood chronologically", "Tell me about the flood"),
    ],
)
def test_a_question_for_an_order_is_about_something(asked: str, is_about: str) -> None:
    assert asks_for_order(asked)
    assert about(asked) == is_about


@pytest.mark.parametrize(
    "asked",
    [
        "What did I do in order to fix the build?",
        "Which aspects of the order did the customer mention?",
        "List all items that we discussed in our conversations.",
        "In order?",
        "",
    ],
)
def test_any_other_text_stays_as_it_is(asked: str) -> None:
    assert about(asked) == asked


def test_a_run_of_white_space_costs_no_time() -> None:
    text = "in order" + " " * 9_900 + "x, and y"
    started = time.perf_counter()
    assert about(text) == "x, and y"
    assert parts(text) == ["in order x", "y"]
    assert time.perf_counter() - started < 0.5


def test_a_turn_beside_one_that_was_chosen_has_to_be_clearly_better() -> None:
    results = [placed(1, 0.9), placed(2, 0.8), placed(7, 0.78), placed(9, 0.5)]
    assert numbers(cover(results, {}, in_order=False)) == [1, 2, 7, 9]
    assert numbers(cover(results, beside((1, 2)), in_order=False)) == [1, 7, 2, 9]
    clearly = [placed(1, 0.9), placed(2, 0.83), placed(7, 0.78), placed(9, 0.5)]
    assert numbers(cover(clearly, beside((1, 2)), in_order=False)) == [1, 2, 7, 9]


def test_an_order_of_events_takes_from_all_of_the_time() -> None:
    one_week = [placed(num, 0.9 - num / 1_000) for num in range(1, 21)]
    later = [placed(num, 0.87) for num in range(400, 410)]
    assert numbers(cover([*one_week, *later], {}, in_order=False))[:8] == list(range(1, 9))
    chosen = numbers(cover([*one_week, *later], {}, in_order=True))
    assert chosen[0] == 1
    assert len(set(chosen[:8]) & set(range(400, 410))) >= 2
    assert sorted(chosen) == [*range(1, 21), *range(400, 410)]


def test_what_replaced_a_memory_is_chosen_before_it() -> None:
    results = [placed(3, 0.1), placed(2, 0.2, superseded_by="m3"), placed(1, 0.9, superseded_by="m2"), placed(4, 0.5)]
    assert numbers(cover(results, {}, in_order=False)) == [3, 2, 1, 4]
    circle = [placed(1, 0.9, superseded_by="m2"), placed(2, 0.8, superseded_by="m1")]
    assert sorted(numbers(cover(circle, {}, in_order=False))) == [1, 2]


def test_a_question_has_parts() -> None:
    asked = "Considering the lazy loading setup, my form validation and the analytics, what is slow?"
    assert parts(asked) == ["Considering the lazy loading setup", "my form validation", "the analytics", "what is slow"]
    assert parts("Which came first, the flood or the fire?") == ["Which came first", "the flood", "the fire"]
    assert parts("Where is the deploy key?") == []
    assert parts("") == []
    assert len(parts(", ".join(f"word{n}" for n in range(30)))) == 8


def test_a_result_near_another_part_of_the_question_counts_for_more() -> None:
    results = [placed(1, 0.9), placed(3, 0.8), placed(5, 0.7), placed(7, 0.6)]
    near = {1: (0.8, 0.1), 3: (0.7, 0.1), 5: (0.1, 0.8)}
    assert numbers(cover(results, {})) == [1, 3, 5, 7]
    assert numbers(cover(results, {}, near)) == [1, 5, 3, 7]


@given(
    st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.55, 0.6, 0.8, 0.81, 0.99, 1.0]), min_size=1, max_size=12),
    st.sets(st.integers(0, 10)),
    st.lists(st.tuples(st.floats(-1, 1, width=16), st.floats(-1, 1, width=16)), max_size=12),
    st.booleans(),
)
def test_each_choice_is_the_best_that_is_left(
    scores: list[float], linked: set[int], cosines: list[tuple[float, float]], in_order: bool
) -> None:
    """A slow and plain implementation finds each choice as good."""
    results = sorted((placed(num, score) for num, score in enumerate(scores)), key=lambda one: -one.ranked.score)
    around = beside(*((num, num + 1) for num in linked if num + 1 < len(scores)))
    near = dict(enumerate(cosines))

    def worth(num: int, chosen: Sequence[int]) -> float:
        score = min(max(scores[num], 1e-9), 1 - 1e-9)
        both = around.get(num, Around())
        same = max((math.exp(-abs(num - one) / 3) for one in chosen), default=0.0)
        lost = 0.15 * len({*both.before, *both.after} & set(chosen)) + (0.75 * same if in_order else 0.0)
        known = [(0.0, 0.0), *(near[one] for one in chosen if one in near)]
        nearer = [max(0.0, one - max(best)) for one, *best in zip(near.get(num, ()), *known, strict=False)]
        gained: float = 4 * sum(nearer) / 2
        return math.log(score / (1 - score)) + gained - lost

    chosen = numbers(cover(results, around, near, in_order=in_order))
    assert sorted(chosen) == sorted(numbers(results))
    assert scores[chosen[0]] == max(scores)
    for place, num in enumerate(chosen[1:], 1):
        best = max(worth(other, chosen[:place]) for other in chosen[place:])
        assert worth(num, chosen[:place]) == pytest.approx(best)


def test_what_a_recall_gathers_is_the_best_that_is_left_each_time(store: MemoryStore) -> None:
    said = [
        (f"s{day}", day, f"My sourdough bread {day}{half} rose {'well' if (day + ord(half)) % 3 else 'a little'}.")
        for day in range(8)
        for half in "ab"
    ]
    fill(store, said)
    question = "How well did my sourdough bread rise?"
    best, gathered = (store.recall(question, k=16, cover=way, min_score=0) for way in (False, True))
    assert {one.id for one in gathered} == {one.id for one in best}
    assert gathered[0].id == best[0].id
    assert [one.id for one in gathered] != [one.id for one in best]
    session = {one.id: one.memory.session_id for one in best}
    score = {one.id: one.score for one in best}

    def worth(one: str, before: Sequence[str], rounding: float) -> float:
        odds = score[one] + rounding
        return math.log(odds / (1 - odds)) - 0.15 * [session[other] for other in before].count(session[one])

    order = [one.id for one in gathered]
    for place, one in enumerate(order):
        before, left = order[:place], order[place:]
        assert worth(one, before, 5e-5) >= max(worth(other, before, -5e-5) for other in left)
    assert [one.id for one in store.recall(question, k=5, cover=True, min_score=0)] == order[:5]
    least = sorted(score.values())[8]
    kept = store.recall(question, k=16, cover=True, min_score=least)
    assert {one.id for one in kept} == {one for one in score if score[one] >= least}


def test_an_order_is_told_from_what_it_is_about(store: MemoryStore) -> None:
    noise = [("chat", 1, f"Could you list item {n} of our conversations in order, please?") for n in range(12)]
    steps = ["sold the old boat", "bought a blue boat", "painted the boat", "launched the boat", "raced the boat"]
    fill(store, [*noise, *((f"s{day}", 10 * day, f"Today I {step}.") for day, step in enumerate(steps))])
    question = (
        "Can you list the order in which I brought up different aspects of my boat in our conversations, in order?"
    )
    plain = {one.text for one in store.recall(question, k=5)}
    as_asked = {one.text for one in store.recall(question.replace("order", "row"), k=5)}
    gathered = store.recall(question, k=5, cover=True, by_time=True)
    assert gathered.query == question
    assert [one.text for one in gathered] == [f"Today I {step}." for step in steps]
    assert plain == {one.text for one in gathered}
    assert len(plain & as_asked) < 5


def test_each_result_says_what_it_adds(store: MemoryStore) -> None:
    fill(
        store,
        [
            ("a", 0, "The ferry to the island leaves at six."),
            ("a", 0, "The ferry costs four coins."),
            ("b", 3, "On the island there is a lighthouse."),
        ],
    )
    question = "What about the ferry, the island and the lighthouse?"
    found = store.recall(question, cover=True, explain=True, zone="UTC")
    adds = {one.text: one.adds for one in found}
    assert None not in adds.values()
    assert sorted(word for one in found if one.adds for word in one.adds.words) == ["ferry", "island", "lighthouse"]
    assert [one.adds.day for one in found if one.adds and one.adds.day] == ["2023-11-14", "2023-11-17"][
        :: 1 if found[0].memory.session_id == "a" else -1
    ]
    assert sorted(one.adds.session for one in found if one.adds) == [False, True, True]
    assert sum(one.adds.beside for one in found if one.adds) == 1
    assert from_wire(json.loads(json.dumps(to_wire(found)))).results == found.results
    assert all(one.adds is None for one in (*store.recall(question, explain=True), *store.recall(question, cover=True)))


def test_operators_alone_are_gathered_too(store: MemoryStore) -> None:
    fill(store, [("a", day, f"Note {day}.") for day in range(4)])
    found = store.recall("since:2020-01-01", cover=True, explain=True, by_time=True)
    assert [one.text for one in found] == [f"Note {day}." for day in range(4)]
