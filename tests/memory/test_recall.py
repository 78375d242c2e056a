"""Recall: words and meaning together, filters before top-k, a deadline, and any query at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from memento.base.times import now_ms
from memento.config import load_config
from memento.embedding import Embedder
from memento.errors import ModelError, StoreError, UsageError
from memento.memory import NewMemory, Recall
from memento.search.query_cache import QUERY_SEGMENT_BYTES
from memento.storage import fulltext, rows
from memento.storage.capture import Batch
from memento.storage.database import Database
from memento.store import MemoryStore

StoreMaker = Callable[..., MemoryStore]
RowMaker = Callable[..., NewMemory]
DAY = 86_400_000


def texts(found: Recall) -> list[str]:
    return [each.text for each in found]


def test_the_real_model_finds_what_shares_no_word(real: MemoryStore) -> None:
    deploy = real.remember("We ship releases on Thursdays only, never before a weekend.")
    real.remember("The cat prefers the blue blanket.")
    real.remember("Postgres runs on port 5433 on the staging machine.")
    found = real.recall("what day do deployments happen?", k=1)
    assert found[0].id == deploy
    assert found[0].lexical is None
    assert found[0].dense is not None
    assert found[0].dense > 0.3
    assert not found.partial
    assert found.notes == ()
    batch = real.batch_recall(["which database port", "feline bedding"], k=1)
    assert ["Postgres" in batch[0][0].text, "cat" in batch[1][0].text] == [True, True]
    assert [each.query for each in batch] == ["which database port", "feline bedding"]


def test_a_weak_likeness_is_found_where_there_is_nothing_better(real: MemoryStore) -> None:
    born = real.remember("Our daughter was born on Sunday, I am off until March.")
    real.remember("The cat prefers the blue blanket.")
    found = real.recall("did someone become a parent?")
    assert found[0].id == born
    assert found[0].dense is not None
    assert found[0].dense < 0.35


def test_a_model_that_arrives_later_embeds_what_waited(
    bare: MemoryStore, model_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare.remember("We ship releases on Thursdays only.")
    found = bare.recall("releases")
    assert texts(found) == ["We ship releases on Thursdays only."]
    assert found[0].dense is None
    assert "searched by words only: no embedding model in" in found.notes[0]
    assert "memento model pull" in found.notes[0]
    assert texts(bare.recall("what day do deployments happen?")) == []
    (tmp_path / "no-model").symlink_to(model_dir, target_is_directory=True)
    found = bare.recall("what day do deployments happen?")
    assert texts(found) == ["We ship releases on Thursdays only."]
    assert found.notes == ()
    assert bare.pending() == 0


def test_words_that_mean_the_same_are_found_by_meaning(open_store: StoreMaker, words: type[Any]) -> None:
    store = open_store(embedder=words(same={"automobile": "car"}))
    store.remember("the car is red")
    store.remember("the boat is white")
    found = store.recall("automobile")
    assert texts(found)[0] == "the car is red"
    assert found[0].lexical is None
    assert found.seconds > 0
    assert found[:1] == (found[0],)


FILTERS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("collection", {"collection": "rules"}, {"collection": "rules"}),
    ("one tag", {"tags": ("red", "blue")}, {"tags": "red"}),
    ("two tags", {"tags": ("red", "blue")}, {"tags": ["blue", "red"]}),
    ("source", {"source": "chatgpt"}, {"source": "chatgpt"}),
    ("session", {"session_id": "s7"}, {"session": "s7"}),
    ("project", {"project": "/home/ana/shop"}, {"project": "/home/ana/shop"}),
    ("project's name", {"project": "/home/ana/shop"}, {"project": "shop"}),
    ("role", {"role": "assistant"}, {"role": "assistant"}),
    ("trust", {"trust": "tool"}, {"trust": "tool"}),
    ("importance", {"importance": 0.9}, {"min_importance": 0.9}),
    ("since an age", {"timestamp": now_ms() - DAY}, {"since": "7d"}),
    ("since a date", {"timestamp": now_ms()}, {"since": (datetime.now() - timedelta(days=2)).date().isoformat()}),
    ("since a datetime", {"timestamp": now_ms()}, {"since": datetime.now(UTC) - timedelta(days=2)}),
    ("since seconds", {"timestamp": now_ms()}, {"since": time.time() - 86_400}),
    ("since milliseconds", {"timestamp": now_ms()}, {"since": now_ms() - DAY}),
    ("before", {"timestamp": 1_000}, {"before": datetime(1990, 1, 1, tzinfo=UTC)}),
    ("all", {"collection": "c", "role": "tool", "tags": ("t",)}, {"collection": "c", "role": "tool", "tags": "t"}),
]


@pytest.mark.parametrize(("fields", "filters"), [case[1:] for case in FILTERS], ids=[case[0] for case in FILTERS])
@pytest.mark.parametrize("by", ["words and meaning", "meaning"])
def test_filters_hold_before_top_k(
    crowded: MemoryStore, row: RowMaker, fields: dict[str, Any], filters: dict[str, Any], by: str
) -> None:
    wanted = row(f"{fields} {filters} {by}", "the kettle is somewhere in a long tale of other things", **fields)
    crowded.write(wanted, revive=True)  # the case before forgot the same text
    found = crowded.recall("boiler" if by == "meaning" else "the kettle", k=3, min_score=0, **filters)
    assert [each.id for each in found] == [wanted.id]
    assert found[0].dense is not None
    assert [memory.id for memory in crowded.get_recent(**filters)] == [wanted.id]
    crowded.delete(wanted.id)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory, words: type[Any], row: RowMaker) -> Iterator[MemoryStore]:
    """A store with 300 memories that answer "the kettle" better than any other."""
    path = tmp_path_factory.mktemp("crowded") / "store.db"
    with MemoryStore(path, embedder=words(same={"boiler": "kettle"})) as store:
        store.commit(Batch(None, [row(str(n), f"the kettle {n}", collection="crowd") for n in range(300)]))
        store.embed_pending()
        yield store


def test_k_may_exceed_the_candidates_and_the_store(bare: MemoryStore, row: RowMaker) -> None:
    bare.commit(Batch(None, [row(str(n), f"tea {n}") for n in range(300)]))
    assert len(bare.recall("tea", k=250)) == 250
    assert len(bare.recall("tea", k=10**30)) == 300
    assert len(bare.recall("tea")) == 10
    for k in (0, -1):
        with pytest.raises(UsageError, match="k must be 1 or more"):
            bare.recall("tea", k=k)


ODD = [
    "C++", "don't", '"', '""', "'", "t:secret", "NEAR(", "NEAR(a b, 2)", "*", "a*", "^a", "-a", "a AND", "NOT", "OR OR",
    "(", ")", "{a b}: c", "+", "_", "__init__", "🚀", "\0", "a\0b", "\ud800", "a\udfffb", "", "   ", "\n", "%", ";",
    "日本語のテスト", "مرحبا", "Ελληνικά", "ñandú", "e\u0301", "\u202e", "--", "/*", "the", "the and of", "x" * 10_000,
    "word " * 2_000, " ".join(map(str, range(3_000))), "a.b#c-d'e+f", "memories_fts", "tags:x", "text : y", "\x1a",
]  # fmt: skip


@pytest.mark.parametrize("query", ODD, ids=[ascii(query[:12]) for query in ODD])
def test_no_query_raises(tea: MemoryStore, query: str) -> None:
    found = tea.recall(query)
    assert not found.partial
    query.encode("utf-8", "replace")
    assert all(0 <= each.score <= 1 for each in found)


@settings(max_examples=150, deadline=None)
@given(query=st.text(alphabet=st.characters(), max_size=40))
def test_no_text_raises(tea: MemoryStore, query: str) -> None:
    tea.recall(query, k=3)


def test_words_of_odd_queries_are_found(tea: MemoryStore) -> None:
    assert "C++" in tea.recall("C++", k=1)[0].text
    assert "don't" in tea.recall("don't", k=1)[0].text
    assert "the header is t:secret now" in texts(tea.recall("t:secret", k=2))


@pytest.fixture(scope="module")
def tea(tmp_path_factory: pytest.TempPathFactory, words: type[Any], row: RowMaker) -> Iterator[MemoryStore]:
    texts = ["tea with milk", "written in C++ mostly", "we don't know", "the header is t:secret now", "日本語のテスト"]
    with MemoryStore(tmp_path_factory.mktemp("tea") / "store.db", embedder=words()) as store:
        store.commit(Batch(None, [row(str(n), text) for n, text in enumerate(texts)]))
        yield store


class Slow(Embedder):
    """Takes a while for every text."""

    engine, model, dimensions = "fake", "slow@1", 2

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def embed(self, texts: Sequence[str]) -> list[Any]:
        import numpy as np

        time.sleep(self.seconds * len(texts))
        return [np.array([[1, 0]], np.float32) for _ in texts]

    def passages(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def test_catching_up_keeps_to_the_deadline_and_says_what_waits(open_store: StoreMaker, row: RowMaker) -> None:
    store = open_store(embedder=Slow(0.15))
    store.commit(Batch(None, [row(str(n), f"tea {n} " + "x" * 3_000) for n in range(100)]))
    found = store.recall("tea", deadline=0.6)
    assert found.seconds < 1.5
    assert len(found) == 10
    assert "memories wait for their embedding" in found.notes[0]
    assert 0 < store.pending() < 100


def test_remembering_does_not_embed_a_whole_backlog_first(open_store: StoreMaker, row: RowMaker) -> None:
    store = open_store(embedder=Slow(0.01))
    store.commit(Batch(None, [row(str(n), f"tea {n}") for n in range(1000)]))
    started = time.monotonic()
    known = store.remember("the newest")
    assert time.monotonic() - started < 3
    found = store.recall("newest", k=1)
    assert (found[0].id, found[0].dense) == (known, 1.0)


def test_recall_does_not_wait_for_another_process_that_writes(store: MemoryStore, row: RowMaker) -> None:
    store.remember("tea with milk")
    store.write(row("a", "tea with lemon"))
    other = Database(store.path)
    with other.write():
        found = store.recall("tea", deadline=1.0)
    assert found.seconds < 3
    assert set(texts(found)) == {"tea with milk", "tea with lemon"}
    assert "1 memory waits for its embedding" in found.notes[0]
    other.close()
    assert store.recall("tea").notes == ()


def test_recall_works_on_a_full_disk(store: MemoryStore, row: RowMaker) -> None:
    store.remember("tea with milk")
    connection = store._database.connection
    pages = int(str(connection.pragma("page_count")))
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="the disk is full"):
        store.remember("x" * 100_000)
    assert texts(store.recall("a new query about tea")) == ["tea with milk"]


def test_two_stores_on_one_file_see_each_others_memories_by_meaning(open_store: StoreMaker, words: type[Any]) -> None:
    same = {"automobile": "car", "ship": "boat", "dwelling": "house"}
    here, there = (open_store(embedder=words(same=same)) for _ in range(2))
    assert texts(here.recall("automobile")) == []
    car = there.remember("the car")
    assert texts(here.recall("automobile")) == ["the car"]
    boat = here.remember("the boat")
    assert texts(there.recall("ship", k=1)) == ["the boat"]
    there.delete(car)
    assert car not in [each.id for each in here.recall("automobile")]
    house = there.remember("the house")  # may take the row number of a deleted one
    assert here.recall("dwelling", k=1)[0].id == house
    here.delete(house)
    here.delete(boat)
    assert texts(there.recall("ship")) == []


def test_an_index_sees_a_row_that_grew_after_it_was_read(
    open_store: StoreMaker, words: type[Any], row: RowMaker
) -> None:
    same = {"automobile": "car", "vessel": "ship", "dwelling": "house"}
    here, there = (open_store(embedder=words(same=same)) for _ in range(2))
    for key in "ab":
        there.write(row(key, f"a tale {key}"))
    assert len(here.recall("tale")) == 2
    for key, text in (("a", "a tale a car"), ("b", "a tale b house"), ("c", "the ship")):
        there.write(row(key, text))
    there.embed_pending()
    for query, answer in (("automobile", "a tale a car"), ("dwelling", "a tale b house"), ("vessel", "the ship")):
        assert texts(here.recall(query, k=1)) == [answer]


def test_what_another_store_deleted_does_not_crowd_out_the_rest(
    open_store: StoreMaker, words: type[Any], row: RowMaker
) -> None:
    here, there = (open_store(embedder=words(same={"boiler": "kettle"})) for _ in range(2))
    there.commit(Batch(None, [row(str(n), f"kettle {n}") for n in range(250)]))
    left = there.remember("a kettle kettle, somewhat other")
    there.embed_pending()
    assert left not in [each.id for each in here.recall("boiler", k=5)]
    with there._database.write() as connection:
        rows.delete(connection, [row(str(n), "").id for n in range(250)])
    assert [each.id for each in here.recall("boiler", k=5)] == [left]


def test_another_model_embeds_everything_anew(open_store: StoreMaker, words: type[Any]) -> None:
    open_store(embedder=words("old@1")).remember("the car")
    new = open_store(embedder=words("new@2", same={"automobile": "car"}))
    assert new.pending() == 1
    assert texts(new.recall("automobile")) == ["the car"]
    assert new.pending() == 0


def test_the_best_passage_of_a_long_memory_counts(store: MemoryStore) -> None:
    store.remember("rivers and lakes\n\nkettle\n\nmountains")
    store.remember("kettle among many other words that water it down a lot")
    found = store.recall("kettle")
    assert found[0].dense == pytest.approx(1.0)
    assert found[0].text.startswith("rivers")


def test_a_query_is_embedded_once_in_any_process(open_store: StoreMaker, words: type[Any]) -> None:
    first, second = words(), words()
    store = open_store(embedder=first)
    store.recall("tea")
    store.recall("tea")
    open_store(embedder=second).recall("tea")
    assert (first.embedded, second.embedded) == (["tea"], [])
    assert store.stats().cached_queries == 1


def test_a_huge_query_embeds_only_its_beginning(open_store: StoreMaker, words: type[Any]) -> None:
    embedder = words()
    open_store(embedder=embedder).recall("tea " * 1_000_000)
    assert sum(len(text) for text in embedder.embedded) == 10_000
    assert max(len(text) for text in embedder.embedded) <= QUERY_SEGMENT_BYTES


def test_who_said_it_counts_by_words_and_by_meaning(tmp_path: Path, model_dir: Path) -> None:
    config = load_config({"embedding.model_dir": str(model_dir)}, {"MEMENTO_HOME": str(tmp_path)})
    with MemoryStore(config=config) as store:
        for speaker in ("Ann", "Ben"):
            store.remember("I painted a sunrise over the lake last year.", speaker=speaker)
        best = store.recall("When did Ben paint a sunrise?", k=1)[0]
        assert best.memory.speaker == "Ben"
        assert store.recall("Ann", k=1)[0].memory.speaker == "Ann"


def test_several_queries_are_embedded_together_and_once(open_store: StoreMaker, words: Any) -> None:
    embedder = words()
    semantic = open_store(embedder=embedder)._semantic
    first = semantic.query_vectors(["green tea", "black tea", "green tea"])
    assert [len(vector) for vector in first] == [4 * embedder.dimensions] * 3
    assert embedder.embedded == ["green tea", "black tea"]
    again = semantic.query_vectors(["black tea", "a new one", "green tea"])
    assert embedder.embedded == ["green tea", "black tea", "a new one"]
    assert [again[0], again[2]] == [first[1], first[0]]


def test_the_question_is_embedded_while_words_are_searched_for(
    open_store: StoreMaker, words: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = words()
    store = open_store(embedder=embedder)
    store.remember("green tea")
    searched = threading.Event()
    best, embed = fulltext.search_any, embedder.embed

    def by_words(*given: Any) -> Any:
        found = best(*given)
        searched.set()
        return found

    def after_the_words(texts: Sequence[str]) -> Any:
        assert searched.wait(10)
        return embed(texts)

    monkeypatch.setattr(fulltext, "search_any", by_words)
    monkeypatch.setattr(embedder, "embed", after_the_words)
    assert store.recall("tea that is green")[0].dense is not None


def test_what_embedding_a_question_raises_is_raised(
    open_store: StoreMaker, words: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = words()
    store = open_store(embedder=embedder)
    store.remember("green tea")

    def broken(_: Sequence[str]) -> Any:
        raise ModelError("the model is broken")

    monkeypatch.setattr(embedder, "embed", broken)
    found = store.recall("tea that is green")
    assert texts(found) == ["green tea"]
    assert found.notes == ("searched by words only: the model is broken",)
    monkeypatch.setattr(embedder, "embed", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.recall("is tea green?")


def test_similarities_of_given_memories(store: MemoryStore, row: RowMaker) -> None:
    import numpy as np

    store.remember("green tea\n\nwith milk")
    store.remember("coffee")
    store.write(row("a", "not embedded"))
    queries = store._semantic.query_vectors(["with milk", "coffee"])
    found = np.array(store._semantic.similarities(queries, [3, 2, 1, 99]))
    assert np.isnan(found[:, [0, 3]]).all()
    assert found[0, 2] == pytest.approx(1)
    assert found[1, 1] == pytest.approx(1)
    assert found[0, 1] < 0.7


@pytest.mark.parametrize(
    ("within", "left"),
    [
        ({"since": "2026-06-03T12:00Z"}, ["evening"]),
        ({"before": "2026-06-03T12:00Z"}, ["morning"]),
        ({}, ["evening", "morning"]),
    ],
)
def test_a_question_that_names_a_day_keeps_to_since_and_before(
    store: MemoryStore, within: dict[str, Any], left: list[str]
) -> None:
    """What happened on the day is looked for by itself, besides what is found by meaning: both keep to the filter."""
    for name, hour in (("morning", "08:00"), ("evening", "18:00")):
        store.remember(f"The {name} ferry to Sandoya was late.", timestamp=f"2026-06-03T{hour}Z")
    question = "Which ferry to Sandoya was late on 3 June 2026?"
    found = store.recall(question, 10, at="2026-06-10T12:00Z", zone="UTC", min_score=0, **within)
    assert sorted(memory.text.split()[1] for memory in found) == left
